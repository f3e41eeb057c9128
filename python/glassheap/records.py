"""What a heap tells of itself, as named tuples: plain to compare, to print and to take apart."""

from __future__ import annotations

from typing import NamedTuple

from glassheap import _core


class FreeBlock(NamedTuple):
    """One element of the free list."""

    address: int
    """Of the node: the first byte of the free block."""
    size: int
    """Bytes that the node offers as payload: the block's extent less 16."""


class BlockInfo(NamedTuple):
    """One block of the region, live or free."""

    start: int
    """The address of the block's first byte, which is its header's or its node's."""
    address: int
    """The address where its payload starts."""
    size: int
    """Bytes asked for (live), or on offer (free)."""
    extent: int
    """Bytes that the block takes in all; the extents add up to the region."""
    live: bool
    """Whether it is allocated."""
    serial: int
    """The how-manieth allocation it is, modulo 65,536; 0 for a free block."""


class Finding(NamedTuple):
    """One broken rule, as Heap.check reports it; str() of it is a sentence."""

    fault: str
    """The name of the exception class that a call would raise for it."""
    rule: str
    """Which: magic, size, seal, node size, next, prev, head, neighbours, coverage, counters."""
    offset: int
    """Bytes from the start of the region to the block concerned."""
    expected: int
    """What the rule asks for."""
    found: int
    """What there is."""

    def __str__(self) -> str:
        return _core._describe(*self)
