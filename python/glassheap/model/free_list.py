"""The free list of the textbook, rule by rule.

A block is an interval of integers. The list holds the free ones as pairs (addr, sz), where sz is
the whole chunk, the room for a future header included.

    1. The list starts as one element, the whole region.
    2. A request of n takes need = n, rounded up to `align`, plus `header`. Nothing else is aligned.
       n may be 0.
    3. The list is searched in its own order. First fit takes the first element of at least `need`;
       best fit the smallest, worst fit the largest such element, and of equals the one that stands
       earlier in the list. Looked at are: the elements up to the hit for first fit, all of them for
       best fit, for worst fit, and whenever there is no hit.
    4. The low end is taken. An exact fit leaves the list. Otherwise what is left stays at the same
       place in the list, however small, and nothing is sorted.
    5. A failure changes nothing. An allocation merges nothing.
    6. A freed chunk goes to the front, or to the back, or to the back with a stable sort of the
       whole list (by address, by size, by size downwards). An unknown block changes nothing.
    7. If coalescing is on, each free then makes one pass in list order, which merges an element
       into the one before it in the list where that one ends at its address. The place is that of
       the first, and nothing is sorted. So coalescing is complete in address order, and only there.

(Rule 8, how the homework draws its random operations, is in `glassheap.ostep`.) Rules that go
beyond the textbook:

    9. Next fit is first fit that starts elsewhere: at the element that contains the rover, or else
       at the first one after it, and it wraps once. The rover is the end of the last successful
       allocation, and the start of the region before there is one. The list is in address order.
   10. A request may ask for an aligned payload. An element serves it if the lowest block whose
       payload (its address + header) is aligned lies in the element whole. The fit chooses among
       these elements by their whole sizes, as ever. What is left in front of the block and behind
       it stays at the same place in the list, in this order.
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
    """Its first byte."""
    sz: int
    """All of its bytes, the room for a header included."""

    @property
    def end(self) -> int:
        """The first byte after it."""
        return self.addr + self.sz


class Outcome(NamedTuple):
    """What came of an allocation."""

    block: int | None
    """The address of the block, its header included; None if no element could serve it."""
    searched: int
    """How many elements were looked at."""


SORT_KEYS: dict[Order, Callable[[Chunk], int]] = {
    "address": lambda chunk: chunk.addr,
    "size+": lambda chunk: chunk.sz,
    "size-": lambda chunk: -chunk.sz,
}


class FreeList:
    """The free chunks of a region of `size` bytes from `base`, and the live blocks.

    `chunks` is the list, in list order; `live` maps the address of each live block to its extent.
    Both may be read and compared. `header` is in bytes, `align` is what sizes are rounded up to
    (-1: not at all). Every call is O(n) for n chunks, and O(n log n) where it sorts.

    Raises ValueError if and only if `fit` or `order` is not a known one, `align` is 0 or below -1,
    `size` or `header` is negative, or next fit is asked for in another order than "address".
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
        block = self.chunks[index].addr + self.gap(self.chunks[index].addr, align)
        self.carve(index, block, need)
        self.live[block] = need
        self.rover = block + need  # rule 9
        return Outcome(block, searched)

    def free(self, block: int) -> bool:
        """Give `block` back; False, and nothing changed, if no live block starts there."""
        if block not in self.live:
            return False  # rule 6
        self.give_back(Chunk(block, self.live.pop(block)))
        return True

    def need(self, n: int) -> int:
        """Rule 2: the bytes that a block for `n` bytes takes."""
        rounded = n if self.align == UNALIGNED else -(-n // self.align) * self.align
        return rounded + self.header

    def search(self, need: int, align: int = 1) -> tuple[int | None, int]:
        """Rules 3, 9, 10: the index of the element to take from, and how many were looked at."""
        everything = len(self.chunks)
        fitting = [
            index
            for index, (addr, sz) in enumerate(self.chunks)
            if self.gap(addr, align) + need <= sz
        ]
        if not fitting:
            return None, everything
        if self.fit == "best":
            return min(fitting, key=self._size), everything
        if self.fit == "worst":
            return max(fitting, key=self._size), everything
        start = self.start()
        hit = next((index for index in fitting if index >= start), fitting[0])
        return hit, (hit - start) % everything + 1

    def start(self) -> int:
        """Rule 9: the index of the element that a search looks at first."""
        if self.fit != "next":
            return 0
        return next((i for i, chunk in enumerate(self.chunks) if self.rover < chunk.end), 0)

    def gap(self, addr: int, align: int) -> int:
        """Rule 10: bytes from `addr` to the lowest block with an aligned payload."""
        return -(addr + self.header) % align

    def carve(self, index: int, block: int, need: int) -> None:
        """Rule 4: take `need` bytes at `block` out of an element; the rest stays at its place."""
        chunk = self.chunks[index]
        front = Chunk(chunk.addr, block - chunk.addr)
        back = Chunk(block + need, chunk.end - block - need)
        self.chunks[index : index + 1] = [rest for rest in (front, back) if rest.sz]

    def give_back(self, chunk: Chunk) -> None:
        """Rules 6 and 7: `chunk` becomes free."""
        self.chunks = inserted(self.chunks, chunk, self.order)
        if self.coalesce:
            self.chunks = merged(self.chunks)

    def _size(self, index: int) -> int:
        return self.chunks[index].sz


def inserted(chunks: Sequence[Chunk], newcomer: Chunk, order: Order) -> list[Chunk]:
    """Rule 6: the list with `newcomer` in it; among equals of a sorted list it stands last."""
    if order == "front":
        return [newcomer, *chunks]
    if order == "back":
        return [*chunks, newcomer]
    return sorted([*chunks, newcomer], key=SORT_KEYS[order])


def merged(chunks: Sequence[Chunk]) -> list[Chunk]:
    """Rule 7: the list after one pass in list order."""
    done = list(chunks[:1])
    for chunk in chunks[1:]:
        if chunk.addr == done[-1].end:
            done[-1] = Chunk(done[-1].addr, done[-1].sz + chunk.sz)
        else:
            done.append(chunk)
    return done


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
