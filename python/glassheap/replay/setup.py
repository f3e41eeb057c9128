"""A heap for a replay, but for its size: the policy, and the layout of its blocks."""

from __future__ import annotations

from typing import NamedTuple

from glassheap import Heap, OffsetHeap
from glassheap.replay.sizing import GRANULE, Layout, layout, size_limit

BASE = 1 << 40
"""The address of each region: a multiple of every alignment, so that placement is repeatable."""


class Setup(NamedTuple):
    """The policy and the layout of a heap.  With a granule (bytes) it is an `OffsetHeap`."""

    policy: str = "first_fit"
    headers: bool = True
    granule: int | None = None

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

    @property
    def layout_name(self) -> str:
        """The layout in a word or two."""
        if self.granule is not None:
            return f"granule {self.granule:,}"
        return "headers" if self.headers else "no headers"

    def heap(self, size: int) -> Heap:
        """A new heap of `size` bytes.  Raises the errors of `Heap`."""
        if self.granule is None:
            return Heap(size, policy=self.policy, headers=self.headers, base=BASE)
        return OffsetHeap(size, granule=self.granule, policy=self.policy)


def checked(policy: str, headers: bool, granule: int | None) -> Setup:
    """The setup with these options.  Raises the errors of `Heap` for a wrong one."""
    setup = Setup(policy, headers and granule is None, granule)
    setup.heap(4 * setup.step).close()
    return setup
