"""docs/benchmarks.md and docs/benchmarks-shared.md: calls from Python, and sharing."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

from tables import Page, bar, brief, figures, head

if TYPE_CHECKING:
    from tables import Results

FASTER = "at least {} times as fast".format

# --- Calls. ---------------------------------------------------------------------------------------

OWN, BY_HAND = "pair/glassheap", "pair/a C type written by hand"
CTYPES, CFFI = "pair/libc by ctypes", "pair/libc by cffi, ABI mode"
BYTES, STANDARD = "pair/bytearray(64)", "pair/multiprocessing.heap, Heap"
FRESH = "batch/malloc_many, array('Q'), untouched region"
USED = "batch/malloc_many, array('Q'), region used before"
ORDERED = "batch/free_many, array('Q'), in order of address"
SHUFFLED = "batch/free_many, array('Q'), shuffled"
EACH = "batch/malloc in a list comprehension, region used before"
PLAIN, IMPORTING = "start/python -c 'pass'", "start/python -c 'import glassheap'"
ADDED = "start/the import adds"


def calls(it: Results) -> Page:
    """The page about calls."""
    it.values[ADDED] = [it.figure(IMPORTING) - it.figure(PLAIN)]
    bars = [
        bar(
            "a pair, against a C type written by hand",
            "at most 1.1 times its time",
            it.ratio(OWN, BY_HAND),
        ),
        bar("a pair, against libc by ctypes", FASTER(5), it.ratio(CTYPES, OWN)),
        bar("a pair, against libc by cffi, ABI mode", FASTER(5), it.ratio(CFFI, OWN)),
        bar("a pair, against bytearray(64)", "at most 0.9 times its time", it.ratio(OWN, BYTES)),
        bar("a pair, against multiprocessing.heap", FASTER(50), it.ratio(STANDARD, OWN)),
        bar("malloc_many, untouched region", "at most 15 ns a block", it.figure(FRESH)),
        bar("malloc_many, region used before", "at most 15 ns a block", it.figure(USED)),
        bar("free_many, in order of address", "at most 15 ns a block", it.figure(ORDERED)),
        bar("free_many, shuffled", "at most 60 ns a block", it.figure(SHUFFLED)),
        bar("import glassheap, added to the start", "at most 15 ms", it.figure(ADDED) / 1e6),
        bar("the wheel", "at most 600,000 bytes", it.figure("wheel/the wheel")),
    ]
    memory = "Bytes per live block of 64 bytes, among 100,000. The last row is a total."
    sections = [
        head(it, bars),
        figures(it, "malloc and free of 64 bytes, from Python", "ns a pair", ["pair"]),
        figures(it, "A million blocks of 1 to 256 bytes in one call", "ns a block", ["batch"]),
        figures(it, "The start of the interpreter", "ms", ["start"]),
        figures(it, "Memory that becomes resident", "bytes", ["memory"], memory),
    ]
    summary = [
        brief(it, "a pair from Python, 64 bytes", "ns", OWN, CTYPES, BYTES, STANDARD),
        brief(it, "a block of a batch (`malloc_many`)", "ns", USED, EACH),
        brief(it, "`import glassheap`, added to the start", "ms", ADDED, PLAIN),
    ]
    return sections, summary


# --- Sharing. -------------------------------------------------------------------------------------

SHARED, PRIVATE = "pair/SharedHeap", "pair/Heap"
BLOCK, SEGMENT = "piece/a block: malloc, free", "piece/SharedMemory: create, close, unlink"
ARRAY, ALONE = "piece/a block and an ndarray in it", "piece/SharedMemory and an ndarray in it"
PASSED, PICKLED = "passing/a block of a SharedHeap", "passing/pickled: a bytearray"
LIVE, DESCRIPTORS = "million/live blocks", "million/file descriptors for them"


def sharing(it: Results) -> Page:
    """The page about sharing."""
    more = it.figure(SHARED) - it.figure(PRIVATE)
    longest = max((it.figure(f"longest/{row}") for row in it.rows("longest")), default=nan)
    bars = [
        bar("a pair, more than in a private heap", "at most 30 ns", more),
        bar("a pair, against multiprocessing.heap", FASTER(25), it.ratio(STANDARD, SHARED)),
        bar("a block, against a segment", FASTER(100), it.ratio(SEGMENT, BLOCK)),
        bar("an array, against one in a segment", FASTER(20), it.ratio(ALONE, ARRAY)),
        bar("blocks live in one segment", "at least 1,000,000 blocks", it.figure(LIVE)),
        bar("file descriptors for them", "at most 1 of them", it.figure(DESCRIPTORS)),
        bar("a block, against pickling it", FASTER(100), it.ratio(PICKLED, PASSED)),
        bar("the longest operation, 4 processes", "at most 50 ms", longest / 1e6),
    ]
    pieces = "8,000 bytes visible to other processes, created and removed"
    worker = "The worker writes the first byte and returns its argument."
    waits = "In 30 seconds. Each operation was timed individually, waits included."
    sections = [
        head(it, bars),
        figures(it, "malloc and free of 64 bytes, uncontended", "ns a pair", ["pair"]),
        figures(it, pieces, "ns", ["piece"]),
        figures(it, "Many live blocks in one segment", "number", ["million"]),
        figures(it, "100 MB to a worker of a pool and back", "ms", ["passing"], worker),
        figures(it, "4 processes at once in one heap", "operations", ["operations"]),
        figures(it, "Their longest operations", "ms", ["longest"], waits),
    ]
    summary = [
        brief(it, "a pair in a shared heap, from Python", "ns", SHARED, PRIVATE),
        brief(it, "8,000 bytes visible to other processes", "ns", BLOCK, SEGMENT),
        brief(it, "100 MB to a worker of a pool and back", "ms", PASSED, PICKLED),
    ]
    return sections, summary
