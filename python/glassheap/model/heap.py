"""The model as a heap: the expected results of `glassheap.Heap`, from a list of pairs.

A real heap stores its bookkeeping in the region, which fixes the textbook's open parameters:
headers and nodes of 16 bytes, sizes rounded up to 16, addresses of payloads instead of blocks. With
these values the textbook's free list can be laid out in memory, and the two can be compared:

    block   = payload - 16          extent       = sz
    payload = block + 16            node's size  = sz - 16

With `headers=False` a payload has no header, and the 16s above are 0. A node's `next` leads to the
next element of the list. Its `record` is not in the model: it numbers a place outside the region.

    11. A block shrinks in place. Its tail, if there is one, is freed like a block of its own.
    12. A block grows in place if the free element that begins at its end is large enough: it takes
        that element's low end, by rule 4. The rover of next fit does not move.
    13. Otherwise, and whenever its payload lacks the requested alignment, a block moves: a new one
        is allocated, the contents are copied, and the old one is freed, in this order. If there is
        no space for both at once, the call fails and changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from glassheap.model.free_list import Chunk, FreeList
from glassheap.model.quick_list import QuickList
from glassheap.records import FreeBlock

if TYPE_CHECKING:
    from typing import Literal

    from glassheap.model.free_list import Fit, Order

GRANULE = 16


class Extent(NamedTuple):
    """A block of the region, live or free."""

    start: int
    """The address of its first byte, which is that of its header or node if it has one."""
    extent: int
    """Its size in bytes, including header and rounding."""
    live: bool
    """True if it is allocated."""


class ModelHeap:
    """A heap over `size` bytes (rounded up to 16) whose addresses count from `base`.

    `fit`, `order` and `coalesce` are those of the `FreeList` in `.list`. The defaults are the
    classic heap: first fit, address order, immediate coalescing. With the fit "quick", `.list` is a
    `QuickList`, and the other two mean nothing. Every call is O(n) for n blocks,
    or O(n log n). If a `Heap` raises OutOfMemory, the model returns None. Arguments are not
    checked: sizes must be 0 or more, alignments powers of two.

    Raises ValueError if and only if `FreeList` does.
    """

    def __init__(
        self,
        size: int = 4096,
        *,
        base: int = 0,
        fit: Fit | Literal["quick"] = "first",
        order: Order = "address",
        coalesce: bool = True,
        headers: bool = True,
    ) -> None:
        self.header = GRANULE if headers else 0
        unused = GRANULE if base == 0 and not headers else 0  # so that no payload is at 0
        start, usable = base + unused, -(-size // GRANULE) * GRANULE - unused
        layout = {"base": start, "header": self.header, "align": GRANULE}
        self.list: FreeList = (
            QuickList(usable, **layout)
            if fit == "quick"
            else FreeList(usable, **layout, fit=fit, order=order, coalesce=coalesce)
        )
        self.searched = 0
        """Elements searched so far, by rule 3; those of a growth in place are not."""

    def malloc(self, size: int, *, align: int = GRANULE) -> int | None:
        """The address of a new payload of `size` bytes, aligned to `align`; None if none fits."""
        block, searched = self.list.malloc(self._least(size), max(align, GRANULE))
        self.searched += searched
        return None if block is None else block + self.header

    def free(self, address: int) -> bool:
        """Free the payload at `address`. Returns False, and changes nothing, if there is none."""
        return self.list.free(address - self.header)

    def realloc(self, address: int, size: int, *, align: int = GRANULE) -> int | None:
        """Resize the payload at `address` to `size` bytes. Returns its address; None if none fits.

        Raises KeyError if and only if no live payload is at `address`.
        """
        block = address - self.header
        now = self.list.live[block]
        need = self.list.need(self._least(size))
        aligned = address % max(align, GRANULE) == 0
        if aligned and (self._shrink(block, now, need) or self._grow(block, now, need)):
            return address
        return self._move(address, size, align)

    def free_list(self) -> list[FreeBlock]:
        """The free blocks in list order, each with its node's size."""
        return [FreeBlock(addr, sz - self.header) for addr, sz in self.list.chunks]

    def walk(self) -> list[Extent]:
        """All blocks in address order; the extents add up to the region."""
        free = [Extent(addr, sz, live=False) for addr, sz in self.list.chunks]
        return sorted(free + [Extent(at, sz, live=True) for at, sz in self.list.live.items()])

    def available_memory(self) -> int:
        """The sum of the nodes' sizes."""
        return sum(block.size for block in self.free_list())

    def largest_free(self) -> int:
        """The largest node size; 0 if no block is free."""
        return max((block.size for block in self.free_list()), default=0)

    def _least(self, size: int) -> int:
        """`size`, at least 1 without headers: every block needs an address of its own."""
        return size if self.header else max(size, 1)

    def _shrink(self, block: int, now: int, need: int) -> bool:
        """Rule 11. Returns False if the block must grow."""
        if need > now:
            return False
        self.list.live[block] = need
        if need < now:
            self.list.release(Chunk(block + need, now - need))
        return True

    def _grow(self, block: int, now: int, need: int) -> bool:
        """Rule 12. Returns False if the block cannot grow in place."""
        end, more = block + now, need - now
        for index, (addr, sz) in enumerate(self.list.chunks):
            if addr == end and sz >= more:
                self.list.split(index, addr, more)
                self.list.live[block] = need
                return True
        return False

    def _move(self, address: int, size: int, align: int) -> int | None:
        """Rule 13."""
        moved = self.malloc(size, align=align)
        if moved is not None:
            self.free(address)
        return moved
