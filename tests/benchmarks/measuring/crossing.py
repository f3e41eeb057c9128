"""What it takes to hand an array to another process, and to work in one heap with three others.

Both are timed by the clock on the wall, because what one process saves another may spend.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from time import monotonic, perf_counter_ns
from typing import TYPE_CHECKING, TypeVar

from glassheap import SharedHeap
from measuring.results import Bar, Section, middle, number, spread
from measuring.timing import race_of_calls, ratio

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

PICKLED, TRAVELS = "pickled: a bytearray", "a block of a SharedHeap"

PROCESSES = 4
LONGEST = 50
"""Milliseconds of one operation, at the most."""

SIZES = (16, 100, 1000, 40, 5000, 64)


def measure_passing(rounds: int, megabytes: int) -> Section:
    """An array to a pool's worker and back."""
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
            TRAVELS: lambda: there_and_back(pool, block),
            PICKLED: lambda: there_and_back(pool, content),
        }
        calls[TRAVELS]()  # the worker starts, and attaches
        times = race_of_calls(calls, rounds)
    faster = ratio(times[PICKLED], times[TRAVELS])
    return Section(
        title=f"{megabytes} MB to a worker of a pool and back",
        notes=["The worker writes the first byte and returns its argument."],
        columns=["how", "ms", "all rounds"],
        rows=[[name, middle(taken), spread(taken)] for name, taken in times.items()],
        bars=[Bar("a block, against pickling it", "at least", 100, "times as fast", faster)],
        samples=times,
        unit="ms",
    )


def there_and_back(pool: ProcessPoolExecutor, content: object) -> float:
    """Milliseconds until it is here again."""
    begun = perf_counter_ns()
    pool.submit(touched, content).result()
    return (perf_counter_ns() - begun) / 1e6


def touched(content: T) -> T:
    """What the worker does."""
    with memoryview(content) as view:  # type: ignore[arg-type]
        view[0] = 1
    return content


def measure_crowd(seconds: float) -> Section:
    """Four processes at once in one heap: the longest that one operation took."""
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
    """Operations done in that time, and the nanoseconds that the longest took."""
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
