"""OffsetHeap beside a heap with bytes, and beside the allocator that such programs write by hand.

    python tests/benchmarks/offsets.py

The one by hand is that of sorted_holes.py. Each has N holes that are too small for the request, and
makes pairs of malloc and free. The rounds of all are interleaved in one process; the figures are
medians in nanoseconds of processor time a pair.

Exit status: 0 an OffsetHeap takes at most 1.1 times as long as a heap without headers, is never
slower than the sorted list, and with the most holes 50 times as fast; 1 it is not.
"""

from __future__ import annotations

import statistics
import sys
from time import process_time_ns
from typing import TYPE_CHECKING

from sorted_holes import GRANULE, SortedHoles

from glassheap import Heap, OffsetHeap

if TYPE_CHECKING:
    from collections.abc import Callable

    Pair = Callable[[], object]

REQUEST = 16 * GRANULE
HOLES = (0, 10, 100, 1000, 5000)
ROUNDS = 31
LONGEST_ROUND = 2_000_000
"""Nanoseconds."""

MOST_TIMES_BYTES, LEAST_TIMES_HOLES = 1.1, 50


def pairs_of(holes: int) -> dict[str, Pair]:
    """A pair on each contender, among so many holes of a granule."""
    size = (2 * holes + 64) * GRANULE
    offsets, by_hand = OffsetHeap(size, granule=GRANULE), SortedHoles(size)
    with_bytes = Heap(size // GRANULE * 16, headers=False, base=1 << 40)
    for heap, piece in ((offsets, GRANULE), (with_bytes, 16)):
        heap.free_many(heap.malloc_many([piece] * 2 * holes)[::2])
    for start in [by_hand.malloc(GRANULE) for _ in range(2 * holes)][::2]:
        by_hand.free(start)
    return {
        "OffsetHeap": lambda: offsets.free(offsets.malloc(REQUEST)),
        "Heap, no headers": lambda: with_bytes.free(with_bytes.malloc(256)),
        "sorted list": lambda: by_hand.free(by_hand.malloc(REQUEST)),
    }


def time_of(pair: Pair, count: int) -> float:
    """Nanoseconds a pair."""
    begin = process_time_ns()
    for _ in range(count):
        pair()
    return (process_time_ns() - begin) / count


def medians(pairs: dict[str, Pair]) -> dict[str, float]:
    """The median of each, over interleaved rounds."""
    counts = {name: max(1, int(LONGEST_ROUND // time_of(pair, 20))) for name, pair in pairs.items()}
    rounds = [
        {name: time_of(pair, counts[name]) for name, pair in pairs.items()} for _ in range(ROUNDS)
    ]
    return {name: statistics.median(one[name] for one in rounds) for name in pairs}


def main() -> int:
    """Print a row for each number of holes; the exit status."""
    names = list(pairs_of(0))
    print("  ".join(f"{title:>18}" for title in ("holes", *names, "sorted list / it")))
    ratios: list[float] = []
    beside_bytes: list[float] = []
    for holes in HOLES:
        found = medians(pairs_of(holes))
        ratios.append(found["sorted list"] / found["OffsetHeap"])
        beside_bytes.append(found["OffsetHeap"] / found["Heap, no headers"])
        figures = [f"{holes:,}", *(f"{found[name]:,.0f}" for name in names), f"{ratios[-1]:,.1f}"]
        print("  ".join(f"{figure:>18}" for figure in figures))
    most = statistics.median(beside_bytes)
    print(f"an OffsetHeap takes {most:.2f} times as long as a heap without headers")
    good = most <= MOST_TIMES_BYTES and min(ratios) >= 1 and ratios[-1] >= LEAST_TIMES_HOLES
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
