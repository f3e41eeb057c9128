"""Tests that could crash or hang: each runs in a child process with a time limit.

They cover free lists with cycles on every policy, layout and kind of region, forks while other
threads are inside several heaps, and a signal handler that re-enters the heap during a call.
Stray writes past a region are in test_guard_pages.py.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from fault_fixture import REGIONS
from heap_probes import run_child

HERE = str(Path(__file__).parent)
needs_alarm = pytest.mark.skipif(not hasattr(signal, "alarm"), reason="needs alarms")

CIRCLES = """
import io, itertools, signal, sys
sys.path.insert(0, {here!r})
import glassheap
from fault_fixture import MUTATING_CALLS, CONFIGURATIONS
from heap_probes import GRANULE, first_block_address, node_at, overwrite

def nodes(heap):
    return [info.start - heap.base for info in heap.walk() if not info.live]

def link_to(heap, offset):
    return (offset + heap.base - first_block_address(heap)) // GRANULE

def write_circle(heap, order):
    # Both links of each node lead to its target: no link leaves the cycle.
    for offset, target in order:
        link = link_to(heap, target)
        overwrite(heap, offset, node_at(heap, offset)._replace(next=link, prev=link).pack())

def circles(places):
    yield [(place, place) for place in places]
    yield list(zip(places, places[1:] + places[:1]))
    yield list(zip(places, places[-1:] + places[:-1]))
    yield [(place, places[0]) for place in places]

def use(call):
    try:
        return call()
    except glassheap.HeapError:
        return None

def inspect(heap):
    assert len(heap.free_list()) <= heap.stats().free_blocks
    assert heap.walk() and heap.available_memory() >= heap.largest_free() >= 0
    heap.print_free_list(file=io.StringIO())

signal.alarm(60)
done = 0
for configuration in CONFIGURATIONS:
    if configuration.region != {region!r}:
        continue
    for number in range(4):
        for name, change in MUTATING_CALLS.items():
            prepared = configuration.prepared()
            write_circle(prepared.heap, list(circles(nodes(prepared.heap)))[number])
            inspect(prepared.heap)
            use(lambda: change(prepared))
            inspect(prepared.heap)
            assert prepared.heap.check()
            prepared.heap.reset()
            assert not prepared.heap.check()
            done += 1
print(done > 0)
"""


@needs_alarm
@pytest.mark.parametrize("region", REGIONS)
def test_every_call_terminates_on_a_free_list_with_a_cycle(region: str) -> None:
    """Each call detects the damage, or does not need the damaged nodes."""
    done = run_child(CIRCLES.format(here=HERE, region=region))
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "True\n")


FORKING = """
import os, signal, threading
import glassheap

heaps = [glassheap.Heap(1 << 22, policy=policy.name) for policy in glassheap.policies()]
for heap in heaps:
    heap.free_many(heap.malloc_many(b"1"))  # so that its imports happen before any fork
    heap.check()
ended = threading.Event()

def allocate():
    while not ended.is_set():
        for heap in heaps:
            heap.free_many(heap.malloc_many(bytes(3000)))

def inspect():
    while not ended.is_set():
        for heap in heaps:
            heap.check()
            heap.walk()

def use():
    for heap in heaps:
        address = heap.malloc(100)
        heap.free(heap.realloc(address, 200))
    return sum(len(heap.check()) for heap in heaps)

def fork(generations):
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    signal.alarm(20)
    found = use()
    os._exit(1 if found or (generations and fork(generations - 1)) else 0)

threads = [threading.Thread(target=work) for work in (allocate, inspect)]
for thread in threads:
    thread.start()
failed = sum(fork(1) != 0 for _ in range(8))
ended.set()
for thread in threads:
    thread.join()
print(failed, use())
"""


@needs_alarm
def test_a_forked_child_and_its_child_can_use_every_heap_at_once() -> None:
    """Threads that were inside some of the heaps do not exist in the child."""
    done = run_child(FORKING, "-W", "ignore")
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "0 0\n")


REENTRY = """
import ctypes, signal, time
import glassheap

heap = glassheap.Heap(1 << 28, checks="debug")  # check() reads it all, in tens of milliseconds
address = heap.malloc(8)
calls = {
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
outcomes = {}

# A handler of the C library: Python's own handlers run only after the call.
@ctypes.CFUNCTYPE(None, ctypes.c_int)
def handle(number):
    for name, call in calls.items():
        try:
            outcomes[name] = repr(call())
        except Exception as error:
            outcomes[name] = f"{type(error).__name__}: {error}"

libc = ctypes.CDLL(None)
libc.signal.argtypes, libc.signal.restype = [ctypes.c_int, ctypes.c_void_p], ctypes.c_void_p
libc.signal(signal.SIGVTALRM, ctypes.cast(handle, ctypes.c_void_p))
began = time.process_time()
heap.check()
half = (time.process_time() - began) / 2
signal.setitimer(signal.ITIMER_VIRTUAL, half)  # processor time, so it expires inside check()
found = heap.check()
assert list(outcomes) == list(calls), outcomes
print(found, *sorted(set(outcomes.values())), sep="\\n")
heap.free(address)
print(heap.stats().live_blocks, heap.check())
"""


@needs_alarm
def test_a_signal_handler_inside_a_call_is_refused_without_waiting() -> None:
    """Every call that takes the lock refuses it, and the interrupted call ends normally."""
    done = run_child(REENTRY)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "[]",
        "HeapError: this thread is inside the heap already: a signal handler interrupted one of its"
        " calls. Try again when the handler has returned.",
        "0 []",
    ]
