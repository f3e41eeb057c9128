"""The cost of passing an array to another process, and of four processes that use one heap.

Both are timed by the wall clock, because the time is spent in several processes.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from time import monotonic, perf_counter_ns
from typing import TYPE_CHECKING, TypeVar

from glassheap import SharedHeap
from measuring.results import Bar, Section, middle, number, spread
from measuring.timing import ratio, run_calls_interleaved

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

PICKLED, SHARED = "pickled: a bytearray", "a block of a SharedHeap"

PROCESSES = 4
LONGEST = 50
"""The bar of the longest operation, in milliseconds."""

SIZES = (16, 100, 1000, 40, 5000, 64)


def measure_passing(rounds: int, megabytes: int) -> Section:
    """Measure passing an array to a pool's worker and back."""
    size = megabytes * 1_000_000
    context = multiprocessing.get_context("spawn")
    with (
        SharedHeap.create(size=size + 4096) as heap,
        heap.alloc(size) as block,
        ProcessPoolExecutor(1, context) as pool,
    ):
        content = bytearray(size)
        memoryview(block)[:] = content
        calls: dict[str, Callable[[], float]] = {
            SHARED: lambda: round_trip(pool, block),
            PICKLED: lambda: round_trip(pool, content),
        }
        calls[SHARED]()  # starts the worker, which attaches to the heap
        times = run_calls_interleaved(calls, rounds)
    faster = ratio(times[PICKLED], times[SHARED])
    return Section(
        title=f"{megabytes} MB to a worker of a pool and back",
        notes=["The worker writes the first byte and returns its argument."],
        columns=["how", "ms", "all rounds"],
        rows=[[name, middle(taken), spread(taken)] for name, taken in times.items()],
        bars=[Bar("a block, against pickling it", "at least", 100, "times as fast", faster)],
        samples=times,
        unit="ms",
    )


def round_trip(pool: ProcessPoolExecutor, content: object) -> float:
    """Milliseconds until the content is returned by the worker."""
    begun = perf_counter_ns()
    pool.submit(write_first_byte, content).result()
    return (perf_counter_ns() - begun) / 1e6


def write_first_byte(content: T) -> T:
    """The task of the worker."""
    with memoryview(content) as view:  # type: ignore[arg-type]
        view[0] = 1
    return content


def measure_crowd(seconds: float) -> Section:
    """Measure the longest single operation of four processes at once in one heap."""
    with SharedHeap.create(size=1 << 24) as heap:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(PROCESSES, context) as pool:
            tasks = [pool.submit(work, heap, seconds) for _ in range(PROCESSES)]
            done = [task.result() for task in tasks]
        sound = not heap.check() and len(heap) == 0
    longest = max(longest for _, longest in done) / 1e6
    return Section(
        title=f"{PROCESSES} processes at once in one heap, for {number(seconds)} seconds",
        notes=["Each operation was timed individually, waits included."]
        + ([] if sound else ["The heap was NOT SOUND at the end."]),
        columns=["process", "operations", "longest, ms"],
        rows=[
            [str(index), number(count), number(longest / 1e6)]
            for index, (count, longest) in enumerate(done, 1)
        ],
        bars=[
            Bar(f"the longest operation, {PROCESSES} processes", "at most", LONGEST, "ms", longest)
        ],
    )


def work(heap: SharedHeap, seconds: float) -> tuple[int, int]:
    """Allocate and free for so long; the number of operations, and the longest in nanoseconds."""
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
