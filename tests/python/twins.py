"""A heap and the model of it: every call is made to both, and all that can be seen is compared.

What each answers, the free list in its order, every block, and the two sums, after each call.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import glassheap
from glassheap.model import FITS, ORDERS, ModelHeap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from glassheap.model import Fit, Order


Answer = TypeVar("Answer")


class Setting(NamedTuple):
    """A policy, and what the model calls the same."""

    policy: str
    fit: Fit
    order: Order = "address"
    coalesce: bool = True
    headers: bool = True
    base: int = 4096

    def heap(self, size: int) -> glassheap.Heap:
        """A heap of this kind over `size` bytes."""
        options = {"policy": self.policy, "headers": self.headers, "base": self.base}
        if self.policy == "sequential_fit":
            options |= {"fit": self.fit, "order": self.order, "coalesce": self.coalesce}
        return glassheap.Heap(size, **options)  # type: ignore[arg-type]

    def model(self, size: int) -> ModelHeap:
        """The model of such a heap."""
        return ModelHeap(
            size,
            base=self.base,
            fit=self.fit,
            order=self.order,
            coalesce=self.coalesce,
            headers=self.headers,
        )

    def __str__(self) -> str:
        """As the id of a test."""
        how = [self.policy, "headers" if self.headers else f"bare-{self.base}"]
        if self.policy == "sequential_fit":
            how[1:1] = [self.fit, self.order, "joins" if self.coalesce else "never-joins"]
        return "-".join(how)


FIT_OF: dict[str, Fit] = {
    "first_fit": "first",
    "next_fit": "next",
    "best_fit": "best",
    "worst_fit": "worst",
}
"""The policies that are a fit in address order with full coalescing."""

LAYOUTS = [(True, 0), (False, 0), (False, 4096)]
"""Headers, and what addresses count from; only without headers does that change the layout."""

CLASSIC = [
    Setting(name, fit, headers=h, base=b) for name, fit in FIT_OF.items() for h, b in LAYOUTS
]
SEQUENTIAL = [
    Setting("sequential_fit", fit, order, coalesce, headers, base)
    for fit in FITS
    if fit != "next"
    for order in ORDERS
    for coalesce in (True, False)
    for headers, base in LAYOUTS
]
"""All that a sequential_fit can be told."""


class Twins:
    """The two heaps; `live` has the addresses that both gave, the oldest first."""

    def __init__(self, setting: Setting, size: int) -> None:
        self.heap = setting.heap(size)
        self.model = setting.model(size)
        self.live: list[int] = []
        self.compare()

    def malloc(self, size: int, align: int = 16) -> None:
        """Allocate, or fail, in both."""
        address = answer(lambda: self.heap.malloc(size, align=align))
        assert address == self.model.malloc(size, align=align)
        if address is not None:
            self.live.append(address)
        self.compare()

    def malloc_many(self, sizes: Sequence[int]) -> None:
        """A batch is as many single calls, or none at all."""
        addresses = answer(lambda: self.heap.malloc_many(sizes))
        before = copy.deepcopy(self.model)
        expected = [self.model.malloc(size) for size in sizes]
        if addresses is None:
            assert None in expected
            self.model = before
        else:
            assert [*addresses] == expected
            self.live += addresses
        self.compare()

    def realloc(self, pick: int, size: int, align: int = 16) -> None:
        """Give a live block another size."""
        place = pick % len(self.live)
        now = answer(lambda: self.heap.realloc(self.live[place], size, align=align))
        assert now == self.model.realloc(self.live[place], size, align=align)
        if now is not None:
            self.live[place] = now
        self.compare()

    def free(self, pick: int) -> None:
        """Free a live block."""
        address = self.live.pop(pick % len(self.live))
        self.heap.free(address)
        assert self.model.free(address)
        self.compare()

    def compare(self) -> None:
        """All that can be seen of both."""
        header, chunks = self.model.header, self.model.list.chunks
        offered = [sz - header for _, sz in chunks]
        assert self.heap.free_list() == [(addr, sz - header) for addr, sz in chunks]
        walk = [(start, extent, live) for start, _, _, extent, live, _ in self.heap.walk()]
        assert walk == self.model.walk()
        assert self.heap.available_memory() == sum(offered)
        assert self.heap.largest_free() == max(offered, default=0)


def answer(call: Callable[[], Answer]) -> Answer | None:
    """What the call answers; None if there is no room."""
    try:
        return call()
    except glassheap.OutOfMemory:
        return None
