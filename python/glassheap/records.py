"""What a heap tells of itself, as named tuples: plain to compare, to print and to take apart."""

from __future__ import annotations

from typing import NamedTuple


class FreeBlock(NamedTuple):
    """One element of the free list."""

    address: int
    """Of the node: the first byte of the free block."""
    size: int
    """Bytes that the node offers as payload: the extent, less 16 where there are headers."""


class BlockInfo(NamedTuple):
    """One block of the region, live or free."""

    start: int
    """The address of the block's first byte, which is its header's or its node's."""
    address: int
    """The address where its payload starts."""
    size: int
    """Bytes asked for (live; without headers what may be written), or on offer (free)."""
    extent: int
    """Bytes that the block takes in all; the extents add up to the region."""
    live: bool
    """Whether it is allocated."""
    serial: int
    """The how-manieth allocation it is, modulo 65,536; 0 if it is free, or has no header."""


class PolicyInfo(NamedTuple):
    """One placement policy, as `glassheap.policies()` describes it."""

    name: str
    """What `Heap` takes as `policy`."""
    summary: str
    """Which free block it picks, in one line."""
    cost: str
    """What malloc and free cost, for n free blocks."""
    source: str
    """Where it is from."""


class OwnedBlock(NamedTuple):
    """One live block of a shared heap, and whose it is."""

    address: int
    """Of its payload: an offset into the region."""
    size: int
    """Bytes asked for."""
    pid: int
    """The process that allocated it; 0 if that is not known."""
    alive: bool
    """Whether that process still runs: if not, and nobody holds it, the block is a leak."""
    holders: int
    """How often it is held by block.share() and by copies that were sent."""


class _Finding(NamedTuple):
    fault: str
    """The name of the exception class that a call would raise for it."""
    rule: str
    """The broken rule: magic, size, seal, node size, next, prev, head, listed, neighbours,
    coverage, counters, redzone, fill, or sentinel."""
    offset: int
    """Bytes from the start of the region to the block concerned; for fill, to the byte."""
    expected: int
    """The value that the rule requires."""
    found: int
    """The value that is there."""


class Finding(_Finding):
    """One broken rule, as Heap.check reports it; str() gives a few sentences."""

    culprit: BlockInfo | None = None
    """The live block that most likely wrote there: the one whose payload was overrun, or the one
    in front of an overwritten header or node. None if no live block is suspect."""
    _sentence: str = ""

    def __str__(self) -> str:
        """The broken rule, and the likely culprit. The repr of a finding that no heap reported."""
        return self._sentence or repr(self)
