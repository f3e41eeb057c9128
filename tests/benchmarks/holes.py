"""The cost of offsets: OffsetHeap beside first fit over a sorted list of holes.

A program of pyperf, which measure.py runs in rounds; pages/offsets.py has its tables. Both place
every block at the same offset, in granules of 4096 bytes.
"""

from __future__ import annotations

import random
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

import pyperf
from sorted_holes import GRANULE, SortedHoles

from glassheap import OffsetHeap

if TYPE_CHECKING:
    from collections.abc import Callable

KIB, MIB = 1 << 10, 1 << 20
SPAN = 64 << 30
CONTENDERS: dict[str, Callable[[int], Any]] = {
    "OffsetHeap": partial(OffsetHeap, granule=GRANULE),
    "SortedList of holes": SortedHoles,
}

# --- A pair of calls behind holes that do not fit. ------------------------------------------------

HOLES = (0, 5, 50, 500, 5000)
SMALL, LARGE = 64 * KIB, 128 * KIB
PAIR = "free(malloc(LARGE))"


def behind_holes(contender: str, count: int) -> tuple[Any, Any]:
    """The calls of a heap with so many holes of 64 KiB, a block after each, and free memory."""
    heap = CONTENDERS[contender](SPAN)
    offsets = [heap.malloc(SMALL) for _ in range(2 * count)]
    for offset in offsets[::2]:
        heap.free(offset)
    return heap.malloc, heap.free


# --- Blocks that come and go. ---------------------------------------------------------------------

LIVE, STEPS = 500, 20_000
LOADS = {"64 KiB to 1 MiB": (64 * KIB, 16), "64 KiB to 16 MiB": (64 * KIB, 256)}
"""The smallest size, and how many times as large the largest is."""


def churn(contender: str, least: int, factor: int, loops: int) -> float:
    """Seconds of the steps, each of which frees a block, drawn at random, and allocates another."""
    draw = random.Random(STEPS)
    sizes = [int(least * factor ** draw.random()) for _ in range(STEPS)]
    steps = [(draw.randrange(LIVE), size) for size in sizes]
    heap = CONTENDERS[contender](SPAN)
    live = [heap.malloc(size) for size in sizes[:LIVE]]
    malloc, free = heap.malloc, heap.free
    begun = perf_counter()
    for _ in range(loops):
        for which, size in steps:
            free(live[which])
            live[which] = malloc(size)
    return perf_counter() - begun


def figures(_quick: bool) -> dict[str, float]:
    """Bytes of an OffsetHeap's own memory, with 5,000 holes."""
    heap = OffsetHeap(SPAN, granule=GRANULE)
    offsets = [heap.malloc(SMALL) for _ in range(2 * HOLES[-1])]
    for offset in offsets[::2]:
        heap.free(offset)
    return {"memory/an OffsetHeap of 64 GiB": heap.own_memory()}


if __name__ == "__main__":
    runner = pyperf.Runner(processes=1, values=3, min_time=0.05)
    for contender in CONTENDERS:
        for count in HOLES:
            runner.timeit(
                f"holes:{contender}/{count:,} holes before it",
                PAIR,
                f"malloc, free = behind_holes({contender!r}, {count})",
                globals=globals(),
            )
        for name, (least, factor) in LOADS.items():
            run = partial(churn, contender, least, factor)
            row = f"holes:{contender}/{LIVE} blocks of {name}"
            runner.bench_time_func(row, run, inner_loops=STEPS)
