"""Tests that could crash or hang: each runs in a forked child with a time limit.

They cover free lists with cycles on every policy, layout and kind of region, forks while other
threads are inside several heaps, and a signal handler that re-enters the heap during a call.
Stray writes past a region are in test_guard_pages.py.
"""

from __future__ import annotations

import ctypes
import io
import os
import signal
import threading
from contextlib import suppress
from resource import RUSAGE_SELF, getrusage
from typing import TYPE_CHECKING

import pytest

import glassheap
from fault_fixture import CONFIGURATIONS, MUTATING_CALLS, REGIONS
from glassheap import Heap
from heap_probes import link, node_at, overwrite
from process_helpers import NEEDS_FORK, fork, in_fork

if TYPE_CHECKING:
    from collections.abc import Callable

    from fault_fixture import Configuration

pytestmark = NEEDS_FORK


# --- Free lists with cycles. ----------------------------------------------------------------------

CIRCLES: dict[str, Callable[[list[int]], list[int]]] = {
    "each to itself": lambda places: places,
    "forwards": lambda places: places[1:] + places[:1],
    "backwards": lambda places: places[-1:] + places[:-1],
    "all to one": lambda places: places[:1] * len(places),
}
"""Functions from the free blocks to those that their links lead to."""


def write_circle(heap: Heap, circle: Callable[[list[int]], list[int]]) -> None:
    """Overwrite both links of each node: no link leaves the cycle."""
    places = [info.start for info in heap.walk() if not info.live]
    for place, target in zip(places, circle(places), strict=True):
        offset, to = place - heap.base, link(heap, target)
        overwrite(heap, offset, node_at(heap, offset)._replace(next=to, prev=to).pack())


def inspect(heap: Heap) -> None:
    assert len(heap.free_list()) <= heap.stats().free_blocks
    assert heap.walk()
    assert heap.available_memory() >= heap.largest_free() >= 0
    heap.print_free_list(file=io.StringIO())


def make_every_call(configuration: Configuration) -> None:
    for circle in CIRCLES.values():
        for change in MUTATING_CALLS.values():
            prepared = configuration.prepared()
            write_circle(prepared.heap, circle)
            inspect(prepared.heap)
            with suppress(glassheap.HeapError):
                change(prepared)
            inspect(prepared.heap)
            assert prepared.heap.check()
            prepared.heap.reset()
            assert not prepared.heap.check()


@pytest.mark.parametrize("region", REGIONS)
def test_every_call_terminates_on_a_free_list_with_a_cycle(region: str) -> None:
    """Each call detects the damage, or does not need the damaged nodes."""
    for configuration in CONFIGURATIONS:
        if configuration.region == region:
            in_fork(make_every_call, configuration)


# --- Forks. ---------------------------------------------------------------------------------------


def use_all(heaps: list[Heap]) -> int:
    """Use each heap; the number of findings in them."""
    for heap in heaps:
        heap.free(heap.realloc(heap.malloc(100), 200))
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

    def allocate() -> None:
        while not ended.is_set():
            for heap in heaps:
                heap.free_many(heap.malloc_many(bytes(3000)))

    def check() -> None:
        while not ended.is_set():
            for heap in heaps:
                heap.check()
                heap.walk()

    use_all(heaps)  # so that the imports of these calls happen before any fork
    heaps[0].free_many(heaps[0].malloc_many([8]))
    threads = [threading.Thread(target=work) for work in (allocate, check)]
    for thread in threads:
        thread.start()
    statuses = [fork_and_use(heaps, 1) for _ in range(8)]
    ended.set()
    for thread in threads:
        thread.join()
    return [*statuses, use_all(heaps)]


def test_a_forked_child_and_its_child_can_use_every_heap_at_once() -> None:
    """Threads that were inside some of the heaps do not exist in the child."""
    assert in_fork(fork_while_threads_work) == [0] * 9


# --- A signal handler in the middle of a call. ----------------------------------------------------

REENTRY = (
    "HeapError: this thread is inside the heap already: a signal handler interrupted one of its "
    "calls. Try again when the handler has returned."
)


def outcome(call: Callable[[], object]) -> str:
    try:
        return repr(call())
    except Exception as error:  # noqa: BLE001  (the test compares it)
        return f"{type(error).__name__}: {error}"


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


def reenter() -> tuple[list[glassheap.Finding], dict[str, str], list[glassheap.Finding]]:
    heap = Heap(1 << 26, checks="debug")  # check() reads it all, in tens of milliseconds
    address = heap.malloc(8)
    calls: dict[str, Callable[[], object]] = {
        "malloc": lambda: heap.malloc(8),
        "free": lambda: heap.free(address),
        "realloc": lambda: heap.realloc(address, 9),
        "free_many": lambda: heap.free_many([address]),
        "check": heap.check,
        "walk": heap.walk,
        "stats": heap.stats,
        "reset": heap.reset,
        "close": heap.close,
    }
    outcomes: dict[str, str] = {}

    # A handler of the C library: Python's own handlers run only after the call.
    @ctypes.CFUNCTYPE(None, ctypes.c_int)  # type: ignore[untyped-decorator]
    def handle(number: int) -> None:
        if outcome(heap.largest_free) == REENTRY:  # otherwise the signal came outside of check()
            outcomes.update({name: outcome(call) for name, call in calls.items()})

    libc = ctypes.CDLL(None)
    libc.signal.argtypes, libc.signal.restype = [ctypes.c_int, ctypes.c_void_p], ctypes.c_void_p
    libc.signal(signal.SIGVTALRM, ctypes.cast(handle, ctypes.c_void_p))
    findings = check_interrupted(heap, lambda: bool(outcomes))
    heap.free(address)
    return findings, outcomes, heap.check()


def test_a_signal_handler_inside_a_call_is_refused_without_waiting() -> None:
    """Every call that takes the lock refuses it, and the interrupted call ends normally."""
    findings, outcomes, later = in_fork(reenter)
    assert len(outcomes) == 9
    assert outcomes == dict.fromkeys(outcomes, REENTRY)
    assert findings == later == []
