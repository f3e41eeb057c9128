"""The free list of the textbook, rule by rule.

A block is an interval of integers. The list holds the free blocks as pairs (addr, sz), where sz is
the size of the whole chunk, including the space for a future header.

    1. The list starts as one element, the whole region.
    2. A request of n takes need = n, rounded up to `align`, plus `header`. Nothing else is aligned.
       n may be 0.
    3. The list is searched in its own order. First fit takes the first element of at least `need`;
       best fit takes the smallest such element and worst fit the largest, and of equal ones the
       earlier in the list. The number searched is the elements up to and including the hit for
       first fit, and all elements for best fit, for worst fit, and without a hit.
    4. The block is the low end of the element. An exact fit leaves the list. Otherwise the
       remainder keeps the element's place in the list, however small, and nothing is sorted.
    5. A failure changes nothing. An allocation merges nothing.
    6. A freed chunk goes to the front, or to the back, or to the back with a stable sort of the
       whole list (by address, by size, by descending size). An unknown block changes nothing.
    7. If coalescing is on, each free then makes one pass in list order. The pass merges an element
       into its predecessor in the list if the predecessor ends at its address. The merged element
       keeps the first one's place, and nothing is sorted. So coalescing is complete in address
       order, and only there.

(Rule 8, the homework's random operations, is in `glassheap.ostep.operations`.) Rules that go beyond
the textbook:

    9. Next fit is first fit with another start: the element that contains the rover, or else the
       first one after it. The search wraps once. The rover is the end of the last successful
       allocation, initially the start of the region. The list is in address order.
   10. A request may need an aligned payload. An element fits if it contains the whole of the lowest
       block whose payload (its address + header) is aligned. The fit still compares these elements
       by their whole sizes. The remainders before and after the block keep the element's place in
       the list, in this order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Fit = Literal["first", "best", "worst", "next"]
Order = Literal["address", "size+", "size-", "front", "back"]

FITS: tuple[Fit, ...] = get_args(Fit)
ORDERS: tuple[Order, ...] = get_args(Order)

UNALIGNED = -1


class Chunk(NamedTuple):
    """An element of the free list."""

    addr: int
    """The address of its first byte."""
    sz: int
    """Its size in bytes, including the space for a header."""

    @property
    def end(self) -> int:
        """The address of the first byte after it."""
        return self.addr + self.sz


class Outcome(NamedTuple):
    """The result of an allocation."""

    block: int | None
    """The address of the block, which is that of its header; None if no element fits."""
    searched: int
    """The number of elements searched."""


SORT_KEYS: dict[Order, Callable[[Chunk], int]] = {
    "address": lambda chunk: chunk.addr,
    "size+": lambda chunk: chunk.sz,
    "size-": lambda chunk: -chunk.sz,
}


class FreeList:
    """The free chunks of a region of `size` bytes from `base`, and the live blocks.

    `chunks` is the list, in list order; `live` maps the address of each live block to its extent.
    Both may be read and compared. `header` is in bytes. Sizes are rounded up to a multiple of
    `align` (-1: not at all). Every call is O(n) for n chunks, and O(n log n) if it sorts.

    Raises ValueError if and only if `fit` or `order` is unknown, `align` is 0 or below -1, `size`
    or `header` is negative, or `fit` is "next" and `order` is not "address".
    """

    def __init__(
        self,
        size: int,
        *,
        base: int = 0,
        header: int = 0,
        align: int = UNALIGNED,
        fit: Fit = "best",
        order: Order = "address",
        coalesce: bool = False,
    ) -> None:
        _check(size, header, align, fit, order)
        self.header = header
        self.align = align
        self.fit = fit
        self.order = order
        self.coalesce = coalesce
        self.chunks = [Chunk(base, size)]  # rule 1
        self.live: dict[int, int] = {}
        self.rover = base

    def malloc(self, n: int, align: int = 1) -> Outcome:
        """Allocate `n` bytes, the payload at a multiple of `align` (1: anywhere)."""
        need = self.need(n)
        index, searched = self.search(need, align)
        if index is None:
            return Outcome(None, searched)  # rule 5
        block = self.chunks[index].addr + self.padding(self.chunks[index].addr, align)
        self.split(index, block, need)
        self.live[block] = need
        self.rover = block + need  # rule 9
        return Outcome(block, searched)

    def free(self, block: int) -> bool:
        """Free `block`. Returns False, and changes nothing, if no live block starts there."""
        if block not in self.live:
            return False  # rule 6
        self.release(Chunk(block, self.live.pop(block)))
        return True

    def need(self, n: int) -> int:
        """Rule 2: the extent of a block for `n` bytes."""
        rounded = n if self.align == UNALIGNED else -(-n // self.align) * self.align
        return rounded + self.header

    def search(self, need: int, align: int = 1) -> tuple[int | None, int]:
        """Rules 3, 9, 10: the index of the chosen element, and the number searched."""
        count = len(self.chunks)
        fitting = [
            index
            for index, (addr, sz) in enumerate(self.chunks)
            if self.padding(addr, align) + need <= sz
        ]
        if not fitting:
            return None, count
        if self.fit == "best":
            return min(fitting, key=self._size), count
        if self.fit == "worst":
            return max(fitting, key=self._size), count
        start = self.start()
        hit = next((index for index in fitting if index >= start), fitting[0])
        return hit, (hit - start) % count + 1

    def start(self) -> int:
        """Rule 9: the index of the first element of a search."""
        if self.fit != "next":
            return 0
        return next((i for i, chunk in enumerate(self.chunks) if self.rover < chunk.end), 0)

    def padding(self, addr: int, align: int) -> int:
        """Rule 10: bytes from `addr` to the lowest block with an aligned payload."""
        return -(addr + self.header) % align

    def split(self, index: int, block: int, need: int) -> None:
        """Rules 4, 10: take [block, block + need) out of an element; the rest keeps its place."""
        chunk = self.chunks[index]
        front = Chunk(chunk.addr, block - chunk.addr)
        back = Chunk(block + need, chunk.end - block - need)
        self.chunks[index : index + 1] = [rest for rest in (front, back) if rest.sz]

    def release(self, chunk: Chunk) -> None:
        """Rules 6, 7: add `chunk` to the list, and coalesce."""
        self.chunks = inserted(self.chunks, chunk, self.order)
        if self.coalesce:
            self.chunks = merged(self.chunks)

    def _size(self, index: int) -> int:
        return self.chunks[index].sz


def inserted(chunks: Sequence[Chunk], freed: Chunk, order: Order) -> list[Chunk]:
    """Rule 6: the list with `freed` in it; in a sorted list it is the last of equal elements."""
    if order == "front":
        return [freed, *chunks]
    if order == "back":
        return [*chunks, freed]
    return sorted([*chunks, freed], key=SORT_KEYS[order])


def merged(chunks: Sequence[Chunk]) -> list[Chunk]:
    """Rule 7: the list after one coalescing pass in list order."""
    result = list(chunks[:1])
    for chunk in chunks[1:]:
        if chunk.addr == result[-1].end:
            result[-1] = Chunk(result[-1].addr, result[-1].sz + chunk.sz)
        else:
            result.append(chunk)
    return result


def _check(size: int, header: int, align: int, fit: Fit, order: Order) -> None:
    if fit not in FITS:
        raise ValueError(f"there is no fit '{fit}'; the fits are: {', '.join(FITS)}")
    if order not in ORDERS:
        raise ValueError(f"there is no list order '{order}'; the orders are: {', '.join(ORDERS)}")
    if fit == "next" and order != "address":
        raise ValueError(f"next fit searches in address order; the order is '{order}'")
    if size < 0 or header < 0:
        raise ValueError(f"a size of {size} and a header of {header}: neither may be negative")
    if align < 1 and align != UNALIGNED:
        raise ValueError(f"sizes cannot be rounded to {align}; expected 1 or more, or -1 for none")
