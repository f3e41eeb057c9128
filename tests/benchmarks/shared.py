"""The cost of sharing: SharedHeap beside Heap, multiprocessing.heap, SharedMemory and pickle.

Two commands write docs/benchmarks-shared.md (workload.py describes the command line of this
script):

    python tests/benchmarks/rounds.py -o shared.json tests/benchmarks/shared.py
    python tests/benchmarks/page.py shared shared.json docs/benchmarks-shared.md

Each contender has one block at a time. With the standard library, a program creates a segment for
each array that it shares: a name, a file, and pages of its own. Workloads that cross processes are
timed by the wall clock, because the time is spent in several processes.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing.heap import Heap as StandardHeap
from multiprocessing.shared_memory import SharedMemory
from time import monotonic, perf_counter, perf_counter_ns
from typing import TYPE_CHECKING, TypeVar

from peers import BLOCK, METHODS, REGION
from tables import LOOP, MS, NS, ONE, Bar, Measured, Table, difference, number, ratio, worst
from workload import MissingError, create_runner, main, record, timed

from glassheap import Heap, SharedHeap

if TYPE_CHECKING:
    import pyperf

T = TypeVar("T")

SHARED, PRIVATE, STANDARD = "SharedHeap", "Heap", "multiprocessing.heap, Heap"
SLOWER, FASTER = difference(SHARED, PRIVATE), ratio(STANDARD, SHARED)
PAIRS = Table(
    "pair",
    f"malloc and free of {BLOCK} bytes, uncontended",
    ["by", "ns a pair", "all rounds"],
    NS,
    {
        LOOP: timed("pass"),
        SHARED: timed(METHODS, lambda: {"heap": SharedHeap.create(size=REGION)}),
        PRIVATE: timed(METHODS, lambda: {"heap": Heap(REGION)}),
        STANDARD: timed(METHODS, lambda: {"heap": StandardHeap()}),
    },
    bars=[
        Bar("a pair, more than in a private heap", "at most 60 ns", SLOWER),
        Bar("a pair, against multiprocessing.heap", "at least 25 times as fast", FASTER),
    ],
)

# --- Pieces, created and removed. -----------------------------------------------------------------

PIECE = 8000
CREATE = "it = SharedMemory(create=True, size=size)"
REMOVE = "it.close(); it.unlink()"
ARRAY = f"array = ndarray({PIECE // 8}, float64, it"


def names() -> dict[str, object]:
    """The names in the statements."""
    heap = SharedHeap.create(size=1 << 20)
    return {"heap": heap, "SharedMemory": SharedMemory, "size": PIECE}


def numpy_names() -> dict[str, object]:
    """The names in the statements on arrays."""
    try:
        import numpy
    except ImportError:
        raise MissingError("NumPy is not installed") from None
    return {**names(), "ndarray": numpy.ndarray, "float64": numpy.dtype("float64")}


ONE_BLOCK, SEGMENT = "a block: malloc, free", "SharedMemory: create, close, unlink"
BLOCK_ARRAY, SEGMENT_ARRAY = "a block and an ndarray in it", "SharedMemory and an ndarray in it"
BLOCKS, ARRAYS = ratio(SEGMENT, ONE_BLOCK), ratio(SEGMENT_ARRAY, BLOCK_ARRAY)
PIECES = Table(
    "piece",
    f"{PIECE:,} bytes visible to other processes, created and removed",
    ["what", "ns", "all rounds"],
    NS,
    {
        LOOP: timed("pass"),
        ONE_BLOCK: timed("heap.free(heap.malloc(size))", names),
        "a block as an object: alloc, free": timed("heap.alloc(size).free()", names),
        SEGMENT: timed(f"{CREATE}; {REMOVE}", names),
        BLOCK_ARRAY: timed(f"it = heap.alloc(size); {ARRAY}); del array; it.free()", numpy_names),
        SEGMENT_ARRAY: timed(f"{CREATE}; {ARRAY}.buf); del array; {REMOVE}", numpy_names),
    },
    bars=[
        Bar("a block, against a segment", "at least 100 times as fast", BLOCKS),
        Bar("an array, against one in a segment", "at least 20 times as fast", ARRAYS),
    ],
)

# --- A million live blocks. -----------------------------------------------------------------------

MILLION = 1_000_000


def count_descriptors(runner: pyperf.Runner, name: str) -> None:
    """Record the file descriptors of a million live blocks in one segment."""
    before = descriptors()
    with SharedHeap.create(size=MILLION * (16 + BLOCK)) as heap:
        heap.malloc_many([BLOCK] * MILLION)
        record(runner, name, descriptors() - before, "integer", live=len(heap))


def descriptors() -> int:
    """The number of open files of this process."""
    return len(os.listdir("/proc/self/fd"))


def live(measured: Measured) -> list[float]:
    """The live blocks of each round."""
    return [facts["live"] for rounds in measured.facts.values() for facts in rounds]


DESCRIPTORS = Table(
    "million",
    "Many live blocks in one segment",
    ["live blocks", "file descriptors"],
    ONE,
    {f"{MILLION:,}": count_descriptors},
    cells=lambda times, _: [number(max(times))],
    bars=[
        Bar("blocks live in one segment", f"at least {MILLION:,} blocks", live),
        Bar("file descriptors for them", "at most 1 of them", worst),
    ],
)

# --- A hundred megabytes to a worker of a pool and back. ------------------------------------------

PASSED = 100_000_000


def run_passing(pickled: bool, runner: pyperf.Runner, name: str) -> None:
    """Time round trips; the worker of the pool starts in the warmup."""
    content = bytearray(PASSED)
    context = multiprocessing.get_context("spawn")
    with (
        SharedHeap.create(size=PASSED + 4096) as heap,
        heap.alloc(PASSED) as block,
        ProcessPoolExecutor(1, context) as pool,
    ):
        memoryview(block)[:] = content
        runner.bench_time_func(name, partial(round_trips, pool, content if pickled else block))


def round_trips(pool: ProcessPoolExecutor, content: object, loops: int) -> float:
    """Seconds until the worker has returned the content so many times."""
    begun = perf_counter()
    for _ in range(loops):
        pool.submit(write_first_byte, content).result()
    return perf_counter() - begun


def write_first_byte(content: T) -> T:
    """The task of the worker."""
    with memoryview(content) as view:  # type: ignore[arg-type]
        view[0] = 1
    return content


PASSED_BLOCK, PICKLED = "a block of a SharedHeap", "pickled: a bytearray"
UNPICKLED = ratio(PICKLED, PASSED_BLOCK)
PASSING = Table(
    "passing",
    f"{PASSED // 1_000_000} MB to a worker of a pool and back",
    ["how", "ms", "all rounds"],
    MS,
    {PASSED_BLOCK: partial(run_passing, False), PICKLED: partial(run_passing, True)},
    note="The worker writes the first byte and returns its argument.",
    bars=[Bar("a block, against pickling it", "at least 100 times as fast", UNPICKLED)],
)

# --- Four processes at once. ----------------------------------------------------------------------

PROCESSES = 4
SECONDS = 4
SIZES = (16, 100, 1000, 40, 5000, 64)


def run_crowd(runner: pyperf.Runner, _name: str) -> None:
    """Record the longest single operation of each of four processes at once in one heap."""
    context = multiprocessing.get_context("spawn")
    with SharedHeap.create(size=1 << 24) as heap, ProcessPoolExecutor(PROCESSES, context) as pool:
        done = list(pool.map(work, [heap] * PROCESSES))
        if heap.check() or len(heap) != 0:
            raise RuntimeError("The heap is not sound after the crowd.")
    for process, (operations, longest) in enumerate(done, 1):
        record(runner, f"crowd: {process}", longest, "second", operations=operations)


def work(heap: SharedHeap) -> tuple[int, float]:
    """Allocate and free for SECONDS; the number of operations, and the longest in seconds."""
    count = longest = 0
    live: list[int] = []
    until = monotonic() + SECONDS
    while monotonic() < until:
        for size in SIZES * 20:
            begun = perf_counter_ns()
            if len(live) < 50:
                live.append(heap.malloc(size))
            else:
                heap.free(live.pop(size % 50))
            longest = max(longest, perf_counter_ns() - begun)
            count += 1
    heap.free_many(live)
    return count, longest / 1e9


CROWD = Table(
    "crowd",
    f"{PROCESSES} processes at once in one heap, for {SECONDS} seconds a round",
    ["process", "operations", "longest, ms"],
    MS,
    {"1": run_crowd},  # records all processes
    note="Each operation was timed individually, waits included.",
    cells=lambda times, facts: [
        number(sum(round_["operations"] for round_ in facts)),
        number(max(times)),
    ],
    bars=[Bar(f"the longest operation, {PROCESSES} processes", "at most 50 ms", worst)],
)

TABLES = [PAIRS, PIECES, DESCRIPTORS, PASSING, CROWD]

if __name__ == "__main__":
    sys.exit(main(create_runner(), TABLES, {}))
