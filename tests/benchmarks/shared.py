"""The cost of sharing: SharedHeap beside Heap, multiprocessing.heap, SharedMemory and pickle.

A program of pyperf, which measure.py runs in rounds; pages/python.py has its tables.

Each contender has one block at a time. With the standard library, a program creates a segment for
each array that it shares: a name, a file, and pages of its own. Workloads that cross processes are
timed by the wall clock, because the time is spent in several processes.
"""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from time import monotonic, perf_counter, perf_counter_ns
from typing import TypeVar

import pyperf

from glassheap import SharedHeap

T = TypeVar("T")
SPAWN = multiprocessing.get_context("spawn")

BLOCK, REGION = 64, 4096
METHODS = f"heap.free(heap.malloc({BLOCK}))"
UNLINK = "import atexit; atexit.register(heap.unlink)"  # a set-up has no counterpart
PAIRS = {
    "SharedHeap": "from glassheap import SharedHeap; "
    f"heap = SharedHeap.create(size={REGION}); {UNLINK}",
    "Heap": f"from glassheap import Heap; heap = Heap({REGION})",
    "multiprocessing.heap, Heap": "from multiprocessing.heap import Heap; heap = Heap()",
}

# --- Pieces, created and removed. -----------------------------------------------------------------

PIECE = 8000
SETUP = f"""
from multiprocessing.shared_memory import SharedMemory
from glassheap import SharedHeap
from numpy import dtype, ndarray
heap, size, float64 = SharedHeap.create(size=1 << 20), {PIECE}, dtype("float64")
{UNLINK}
"""
CREATE = "it = SharedMemory(create=True, size=size)"
REMOVE = "it.close(); it.unlink()"
ARRAY = f"array = ndarray({PIECE // 8}, float64, it"
PIECES = {
    "a block: malloc, free": "heap.free(heap.malloc(size))",
    "a block as an object: alloc, free": "heap.alloc(size).free()",
    "SharedMemory: create, close, unlink": f"{CREATE}; {REMOVE}",
    "a block and an ndarray in it": f"it = heap.alloc(size); {ARRAY}); del array; it.free()",
    "SharedMemory and an ndarray in it": f"{CREATE}; {ARRAY}.buf); del array; {REMOVE}",
}

# --- A hundred megabytes to a worker of a pool and back. ------------------------------------------

PASSED = 100_000_000


def pass_block(loops: int) -> float:
    """Seconds of round trips of a block."""
    with SharedHeap.create(size=PASSED + 4096) as heap, heap.alloc(PASSED) as block:
        return round_trips(block, loops)


def pass_pickled(loops: int) -> float:
    """Seconds of round trips of a bytearray."""
    return round_trips(bytearray(PASSED), loops)


def round_trips(content: object, loops: int) -> float:
    """Seconds until the worker has returned the content so many times, after a first time."""
    with ProcessPoolExecutor(1, SPAWN) as pool:
        pool.submit(write_first_byte, content).result()
        begun = perf_counter()
        for _ in range(loops):
            pool.submit(write_first_byte, content).result()
        return perf_counter() - begun


def write_first_byte(content: T) -> T:
    """The task of the worker."""
    with memoryview(content) as view:  # type: ignore[arg-type]
        view[0] = 1
    return content


# --- Figures that need no repetition. -------------------------------------------------------------

MILLION = 1_000_000
PROCESSES, SECONDS = 4, 30
SIZES = (16, 100, 1000, 40, 5000, 64)


def figures(quick: bool) -> dict[str, float]:
    """A million live blocks in one segment, and four processes at once in one heap."""
    return count_descriptors() | crowd(1 if quick else SECONDS)


def count_descriptors() -> dict[str, float]:
    """The live blocks in one segment, and the file descriptors that they need."""
    before = len(os.listdir("/proc/self/fd"))
    with SharedHeap.create(size=MILLION * (16 + BLOCK)) as heap:
        heap.malloc_many([BLOCK] * MILLION)
        added = len(os.listdir("/proc/self/fd")) - before
        return {"million/live blocks": len(heap), "million/file descriptors for them": added}


def crowd(seconds: float) -> dict[str, float]:
    """Operations of each process, and nanoseconds of the longest one."""
    with SharedHeap.create(size=1 << 24) as heap, ProcessPoolExecutor(PROCESSES, SPAWN) as workers:
        done = list(workers.map(work, [heap] * PROCESSES, [seconds] * PROCESSES))
        if heap.check() or len(heap) != 0:
            raise RuntimeError("The heap is not sound after the crowd.")
    figures: dict[str, float] = {}
    for process, (operations, longest) in enumerate(done, 1):
        figures |= {f"operations/{process}": operations, f"longest/{process}": longest}
    return figures


def work(heap: SharedHeap, seconds: float) -> tuple[int, int]:
    """Allocate and free for a time; the number of operations, and nanoseconds of the longest."""
    count = longest = 0
    live: list[int] = []
    until = monotonic() + seconds
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
    return count, longest


if __name__ == "__main__":
    runner = pyperf.Runner(processes=1, values=3, min_time=0.05)
    for name, setup in PAIRS.items():
        runner.timeit(f"pair/{name}", METHODS, setup, duplicate=10)
    for name, statement in PIECES.items():
        runner.timeit(f"piece/{name}", statement, SETUP, duplicate=10)
    runner.bench_time_func("passing/a block of a SharedHeap", pass_block)
    runner.bench_time_func("passing/pickled: a bytearray", pass_pickled)
