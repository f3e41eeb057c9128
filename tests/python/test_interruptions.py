"""Python code that runs in the middle of a call: garbage collection, signal handlers, forks.

No lock is held while Python code runs, so every call made there succeeds and nothing deadlocks.
"""

from __future__ import annotations

import gc
import signal
import time

import pytest

import glassheap
from heap_probes import assert_sound, run_child


class UsesHeapWhenCollected:
    """Garbage in a cycle that uses the heap when it is collected."""

    def __init__(self, heap: glassheap.Heap) -> None:
        self.heap = heap
        self.itself = self
        self.block = heap.alloc(24)

    def __del__(self) -> None:
        self.heap.free(self.heap.malloc(16))
        self.heap.walk()


def test_the_garbage_collector_can_use_the_heap_during_any_call() -> None:
    heap = glassheap.Heap(1 << 16)  # a free-threaded CPython collects all the garbage at the end
    threshold = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for _ in range(150):
            UsesHeapWhenCollected(heap)
            heap.walk()
            heap.stats()
            with pytest.raises(glassheap.OutOfMemory):
                heap.malloc_many([8, 8, 1 << 16])
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


FORKING = """
import os, signal, threading
import glassheap

heap = glassheap.Heap(1 << 24)
heap.free_many(heap.malloc_many([8]))  # imports array now: a fork during an import is unsafe
heap.check()
ended = threading.Event()

def work():
    while not ended.is_set():
        heap.free_many(heap.malloc_many(bytes(100_000)))

heap.free_many(heap.malloc_many(b"1"))
heap.check()  # so that the imports of these calls happen before any fork
thread = threading.Thread(target=work)
thread.start()
hung = 0
for _ in range(20):
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        heap.free(heap.malloc(100))
        os._exit(len(heap.check()))
    hung += os.waitpid(child, 0)[1] != 0
    if hung:
        break
ended.set()
thread.join()
print(hung)
"""


@pytest.mark.skipif(not hasattr(signal, "alarm"), reason="needs fork")
def test_a_forked_child_can_use_its_copy_of_the_heap_at_once() -> None:
    """A thread that was inside the heap does not exist in the child to leave it."""
    done = run_child(FORKING, "-W", "ignore")
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "0\n")
