"""malloc_many and free_many: a million blocks in one call.

The sizes are 1 to 256 bytes, drawn at random from a fixed seed.  In a region that was never used
the system has to find and clear each page as it is first touched; one that was used before has
them.  A program meets the first once and the second ever after, so both are here, and the bar is
held against either.  What the system alone takes for the pages is a row of its own.  Each call is
run by itself and timed whole, the making of the answer included.
"""

from __future__ import annotations

import mmap
import random
from array import array
from statistics import median
from typing import TYPE_CHECKING

from glassheap import Heap
from measuring.results import Bar, Section, middle, spread
from measuring.timing import Times, once, race_of_calls

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

COUNT = 1_000_000
LARGEST = 256
HEADER = 16
MOST = 20
"""Nanoseconds a block that malloc_many may take."""

FRESH = "malloc_many, array('Q'), untouched region"
USED = "malloc_many, array('Q'), region used before"
FROM_LIST = "malloc_many, list, region used before"
PAGES = "the system alone: touching the pages of such a region"
SINGLE = "malloc in a list comprehension, region used before"
IN_ORDER = "free_many, array('Q'), in order of address"
SHUFFLED = "free_many, array('Q'), shuffled"


class Batches:
    """The sizes, a region that is large enough and in use, and the calls to be timed."""

    def __init__(self) -> None:
        draw = random.Random(COUNT)
        self.list = [draw.randint(1, LARGEST) for _ in range(COUNT)]
        self.array = array("Q", self.list)
        self.region = sum(HEADER + size + -size % 16 for size in self.list)
        self.used = Heap(self.region)
        self.order = self.used.malloc_many(self.array)
        self.shuffled = array("Q", draw.sample(self.order, COUNT))

    def calls(self) -> dict[str, Callable[[], float]]:
        """What to time, by name; each returns nanoseconds a block."""
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
        """A million blocks in a region that nobody has touched."""
        with Heap(self.region) as heap:
            return once(lambda: heap.malloc_many(self.array)) / COUNT

    def pages(self) -> float:
        """A byte written to each page of a new region, without any heap."""
        with mmap.mmap(-1, self.region, flags=mmap.MAP_PRIVATE) as pages:
            ask_for_large(pages)
            return once(lambda: touch(pages)) / COUNT

    def malloc_many(self, heap: Heap, sizes: Sequence[int] | array[int]) -> float:
        """A million blocks in a heap that is empty again."""
        heap.reset()
        return once(lambda: heap.malloc_many(sizes)) / COUNT

    def single_calls(self) -> float:
        """The same blocks, a call each: what the batch saves."""
        self.used.reset()
        malloc = self.used.malloc
        return once(lambda: [malloc(size) for size in self.list]) / COUNT

    def free_many(self, addresses: array[int]) -> float:
        """Give them back; the heap hands out the same addresses every time."""
        self.used.reset()
        self.used.malloc_many(self.array)
        return once(lambda: self.used.free_many(addresses)) / COUNT


def ask_for_large(pages: mmap.mmap) -> None:
    """Ask for large pages where the system has them, as a heap does for its region."""
    if hasattr(mmap, "MADV_HUGEPAGE"):
        pages.madvise(mmap.MADV_HUGEPAGE)


def touch(pages: mmap.mmap) -> None:
    """Write one byte to each page."""
    for offset in range(0, len(pages), mmap.PAGESIZE):
        pages[offset] = 1


def measure(rounds: int, _seconds: float) -> Section:
    """Nanoseconds a block."""
    times = race_of_calls(Batches().calls(), rounds)
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
    """What is wanted of malloc_many, in either region."""
    return Bar(name, "at most", MOST, "ns a block", median(times))
