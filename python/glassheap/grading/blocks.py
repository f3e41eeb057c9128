"""The blocks that a library has handed out: which live, where they lie, how far they reach."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import NamedTuple

PAGE = 4096


class Block(NamedTuple):
    """A live block."""

    id: int
    address: int
    size: int
    serial: int
    """The number of the pattern in its payload."""

    @property
    def end(self) -> int:
        """The address behind it; a block of 0 bytes takes one, so that its address is its own."""
        return self.address + max(self.size, 1)


class LiveBlocks:
    """The live blocks by id and by address.

    Adding and removing one takes O(log n) steps, and a move of up to n addresses in memory.
    """

    def __init__(self) -> None:
        self._by_id: dict[int, Block] = {}
        self._by_address: dict[int, Block] = {}
        self._addresses: list[int] = []
        self.bytes = 0
        """The sum of the sizes."""

    def get(self, block_id: int) -> Block | None:
        """The live block with this id, or None."""
        return self._by_id.get(block_id)

    def all(self) -> list[Block]:
        """The live blocks, in the order in which they were handed out."""
        return list(self._by_id.values())

    def overlapping(self, address: int, size: int) -> Block | None:
        """A live block that shares a byte with the `size` bytes at `address`, or None."""
        at = bisect_right(self._addresses, address)
        near = self._addresses[max(at - 1, 0) : at + 1]
        end = address + max(size, 1)
        blocks = (self._by_address[start] for start in near)
        return next((one for one in blocks if one.address < end and address < one.end), None)

    def add(self, block: Block) -> None:
        """Add a block that overlaps none."""
        self._by_id[block.id] = self._by_address[block.address] = block
        insort(self._addresses, block.address)
        self.bytes += block.size

    def remove(self, block: Block) -> None:
        """Remove a live block."""
        del self._by_id[block.id], self._by_address[block.address]
        del self._addresses[bisect_left(self._addresses, block.address)]
        self.bytes -= block.size


class Graveyard:
    """The freed blocks, until one of their bytes is handed out again: then nobody asks any more."""

    def __init__(self) -> None:
        self._dead = LiveBlocks()
        self.disturbed = False
        """True if a byte of a freed block was handed out again."""

    def add(self, block: Block) -> None:
        """A block was freed."""
        if not self.disturbed:
            self._dead.add(block._replace(id=block.serial))

    def visit(self, block: Block) -> None:
        """A block was handed out."""
        if not self.disturbed and self._dead.overlapping(block.address, block.size):
            self.disturbed = True
            self._dead = LiveBlocks()


class Extent:
    """The memory that the payloads have taken so far, if the library does not tell.

    It is the distance from the lowest to the highest address handed out.  A library with several
    mappings would have a distance of terabytes, so the pages that held a payload are counted too.
    """

    def __init__(self) -> None:
        self._lowest, self._highest = 2**64, 0
        self._pages: set[int] = set()

    def add(self, block: Block) -> None:
        """Count the bytes of a block.  O(pages)."""
        self._lowest = min(self._lowest, block.address)
        self._highest = max(self._highest, block.end)
        self._pages.update(range(block.address // PAGE, (block.end - 1) // PAGE + 1))

    @property
    def bytes(self) -> int:
        """The distance, or the bytes of the pages if that is less."""
        return min(max(self._highest - self._lowest, 0), len(self._pages) * PAGE)
