"""First fit over a sorted list of holes: the rule by which KV caches cut their memory in Python.

LMCache has it, for example. A malloc takes the first hole in order of address that is large enough,
and puts back what is left of it. A free finds its place by bisection, and joins the hole with those
that it touches. This is a port of the rule, with tuples in the list, which are its fastest content.
"""

from __future__ import annotations

from sortedcontainers import SortedList

GRANULE = 4096


class SortedHoles:
    """Offsets in a span of bytes, cut by the rule."""

    def __init__(self, size: int) -> None:
        self.holes = SortedList([(0, size)])
        """Offset and bytes of each hole."""
        self.live: dict[int, int] = {}
        """Bytes by the offset of each block."""

    def malloc(self, size: int) -> int:
        """The offset of a new block. Raises MemoryError if no hole is large enough."""
        size += -size % GRANULE
        for hole in self.holes:
            if hole[1] >= size:
                break
        else:
            raise MemoryError
        offset, found = hole
        self.holes.remove(hole)
        if found > size:
            self.holes.add((offset + size, found - size))
        self.live[offset] = size
        return int(offset)

    def free(self, offset: int) -> None:
        """Give the block at the offset back."""
        end = offset + self.live.pop(offset)
        place = self.holes.bisect_left((offset, 0))
        if place < len(self.holes) and self.holes[place][0] == end:
            end += self.holes.pop(place)[1]
        if place and sum(self.holes[place - 1]) == offset:
            offset = self.holes.pop(place - 1)[0]
        self.holes.add((offset, end - offset))
