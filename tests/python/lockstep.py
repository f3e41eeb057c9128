"""A heap and its model in lockstep: every call is made on both, and their states are compared.

After each call the results, the free list in its order, every block and the two sums must be equal.
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
    """A policy with its options, and the same in the model's terms."""

    policy: str
    fit: Fit
    order: Order = "address"
    coalesce: bool = True
    headers: bool = True
    base: int = 4096

    def heap(self, size: int) -> glassheap.Heap:
        """A heap with this setting and `size` bytes."""
        options = {"policy": self.policy, "headers": self.headers, "base": self.base}
        if self.policy == "sequential_fit":
            options |= {"fit": self.fit, "order": self.order, "coalesce": self.coalesce}
        return glassheap.Heap(size, **options)  # type: ignore[arg-type]

    def model(self, size: int) -> ModelHeap:
        """The model of that heap."""
        return ModelHeap(
            size,
            base=self.base,
            fit=self.fit,
            order=self.order,
            coalesce=self.coalesce,
            headers=self.headers,
        )

    def __str__(self) -> str:
        """The id of a test."""
        words = [self.policy, "headers" if self.headers else f"no-headers-{self.base}"]
        if self.policy == "sequential_fit":
            coalescing = "coalescing" if self.coalesce else "no-coalescing"
            words[1:1] = [self.fit, self.order, coalescing]
        return "-".join(words)


FIT_OF: dict[str, Fit] = {
    "first_fit": "first",
    "next_fit": "next",
    "best_fit": "best",
    "worst_fit": "worst",
}
"""The policies that are one fit, in address order and with full coalescing."""

LAYOUTS = [(True, 0), (False, 0), (False, 4096)]
"""Headers and base; the base changes the layout only without headers."""

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
"""Every setting of sequential_fit."""


class Lockstep:
    """The heap and its model; `live` holds the live addresses of both, the oldest first."""

    def __init__(self, setting: Setting, size: int) -> None:
        self.heap = setting.heap(size)
        self.model = setting.model(size)
        self.live: list[int] = []
        self.compare()

    def malloc(self, size: int, align: int = 16) -> None:
        """Allocate in both, or fail in both."""
        address = result_or_none(lambda: self.heap.malloc(size, align=align))
        assert address == self.model.malloc(size, align=align)
        if address is not None:
            self.live.append(address)
        self.compare()

    def malloc_many(self, sizes: Sequence[int]) -> None:
        """Allocate a batch; the model does so by single calls, all or none."""
        addresses = result_or_none(lambda: self.heap.malloc_many(sizes))
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
        """Resize a live block in both."""
        place = pick % len(self.live)
        now = result_or_none(lambda: self.heap.realloc(self.live[place], size, align=align))
        assert now == self.model.realloc(self.live[place], size, align=align)
        if now is not None:
            self.live[place] = now
        self.compare()

    def free(self, pick: int) -> None:
        """Free a live block in both."""
        address = self.live.pop(pick % len(self.live))
        self.heap.free(address)
        assert self.model.free(address)
        self.compare()

    def compare(self) -> None:
        """Assert that heap and model have the same blocks, free list and sums."""
        header, chunks = self.model.header, self.model.list.chunks
        offered = [sz - header for _, sz in chunks]
        assert self.heap.free_list() == [(addr, sz - header) for addr, sz in chunks]
        walk = [(start, extent, live) for start, _, _, extent, live, _ in self.heap.walk()]
        assert walk == self.model.walk()
        assert self.heap.available_memory() == sum(offered)
        assert self.heap.largest_free() == max(offered, default=0)


def result_or_none(call: Callable[[], Answer]) -> Answer | None:
    """The result of the call; None if it raises OutOfMemory."""
    try:
        return call()
    except glassheap.OutOfMemory:
        return None
