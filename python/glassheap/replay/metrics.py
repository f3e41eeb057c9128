"""The measures of fragmentation in the literature, as functions of sizes in bytes.

    live     bytes requested in live blocks
    used     bytes of the region up to the end of its highest live block
    sizes    what the free blocks offer, one number each; F is their sum, N their number
    taken    bytes of the live blocks, with headers and rounding

Each is a ratio, and O(n) in the free blocks.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

from glassheap import _core

if TYPE_CHECKING:
    from collections.abc import Sequence


def excess(used: int, live: int) -> float:
    """The excess used / live - 1: how much more is used than live; 0 if nothing is live.

    The measures 1 to 4 of M. S. Johnstone and P. R. Wilson ("The Memory Fragmentation Problem:
    Solved?", ISMM 1998) are its mean over time, it at the peak of live, it at the peak of used, and
    it of the two peaks.
    """
    return used / live - 1 if live else 0.0


def external(sizes: Sequence[int]) -> float:
    """1 - L / F, with L the largest size; 0 if nothing is free.

    The share of the free bytes that one request cannot get.  Source: textbooks.
    """
    free = sum(sizes)
    return 1 - max(sizes) / free if free else 0.0


def sawicki(sizes: Sequence[int]) -> float:
    """1 - (sum of the squares) / F**2; 0 if nothing is free.

    The probability that two free bytes, drawn at random, are in different blocks.  Source:
    A. Sawicki, "A Metric for Memory Fragmentation" (2022).
    """
    free = sum(sizes)
    return 1 - sum(size * size for size in sizes) / free**2 if free else 0.0


def pigweed(sizes: Sequence[int]) -> float:
    """1 - sqrt(sum of the squares) / F; 0 if nothing is free.  Source: Pigweed, pw_allocator."""
    free = sum(sizes)
    return 1 - sqrt(sum(size * size for size in sizes)) / free if free else 0.0


def unusable(sizes: Sequence[int], request: int) -> float:
    """1 - (sum of the sizes of at least `request`) / F; 0 if nothing is free.

    The share of the free bytes in blocks that are too small for a request of so many bytes.
    Source: M. Gorman, the unusable free space index of Linux.
    """
    free = sum(sizes)
    return 1 - sum(size for size in sizes if size >= request) / free if free else 0.0


def fragmentation_index(free: int, blocks: int, request: int) -> float:
    """1 - (1 + F / r) / N for a request of r bytes that failed, at least 0.

    0 if nothing is free, or r is 0.  Near 1 the cause is fragmentation: F is enough many times
    over, in many blocks.  Near 0 it is a lack of memory, or another reason.  It is that of
    `OutOfMemory.fragmentation_index`.  Source: Linux, mm/vmstat.c.
    """
    return _core.Heap._fragmentation_index(request, free, blocks)


def internal(taken: int, lost: int) -> float:
    """The ratio lost / B: the share of the live blocks' bytes that were lost; 0 without a block.

    Source: B. Randell, "A Note on Storage Fragmentation and Program Segmentation" (CACM 1969).
    """
    return lost / taken if taken else 0.0
