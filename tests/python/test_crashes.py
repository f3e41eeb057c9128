"""What could end a process, or never end, is done in one of its own, with a limit of time.

Free lists that run in circles, on every policy, layout and kind of region; forks while other
threads are inside of several heaps; a signal handler that comes back into the heap while a call of
it is under way. Stray writes past a region are in test_guard_pages.py.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from bench import REGIONS
from heap_probes import run_child

HERE = str(Path(__file__).parent)
needs_alarm = pytest.mark.skipif(not hasattr(signal, "alarm"), reason="needs alarms")

CIRCLES = """
import io, itertools, signal, sys
sys.path.insert(0, {here!r})
import glassheap
from bench import CHANGES, GROUNDS
from heap_probes import GRANULE, first_place, node_at, overwrite

def nodes(heap):
    return [info.start - heap.base for info in heap.walk() if not info.live]

def link_to(heap, offset):
    return (offset + heap.base - first_place(heap)) // GRANULE

def write_circle(heap, order):
    # Each node leads to the one before it and back: no link leads out.
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

def look(heap):
    assert len(heap.free_list()) <= heap.stats().free_blocks
    assert heap.walk() and heap.available_memory() >= heap.largest_free() >= 0
    heap.print_free_list(file=io.StringIO())

signal.alarm(60)
done = 0
for ground in GROUNDS:
    if ground.region != {region!r}:
        continue
    for number in range(4):
        for name, change in CHANGES.items():
            bench = ground.bench()
            write_circle(bench.heap, list(circles(nodes(bench.heap)))[number])
            look(bench.heap)
            use(lambda: change(bench))
            look(bench.heap)
            assert bench.heap.check()
            bench.heap.reset()
            assert not bench.heap.check()
            done += 1
print(done > 0)
"""


@needs_alarm
@pytest.mark.parametrize("region", REGIONS)
def test_a_list_that_runs_in_a_circle_is_walked_to_an_end(region: str) -> None:
    """By every call that looks or changes; each finds the damage, or needs none of it."""
    done = run_child(CIRCLES.format(here=HERE, region=region))
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "True\n")


FORKING = """
import os, signal, threading
import glassheap

heaps = [glassheap.Heap(1 << 22, policy=policy.name) for policy in glassheap.policies()]
for heap in heaps:
    heap.free_many(heap.malloc_many(b"1"))  # what this imports, it imports before any fork
    heap.check()
ended = threading.Event()

def allocate():
    while not ended.is_set():
        for heap in heaps:
            heap.free_many(heap.malloc_many(bytes(3000)))

def look():
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

threads = [threading.Thread(target=work) for work in (allocate, look)]
for thread in threads:
    thread.start()
failed = sum(fork(1) != 0 for _ in range(8))
ended.set()
for thread in threads:
    thread.join()
print(failed, use())
"""


@needs_alarm
def test_a_child_and_its_child_may_use_every_heap_at_once() -> None:
    """Also when other threads were inside some of them, and are not there to leave."""
    done = run_child(FORKING, "-W", "ignore")
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "0 0\n")


COMING_BACK = """
import ctypes, signal
import glassheap

heap = glassheap.Heap(1 << 26, checks="debug")  # to look at all of it takes a while
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
said = {}

# Not Python's own handlers, which wait for the call to end: this one runs in the middle of it.
@ctypes.CFUNCTYPE(None, ctypes.c_int)
def handle(number):
    for name, call in calls.items():
        try:
            said[name] = repr(call())
        except Exception as error:
            said[name] = f"{type(error).__name__}: {error}"

libc = ctypes.CDLL(None)
libc.signal.argtypes, libc.signal.restype = [ctypes.c_int, ctypes.c_void_p], ctypes.c_void_p
libc.signal(signal.SIGVTALRM, ctypes.cast(handle, ctypes.c_void_p))
signal.setitimer(signal.ITIMER_VIRTUAL, 0.005)  # of its own time: so it is inside by then
found = heap.check()
assert list(said) == list(calls), said
print(found, *sorted(set(said.values())), sep="\\n")
heap.free(address)
print(heap.stats().live_blocks, heap.check())
"""


@needs_alarm
def test_a_handler_that_interrupts_a_call_is_refused_and_never_waits() -> None:
    """By every call that takes the lock; what was interrupted ends as if nothing had been."""
    done = run_child(COMING_BACK)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "[]",
        "HeapError: this thread is inside the heap already: a signal handler interrupted a call of"
        " it. Try again when the handler has returned.",
        "0 []",
    ]
