"""Quick fit, rule by rule: bins by size, and free blocks that join later.

The rules of `free_list.py` hold, with these in place of rules 3, 6, 7 and of the order in 4:

   14. The list is in order of class. An element's class is its size in granules of 16 bytes below
       64 granules, and from there one of 16 for each doubling. A new element comes first in its
       class, and so does a remainder. The element that ends the region has no class: it comes last.
   15. A request of less than 1 KiB without an alignment takes the first element of exactly its
       size, or else the element that ends the region, if that fits. Any other one, and that one if
       neither serves it, searches from its own class upwards. In each class it looks at the first
       eight elements, and takes the smallest that fits, or the first that fits exactly; then at
       the element that ends the region; and then at all elements, class by class.
   16. A freed chunk below 1 KiB merges with nothing. A larger one merges with the element on either
       side of it, as that is.
   17. A pass merges all elements that touch; of equal class the lower one then comes first. It is
       made when a free leaves more than four elements for each live block, and 256; and when
       nothing fits, but a merged element would.
"""

from __future__ import annotations

from itertools import groupby

from glassheap.model.free_list import Chunk, FreeList, Outcome, merged

GRANULE = 16
EXACT = 64
"""Granules from which on several sizes share a class."""
JOINED_FROM = 1024
LOOKED_AT = 8


def class_of(sz: int) -> int:
    """Rule 14."""
    granules = sz // GRANULE
    if granules < EXACT:
        return granules
    doubling = granules.bit_length() - 1
    return EXACT + (doubling - 6) * 16 + (granules >> (doubling - 4)) % 16


class QuickList(FreeList):
    """The free chunks of a region of `size` bytes from `base`, and the live blocks.

    Everything is as in `FreeList`, but for the number searched, which is that of all elements.
    """

    def __init__(self, size: int, *, base: int = 0, header: int = 0, align: int = GRANULE) -> None:
        super().__init__(size, base=base, header=header, align=align)
        self.end = base + size

    def malloc(self, n: int, align: int = 1) -> Outcome:
        """Allocate `n` bytes, the payload at a multiple of `align` (1: anywhere)."""
        need, touching = self.need(n), merged(sorted(self.chunks))
        if not any(self.fits(c, need, align) for c in self.chunks) and any(
            self.fits(c, need, align) for c in touching
        ):
            self.join()  # rule 17
        return super().malloc(n, align)

    def search(self, need: int, align: int = 1) -> tuple[int | None, int]:
        """Rule 15: the index of the chosen element, and the number of all elements."""
        top = next((c for c in self.chunks if self.is_top(c) and self.fits(c, need, align)), None)
        found = self.of_size(need) or top if need < JOINED_FROM and align <= GRANULE else None
        if found is None:
            found = self.best_of(need, align, LOOKED_AT) or top
        if found is None:
            found = self.best_of(need, align, len(self.chunks))
        return None if found is None else self.chunks.index(found), len(self.chunks)

    def of_size(self, need: int) -> Chunk | None:
        """The first element of exactly this size, but for the one that ends the region."""
        return next((c for c in self.chunks if c.sz == need and not self.is_top(c)), None)

    def is_top(self, chunk: Chunk) -> bool:
        """True if the element ends the region."""
        return chunk.end == self.end

    def best_of(self, need: int, align: int, limit: int) -> Chunk | None:
        """The smallest that fits of the first `limit` in the first class that has one."""
        lowest = class_of(need)
        classed = [c for c in self.chunks if lowest <= class_of(c.sz) and not self.is_top(c)]
        for _, each in groupby(classed, lambda chunk: class_of(chunk.sz)):
            fitting = [chunk for chunk in [*each][:limit] if self.fits(chunk, need, align)]
            if fitting:
                return min(fitting, key=lambda chunk: chunk.sz)
        return None

    def fits(self, chunk: Chunk, need: int, align: int) -> bool:
        """Rule 10."""
        return self.padding(chunk.addr, align) + need <= chunk.sz

    def split(self, index: int, block: int, need: int) -> None:
        """Rules 4, 10, 14: take [block, block + need) out of an element."""
        chunk = self.chunks.pop(index)
        for rest in (
            Chunk(chunk.addr, block - chunk.addr),
            Chunk(block + need, chunk.end - block - need),
        ):
            if rest.sz:
                self.push(rest)

    def release(self, chunk: Chunk) -> None:
        """Rules 16, 17: add `chunk` to the list, and join if it is time."""
        if chunk.sz >= JOINED_FROM:
            sides = [c for c in self.chunks if c.end == chunk.addr or chunk.end == c.addr]
            self.chunks = [c for c in self.chunks if c not in sides]
            (chunk,) = merged(sorted([*sides, chunk]))
        self.push(chunk)
        if len(self.chunks) > 4 * len(self.live) + 256:
            self.join()

    def push(self, chunk: Chunk) -> None:
        """Rule 14."""
        place = next(
            (i for i, c in enumerate(self.chunks) if self.rank(c) >= self.rank(chunk)),
            len(self.chunks),
        )
        self.chunks.insert(place, chunk)

    def rank(self, chunk: Chunk) -> float:
        """The class of an element; infinite for the one that ends the region."""
        return float("inf") if self.is_top(chunk) else class_of(chunk.sz)

    def join(self) -> None:
        """Rule 17."""
        self.chunks = sorted(merged(sorted(self.chunks)), key=self.rank)
