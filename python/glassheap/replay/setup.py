"""A heap for a replay, but for its size: the policy, the layout of its blocks, and its place."""

from __future__ import annotations

from typing import Any, NamedTuple

from glassheap import Heap, OffsetHeap
from glassheap.replay.sizing import GRANULE, PAGE, Layout, layout, round_up, size_limit

BASE = 1 << 40
"""A multiple of every alignment."""


class Place(NamedTuple):
    """Where the region lies, from which it follows where a block can be aligned.

    By default it ends with a page, as that of `Heap(size)` does, whose end is a guard page.  Such a
    region of whole pages begins at a multiple of every alignment, so that placement is repeatable.
    """

    address: int | None = None
    """Its first byte, or its end: a multiple of 16.  Counts modulo `BASE`, but for a first byte at
    0, before which a heap without headers leaves a granule unused.  None for the default."""
    at_end: bool = False
    """True if a region of another size has the same end."""

    def base(self, size: int) -> int:
        """The address of the first byte of a region of `size` bytes."""
        if self.address is None:
            return BASE + -round_up(size, GRANULE) % PAGE
        first = self.address - round_up(size, GRANULE) if self.at_end else self.address
        return BASE + first % BASE if first else 0


class Setup(NamedTuple):
    """The policy, the layout and the place of a heap.

    With a granule (bytes) it is an `OffsetHeap`, which has no place.
    """

    policy: str = "first_fit"
    headers: bool = True
    granule: int | None = None
    place: Place = Place()

    @property
    def options(self) -> dict[str, Any]:
        """The policy and the layout, as options of `replay`."""
        return {"policy": self.policy, "headers": self.headers, "granule": self.granule}

    @property
    def blocks(self) -> Layout:
        """The layout of its blocks."""
        return layout(self.policy, self.headers, self.granule)

    @property
    def step(self) -> int:
        """Bytes of which the size of its region is a multiple."""
        return self.granule or GRANULE

    @property
    def limit(self) -> int:
        """The largest region (bytes) of memory that this machine has."""
        return size_limit(self.granule)

    def largest(self, size: int | None = None) -> int:
        """The largest request (bytes) that can succeed: one that fits in a region of this machine.

        It may exceed that if the region has `size` bytes.
        """
        return self.limit if size is None else max(self.limit, size)

    @property
    def layout_name(self) -> str:
        """The layout in a word or two."""
        if self.granule is not None:
            return f"granule {self.granule:,}"
        return "headers" if self.headers else "no headers"

    def base(self, size: int) -> int:
        """An address that has the alignments of a region's first byte; that of offsets has all."""
        return self.place.base(size) if self.granule is None else BASE

    def heap(self, size: int) -> Heap:
        """A new heap of `size` bytes.  Raises the errors of `Heap`."""
        if self.granule is None:
            return Heap(size, policy=self.policy, headers=self.headers, base=self.base(size))
        return OffsetHeap(size, granule=self.granule, policy=self.policy)


def checked(setup: Setup) -> Setup:
    """The setup.  Raises the errors of `Heap` for a wrong policy or granule."""
    setup.heap(4 * setup.step).close()
    return setup
