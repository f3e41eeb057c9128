"""Records of blocks, findings and policies, as named tuples: easy to compare, print and unpack."""

from __future__ import annotations

from typing import Any, NamedTuple


def in_hexadecimal(record: Any) -> str:
    """The repr of a named tuple, its addresses in hexadecimal."""
    fields = record._asdict().items()
    shown = (f"{name}={_shown(name, value)}" for name, value in fields)
    return f"{type(record).__name__}({', '.join(shown)})"


def _shown(name: str, value: object) -> str:
    if name in {"start", "address"} and isinstance(value, int):
        return f"{value:#x}"
    return repr(value)


class FreeBlock(NamedTuple):
    """One element of the free list."""

    address: int
    """The node's address: the first byte of the free block."""
    size: int
    """Bytes of payload that the node offers: the extent, less 16 in a heap with headers."""

    def __repr__(self) -> str:
        """The fields by name, the addresses in hexadecimal."""
        return in_hexadecimal(self)


class BlockInfo(NamedTuple):
    """One block of the region, live or free."""

    start: int
    """The address of the block's first byte, where its header or node is."""
    address: int
    """The address of its payload."""
    size: int
    """Bytes asked for (live; without headers the usable size), or on offer (free)."""
    extent: int
    """Bytes of the whole block; the extents add up to the region."""
    live: bool
    """True if it is allocated."""
    serial: int
    """The allocation number, modulo 65,536; 0 if the block is free, or has no header."""

    def __repr__(self) -> str:
        """The fields by name, the addresses in hexadecimal."""
        return in_hexadecimal(self)


class Eviction(NamedTuple):
    """Live blocks to free for a request, as `Heap.cheapest` finds them, and the hole they make."""

    blocks: list[BlockInfo]
    """The blocks, in address order; none if the request fits now."""
    cost: float
    """The sum of their costs."""
    address: int
    """The address of a payload in the hole."""
    size: int
    """Bytes that the hole offers."""

    def __repr__(self) -> str:
        """The fields by name, the address in hexadecimal."""
        return in_hexadecimal(self)


class PolicyInfo(NamedTuple):
    """One placement policy, as `glassheap.policies()` describes it."""

    name: str
    """The value for `Heap`'s option `policy`."""
    summary: str
    """The free block that it picks, in one line."""
    cost: str
    """The cost of malloc and free, for n free blocks."""
    source: str
    """Its origin."""


class OwnedBlock(NamedTuple):
    """One live block of a shared heap, and its owner."""

    address: int
    """The address of its payload: an offset into the region."""
    size: int
    """Bytes asked for."""
    pid: int
    """The process that allocated it; 0 if unknown."""
    alive: bool
    """True if that process is still attached. If not, a block without references is a leak."""
    holders: int
    """The number of references to it, by block.share() and by copies that were sent."""

    def __repr__(self) -> str:
        """The fields by name, the addresses in hexadecimal."""
        return in_hexadecimal(self)


class _Finding(NamedTuple):
    fault: str
    """The name of the exception class that a call would raise for it."""
    rule: str
    """The broken rule: magic, size, seal, node size, next, record, head, listed, neighbours,
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
