"""What happens in the middle of a call: garbage collection, signal handlers, and forks.

No lock is held while Python code runs, so every call made there succeeds and nothing deadlocks. A
case that could crash or hang runs in a forked child with a time limit.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import threading
import time
from resource import RUSAGE_SELF, getrusage
from typing import TYPE_CHECKING

import pytest

import glassheap
from glassheap import Heap
from heap_probes import assert_sound
from process_helpers import NEEDS_FORK, fork, in_fork

if TYPE_CHECKING:
    from collections.abc import Callable


class UsesHeapWhenCollected:
    """Garbage in a cycle that uses the heap when it is collected."""

    def __init__(self, heap: Heap) -> None:
        self.heap = heap
        self.itself = self
        self.block = heap.alloc(24)

    def __del__(self) -> None:
        self.heap.free(self.heap.malloc(16))
        self.heap.walk()


def test_the_garbage_collector_can_use_the_heap_during_any_call() -> None:
    heap = Heap(1 << 16)  # a free-threaded CPython collects all the garbage at the end
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
def test_a_python_signal_handler_can_use_the_heap(heap: Heap) -> None:
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


def use_all(heaps: list[Heap]) -> int:
    """Use each heap; the number of findings in them."""
    for heap in heaps:
        heap.free_many([heap.realloc(heap.malloc(100), 200), *heap.malloc_many([8])])
    return sum(len(heap.check()) for heap in heaps)


def fork_and_use(heaps: list[Heap], generations: int) -> int:
    """The exit status of a child that uses the heaps, and then forks another one."""
    child = fork()
    if child:
        return os.waitpid(child, 0)[1]
    signal.alarm(20)
    found = use_all(heaps)
    os._exit(1 if found or (generations and fork_and_use(heaps, generations - 1)) else 0)


def fork_while_threads_work() -> list[int]:
    heaps = [Heap(1 << 22, policy=policy.name) for policy in glassheap.policies()]
    ended = threading.Event()

    def use_until_the_end(use: Callable[[Heap], object]) -> None:
        while not ended.is_set():
            for heap in heaps:
                use(heap)

    use_all(heaps)  # so that the imports of these calls happen before any fork
    uses = (lambda heap: heap.free_many(heap.malloc_many(bytes(3000))), Heap.check, Heap.walk)
    threads = [threading.Thread(target=use_until_the_end, args=(use,)) for use in uses]
    for thread in threads:
        thread.start()
    statuses = [fork_and_use(heaps, 1) for _ in range(8)]
    ended.set()
    for thread in threads:
        thread.join()
    return [*statuses, use_all(heaps)]


@NEEDS_FORK
def test_a_forked_child_and_its_child_can_use_every_heap_at_once() -> None:
    """Threads that were inside some of the heaps do not exist in the child."""
    assert in_fork(fork_while_threads_work) == [0] * 9


REFUSED = (
    "HeapError('this thread is inside the heap already: a signal handler interrupted one of its "
    "calls. Try again when the handler has returned.')"
)


def outcome(call: Callable[[], object]) -> str:
    try:
        return repr(call())
    except glassheap.HeapError as error:
        return repr(error)


def processor_time() -> float:
    """Seconds that this process has spent outside of the kernel, as ITIMER_VIRTUAL counts them."""
    return getrusage(RUSAGE_SELF).ru_utime


def check_interrupted(heap: Heap, inside: Callable[[], bool]) -> list[glassheap.Finding]:
    """The findings of a check() that SIGVTALRM interrupted.

    The timer is set to half of the time that the last check() took, and set again until the handler
    has found itself inside of one.
    """
    seconds = 0.01
    while True:
        began = processor_time()
        signal.setitimer(signal.ITIMER_VIRTUAL, max(seconds / 2, 0.001))
        findings = heap.check()
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        if inside():
            return findings
        seconds = processor_time() - began


def reenter() -> tuple[list[glassheap.Finding], list[str], list[glassheap.Finding]]:
    heap = Heap(1 << 26, checks="debug")  # check() reads it all, in tens of milliseconds
    block = heap.malloc(8)
    calls: list[Callable[[], object]] = [
        *(lambda: heap.malloc(8), lambda: heap.free(block), lambda: heap.realloc(block, 9)),
        *(lambda: heap.free_many([block]), heap.check, heap.walk, heap.stats),
        *(heap.reset, heap.close),
    ]
    outcomes: list[str] = []

    @ctypes.CFUNCTYPE(None, ctypes.c_int)  # type: ignore[untyped-decorator]
    def handle(number: int) -> None:
        if outcome(heap.largest_free) == REFUSED:  # otherwise the signal came outside of check()
            outcomes.extend(map(outcome, calls))

    libc = ctypes.CDLL(None)
    libc.signal.argtypes, libc.signal.restype = [ctypes.c_int, ctypes.c_void_p], ctypes.c_void_p
    libc.signal(signal.SIGVTALRM, ctypes.cast(handle, ctypes.c_void_p))
    findings = check_interrupted(heap, lambda: bool(outcomes))
    heap.free(block)
    return findings, outcomes, heap.check()


@NEEDS_FORK
def test_a_signal_handler_inside_a_call_is_refused_without_waiting() -> None:
    """Every call that takes the lock refuses it, and the interrupted call ends normally.

    Python's own handlers run only after the call.
    """
    assert in_fork(reenter) == ([], [REFUSED] * 9, [])
