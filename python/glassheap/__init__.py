"""A real heap in a glass box: allocate in memory you own, and see every byte of how.

    heap = glassheap.Heap(4096)
    p = heap.malloc(100)
    heap.view(p)[:5] = b"hello"
    heap.show()
    heap.free(p)

Importing this costs little: what draws, replays, or needs more of the standard library is imported
when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glassheap._core import Block, Heap, __version__
from glassheap.errors import (
    BadMagic,
    DoubleFree,
    ForeignPointer,
    FreeListCorrupted,
    HeaderCorrupted,
    HeapClosed,
    HeapCorrupted,
    HeapDamaged,
    HeapError,
    InteriorPointer,
    InvalidAlignment,
    InvalidPointer,
    InvalidSize,
    MisalignedPointer,
    OutOfMemory,
    StaleHandle,
)
from glassheap.records import BlockInfo, Finding, FreeBlock

if TYPE_CHECKING:
    from glassheap.statistics import HeapStats

__all__ = [
    "BadMagic",
    "Block",
    "BlockInfo",
    "DoubleFree",
    "Finding",
    "ForeignPointer",
    "FreeBlock",
    "FreeListCorrupted",
    "HeaderCorrupted",
    "Heap",
    "HeapClosed",
    "HeapCorrupted",
    "HeapDamaged",
    "HeapError",
    "HeapStats",
    "InteriorPointer",
    "InvalidAlignment",
    "InvalidPointer",
    "InvalidSize",
    "MisalignedPointer",
    "OutOfMemory",
    "StaleHandle",
    "__version__",
]


def __getattr__(name: str) -> object:
    """Import HeapStats when it is asked for: dataclasses takes longer than all the rest."""
    if name != "HeapStats":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from glassheap.statistics import HeapStats

    return HeapStats
