"""Python code that runs in the middle of a call: garbage collection and signal handlers.

No lock is held while Python code runs, so every call made there succeeds and nothing deadlocks.
Handlers of the C library, and forks, are in test_crashes.py.
"""

from __future__ import annotations

import gc
import signal
import time

import pytest

import glassheap
from heap_probes import assert_sound


class UsesHeapWhenCollected:
    """Garbage in a cycle that uses the heap when it is collected."""

    def __init__(self, heap: glassheap.Heap) -> None:
        self.heap = heap
        self.itself = self
        self.block = heap.alloc(24)

    def __del__(self) -> None:
        self.heap.free(self.heap.malloc(16))
        self.heap.walk()


def test_the_garbage_collector_can_use_the_heap_during_any_call(heap: glassheap.Heap) -> None:
    threshold = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for _ in range(150):
            UsesHeapWhenCollected(heap)
            heap.walk()
            heap.stats()
            with pytest.raises(glassheap.OutOfMemory):
                heap.malloc_many([8, 8, 5000])
            heap.free_many(heap.malloc_many([8, 8]))
            heap.view(heap.malloc(0))
    finally:
        gc.set_threshold(*threshold)
    gc.collect()
    assert len(heap) == 150
    assert_sound(heap)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
def test_a_python_signal_handler_can_use_the_heap(heap: glassheap.Heap) -> None:
    handled: list[int] = []

    def handle(number: int, frame: object) -> None:
        address = heap.malloc(8)
        heap.check()
        heap.free(address)
        handled.append(number)

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        until = time.monotonic() + 20
        while len(handled) < 50 and time.monotonic() < until:
            heap.free_many(heap.malloc_many([8] * 20))
            heap.free(heap.realloc(heap.malloc(8), 30))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(handled) >= 50
    assert_sound(heap)
