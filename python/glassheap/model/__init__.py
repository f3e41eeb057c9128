"""The reference model: a heap as a list of (addr, sz), the test oracle of the real heaps.

    free_list.py   the free list of the textbook, rule by rule: any fit, any order of the list
    quick_list.py  the same with bins by size and deferred coalescing, as in quick fit
    heap.py        either with the interface of `glassheap.Heap`: payloads, headers, realloc

The model has no memory, only intervals of integers, so nothing can be corrupted. It has no fast
paths either: every call is O(n) for n free blocks (O(n log n) where the list is sorted). It is
short enough to be verified by reading it next to the rules. The placement policies written in C++
are tested against it, address for address, and `glassheap ostep` runs on it.

Sources: R. and A. Arpaci-Dusseau, "Operating Systems: Three Easy Pieces", chapter 17 (free-space
management) and its homework program, for the rules; D. Knuth, "The Art of Computer Programming",
volume 1, section 2.5, for next fit's roving pointer.
"""

from __future__ import annotations

from glassheap.model.free_list import (
    FITS,
    ORDERS,
    Chunk,
    Fit,
    FreeList,
    Order,
    Outcome,
    inserted,
    merged,
)
from glassheap.model.heap import ModelHeap
from glassheap.model.quick_list import QuickList

__all__ = [
    "FITS",
    "ORDERS",
    "Chunk",
    "Fit",
    "FreeList",
    "ModelHeap",
    "Order",
    "Outcome",
    "QuickList",
    "inserted",
    "merged",
]
