"""The cost of a block of a shared heap, beside a private one and the means of the standard library.

Each contender has one block at a time. With the standard library, a program creates a segment for
each array that it shares: a name, a file, and pages of its own.
"""

from __future__ import annotations

import os
from multiprocessing.heap import Heap as StandardHeap
from multiprocessing.shared_memory import SharedMemory
from statistics import median
from typing import TYPE_CHECKING, Any

from glassheap import Heap, SharedHeap
from measuring.peers import BLOCK, METHODS, REGION
from measuring.results import Bar, Section, middle, number, spread
from measuring.timing import EMPTY_LOOP, Contender, Times, differences, ratio, run_interleaved

if TYPE_CHECKING:
    from types import ModuleType

SHARED, PRIVATE, STANDARD = "SharedHeap", "Heap", "multiprocessing.heap, Heap"
MOST_ADDED = 60
"""The bar of a pair of calls: nanoseconds more than in a private heap."""

PIECE = 8000
"""Bytes of a shared array of 1,000 numbers."""
SEGMENT = "SharedMemory: create, close, unlink"
ONE_BLOCK = "a block: malloc, free"
OBJECT = "a block as an object: alloc, free"
SEGMENT_ARRAY = "SharedMemory and an ndarray in it"
BLOCK_ARRAY = "a block and an ndarray in it"

MILLION = 1_000_000


def measure_pairs(rounds: int, seconds: float) -> Section:
    """Measure malloc and free, uncontended."""
    with SharedHeap.create(size=REGION) as shared:
        contenders = [
            Contender(SHARED, METHODS, {"heap": shared}),
            Contender(PRIVATE, METHODS, {"heap": Heap(REGION)}),
            Contender(STANDARD, METHODS, {"heap": StandardHeap()}),
        ]
        times = run_interleaved(contenders, rounds, seconds)
    loop = times.pop(EMPTY_LOOP.name)
    added = median(differences(times[SHARED], times[PRIVATE]))
    faster = ratio(times[STANDARD], times[SHARED])
    return Section(
        title=f"malloc and free of {BLOCK} bytes, uncontended",
        notes=[f"The empty loop takes {middle(loop)} ns, subtracted from every row."],
        columns=["by", "ns a pair", "all rounds"],
        rows=rows(times),
        bars=[
            Bar("a pair, more than in a private heap", "at most", MOST_ADDED, "ns", added),
            Bar("a pair, against multiprocessing.heap", "at least", 25, "times as fast", faster),
        ],
        samples=times,
        unit="ns",
    )


def measure_pieces(rounds: int, seconds: float) -> Section:
    """Measure a block and a segment, and an array in each."""
    numpy = numpy_or_none()
    with SharedHeap.create(size=1 << 20) as heap:
        times = run_interleaved(pieces(heap, numpy), rounds, seconds)
    times.pop(EMPTY_LOOP.name)
    block = ratio(times[SEGMENT], times[ONE_BLOCK])
    array = ratio(times[SEGMENT_ARRAY], times[BLOCK_ARRAY]) if numpy else None
    return Section(
        title=f"{PIECE:,} bytes visible to other processes, created and removed",
        notes=[] if numpy else ["Not measured: arrays, because NumPy is not installed."],
        columns=["what", "ns", "all rounds"],
        rows=rows(times),
        bars=[
            Bar("a block, against a segment", "at least", 100, "times as fast", block),
            Bar("an array, against one in a segment", "at least", 20, "times as fast", array),
        ],
        samples=times,
        unit="ns",
    )


def pieces(heap: SharedHeap, numpy: ModuleType | None) -> list[Contender]:
    """The contenders that create and remove a block or a segment; with NumPy also arrays."""
    names: dict[str, Any] = {"heap": heap, "size": PIECE}
    segment = {"SharedMemory": SharedMemory, "size": PIECE}
    create = "it = SharedMemory(create=True, size=size)"
    remove = "it.close(); it.unlink()"
    found = [
        Contender(ONE_BLOCK, "heap.free(heap.malloc(size))", names),
        Contender(OBJECT, "heap.alloc(size).free()", names),
        Contender(SEGMENT, f"{create}; {remove}", segment),
    ]
    if numpy:
        array = f"array = ndarray({PIECE // 8}, float64, it"
        of_numpy = {"ndarray": numpy.ndarray, "float64": numpy.dtype("float64")}
        found += [
            Contender(
                BLOCK_ARRAY,
                f"it = heap.alloc(size); {array}); del array; it.free()",
                names | of_numpy,
            ),
            Contender(
                SEGMENT_ARRAY, f"{create}; {array}.buf); del array; {remove}", segment | of_numpy
            ),
        ]
    return found


def numpy_or_none() -> ModuleType | None:
    """NumPy, or None if it is not installed."""
    try:
        import numpy
    except ImportError:
        return None
    return numpy


def measure_million(count: int) -> Section:
    """Count the file descriptors of `count` live blocks in one segment."""
    before = descriptors()
    with SharedHeap.create(size=count * (16 + BLOCK)) as heap:
        heap.malloc_many([BLOCK] * count)
        live, opened = len(heap), descriptors() - before
    return Section(
        title="Many live blocks in one segment",
        notes=[],
        columns=["live blocks", "file descriptors"],
        rows=[[number(live), number(opened)]],
        bars=[
            Bar("blocks live in one segment", "at least", MILLION, "blocks", live),
            Bar("file descriptors for them", "at most", 1, "of them", opened),
        ],
    )


def descriptors() -> int:
    """The number of open files of this process."""
    return len(os.listdir("/proc/self/fd"))


def rows(times: dict[str, Times]) -> list[list[str]]:
    """A row for each contender."""
    return [[name, middle(taken), spread(taken)] for name, taken in times.items()]
