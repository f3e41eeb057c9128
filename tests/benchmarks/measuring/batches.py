"""malloc_many and free_many: a million blocks in one call.

The sizes are 1 to 256 bytes, drawn at random from a fixed seed.  In a new region the system has to
find and clear each page at the first access; a region that was used before has its pages.  A
program meets the first case once and the second one afterwards, so both are measured, and the bar
applies to each.  The system's time for the pages alone is a row of its own.  Each call is timed as
a whole, including the creation of its result.
"""

from __future__ import annotations

import mmap
import random
from array import array
from statistics import median
from typing import TYPE_CHECKING

from glassheap import Heap
from measuring.results import Bar, Section, middle, spread
from measuring.timing import Times, run_calls_interleaved, time_once

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

COUNT = 1_000_000
LARGEST = 256
HEADER = 16
MOST = 20
"""The bar of malloc_many, in nanoseconds a block."""

FRESH = "malloc_many, array('Q'), untouched region"
USED = "malloc_many, array('Q'), region used before"
FROM_LIST = "malloc_many, list, region used before"
PAGES = "the system alone: touching the pages of such a region"
SINGLE = "malloc in a list comprehension, region used before"
IN_ORDER = "free_many, array('Q'), in order of address"
SHUFFLED = "free_many, array('Q'), shuffled"


class Batches:
    """The sizes, a heap that is large enough and was used before, and the calls to time."""

    def __init__(self) -> None:
        draw = random.Random(COUNT)
        self.list = [draw.randint(1, LARGEST) for _ in range(COUNT)]
        self.array = array("Q", self.list)
        self.region = sum(HEADER + size + -size % 16 for size in self.list)
        self.used = Heap(self.region)
        self.order = self.used.malloc_many(self.array)
        self.shuffled = array("Q", draw.sample(self.order, COUNT))

    def calls(self) -> dict[str, Callable[[], float]]:
        """The calls to time, by name; each returns nanoseconds a block."""
        return {
            FRESH: self.fresh,
            USED: lambda: self.malloc_many(self.used, self.array),
            FROM_LIST: lambda: self.malloc_many(self.used, self.list),
            PAGES: self.pages,
            SINGLE: self.single_calls,
            IN_ORDER: lambda: self.free_many(self.order),
            SHUFFLED: lambda: self.free_many(self.shuffled),
        }

    def fresh(self) -> float:
        """Allocate a million blocks in an untouched region."""
        with Heap(self.region) as heap:
            return time_once(lambda: heap.malloc_many(self.array)) / COUNT

    def pages(self) -> float:
        """Write a byte to each page of a new region, without a heap."""
        with mmap.mmap(-1, self.region, flags=mmap.MAP_PRIVATE) as pages:
            request_huge_pages(pages)
            return time_once(lambda: touch(pages)) / COUNT

    def malloc_many(self, heap: Heap, sizes: Sequence[int] | array[int]) -> float:
        """Allocate a million blocks in a heap that was reset."""
        heap.reset()
        return time_once(lambda: heap.malloc_many(sizes)) / COUNT

    def single_calls(self) -> float:
        """Allocate the same blocks by single calls, for comparison."""
        self.used.reset()
        malloc = self.used.malloc
        return time_once(lambda: [malloc(size) for size in self.list]) / COUNT

    def free_many(self, addresses: array[int]) -> float:
        """Free the blocks; the heap returns the same addresses every time."""
        self.used.reset()
        self.used.malloc_many(self.array)
        return time_once(lambda: self.used.free_many(addresses)) / COUNT


def request_huge_pages(pages: mmap.mmap) -> None:
    """Request huge pages if the system has them, like a heap for its region."""
    if hasattr(mmap, "MADV_HUGEPAGE"):
        pages.madvise(mmap.MADV_HUGEPAGE)


def touch(pages: mmap.mmap) -> None:
    """Write one byte to each page."""
    for offset in range(0, len(pages), mmap.PAGESIZE):
        pages[offset] = 1


def measure(rounds: int, _seconds: float) -> Section:
    """Measure nanoseconds a block."""
    times = run_calls_interleaved(Batches().calls(), rounds)
    return Section(
        title=f"A million blocks of 1 to {LARGEST} bytes in one call",
        notes=[],
        columns=["call", "ns a block", "all rounds"],
        rows=[[name, middle(taken), spread(taken)] for name, taken in times.items()],
        bars=[bar(name, times[name]) for name in (FRESH, USED)],
        samples=times,
        unit="ns",
    )


def bar(name: str, times: Times) -> Bar:
    """The bar of malloc_many in a new or a used region."""
    return Bar(name, "at most", MOST, "ns a block", median(times))
