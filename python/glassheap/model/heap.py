"""The model as a heap: what `glassheap.Heap` must answer, told by a list of pairs.

A real heap keeps its bookkeeping in the region, which fixes what the textbook leaves open: headers
and nodes of 16 bytes, sizes rounded up to 16, addresses of payloads instead of blocks. With these
numbers the free list of the textbook can be laid out in real bytes, and so it can be compared:

    block   = payload - 16          extent  = sz
    payload = block + 16            size of a node, what it offers = sz - 16

With `headers=False` nothing stands before a payload, and the 16s above are 0.

    11. A block shrinks in place. Its tail, if it has one, is freed like a block of its own.
    12. A block grows in place if the free element that begins where it ends is large enough: it
        takes that element's low end, by rule 4. The rover of next fit stays where it is.
    13. Otherwise, and whenever its payload is not as aligned as is asked for now, a block moves: a
        new one is allocated, the contents are copied, and the old one is freed, in this order. If
        there is no room for both at once, the call fails and changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from glassheap.model.free_list import Chunk, FreeList
from glassheap.records import FreeBlock

if TYPE_CHECKING:
    from glassheap.model.free_list import Fit, Order

GRANULE = 16


class Extent(NamedTuple):
    """A block of the region, live or free."""

    start: int
    """Its first byte: that of its header or node, where it has one."""
    extent: int
    """The bytes that it takes in all."""
    live: bool
    """Whether it is allocated."""


class ModelHeap:
    """A heap over `size` bytes (rounded up to 16) whose addresses count from `base`.

    `fit`, `order` and `coalesce` are those of `FreeList`, which is in `.list`; the defaults make it
    the classic heap: first fit, address order, immediate coalescing. Every call is O(n) for n
    blocks, or O(n log n). Where a `Heap` raises OutOfMemory, the model answers None. It judges
    nothing: sizes are expected to be 0 or more, alignments to be powers of two.

    Raises ValueError if and only if `FreeList` does.
    """

    def __init__(
        self,
        size: int = 4096,
        *,
        base: int = 0,
        fit: Fit = "first",
        order: Order = "address",
        coalesce: bool = True,
        headers: bool = True,
    ) -> None:
        self.header = GRANULE if headers else 0
        unused = GRANULE if base == 0 and not headers else 0  # so that no payload is at 0
        self.list = FreeList(
            -(-size // GRANULE) * GRANULE - unused,
            base=base + unused,
            header=self.header,
            align=GRANULE,
            fit=fit,
            order=order,
            coalesce=coalesce,
        )

    def malloc(self, size: int, *, align: int = GRANULE) -> int | None:
        """The address of a payload of `size` bytes at a multiple of `align`; None if no room."""
        block = self.list.malloc(self._at_least(size), max(align, GRANULE)).block
        return None if block is None else block + self.header

    def free(self, address: int) -> bool:
        """Free the payload at `address`; False, and nothing changed, if there is none."""
        return self.list.free(address - self.header)

    def realloc(self, address: int, size: int, *, align: int = GRANULE) -> int | None:
        """Where the payload at `address` is, now that it has `size` bytes; None if no room.

        Raises KeyError if and only if no live payload is at `address`.
        """
        block = address - self.header
        now = self.list.live[block]
        need = self.list.need(self._at_least(size))
        aligned = address % max(align, GRANULE) == 0
        if aligned and (self._shrinks(block, now, need) or self._grows(block, now, need)):
            return address
        return self._moves(address, size, align)

    def free_list(self) -> list[FreeBlock]:
        """The free blocks in list order, with the bytes that each offers."""
        return [FreeBlock(addr, sz - self.header) for addr, sz in self.list.chunks]

    def walk(self) -> list[Extent]:
        """Every block, in address order; the extents add up to the region."""
        free = [Extent(addr, sz, live=False) for addr, sz in self.list.chunks]
        return sorted(free + [Extent(at, sz, live=True) for at, sz in self.list.live.items()])

    def available_memory(self) -> int:
        """The bytes that all free blocks offer together."""
        return sum(block.size for block in self.free_list())

    def largest_free(self) -> int:
        """The bytes that the largest free block offers; 0 if there is none."""
        return max((block.size for block in self.free_list()), default=0)

    def _at_least(self, size: int) -> int:
        """Without a header a block of no bytes would have no place of its own; it takes one."""
        return size if self.header else max(size, 1)

    def _shrinks(self, block: int, now: int, need: int) -> bool:
        """Rule 11, if it applies."""
        if need > now:
            return False
        self.list.live[block] = need
        if need < now:
            self.list.give_back(Chunk(block + need, now - need))
        return True

    def _grows(self, block: int, now: int, need: int) -> bool:
        """Rule 12, if it applies."""
        end, more = block + now, need - now
        for index, (addr, sz) in enumerate(self.list.chunks):
            if addr == end and sz >= more:
                self.list.carve(index, addr, more)
                self.list.live[block] = need
                return True
        return False

    def _moves(self, address: int, size: int, align: int) -> int | None:
        """Rule 13."""
        moved = self.malloc(size, align=align)
        if moved is not None:
            self.free(address)
        return moved
