"""The oracle of the tests: what every call on a heap must return, raise and count.

`glassheap.model` says where each block goes. The oracle adds what the model leaves out: sizes,
serials, counters, peaks, and the exception that a call must raise, with its attributes. A policy
without a model has a `Twin` in its place.
"""

from __future__ import annotations

import copy
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import pytest

import glassheap
from glassheap.model import ModelHeap
from glassheap.model.heap import Extent
from heap_probes import GRANULE, back, fingerprint, front, records_sizes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


class Refusal(NamedTuple):
    """An exception that a call must raise: its class, or a base class, and all its attributes."""

    error: type[Exception]
    figures: Mapping[str, object] = {}


def assert_raised(refusal: Refusal, call: Callable[[], object]) -> None:
    """Assert that the call raises this."""
    with pytest.raises(refusal.error) as caught:
        call()
    assert caught.type is refusal.error or refusal.error.__subclasses__()
    assert vars(caught.value) == refusal.figures


def assert_refused(heap: glassheap.Heap, refusal: Refusal, call: Callable[[], object]) -> None:
    """Assert that the call raises this and changes nothing."""
    before = fingerprint(heap)
    assert_raised(refusal, call)
    assert fingerprint(heap) == before


# --- Where each block goes. -----------------------------------------------------------------------


class Twin:
    """A second heap of the same kind, on which every block is allocated and freed on its own.

    It is the model of a policy that has none. So a batch must have the effect of single calls, a
    refused batch none at all, and a reset heap must behave as a fresh one.
    """

    def __init__(self, make_heap: Callable[[], glassheap.Heap], base: int) -> None:
        self.make_heap = make_heap
        self.heap = make_heap()
        self.shift = base - self.heap.base
        self.calls: list[Callable[[Twin], object]] = []

    def __deepcopy__(self, memo: object) -> Twin:
        """The same calls, made on another heap."""
        other = Twin(self.make_heap, self.heap.base + self.shift)
        for call in self.calls:
            call(other)
        other.calls = self.calls.copy()
        return other

    def malloc(self, size: int, *, align: int = GRANULE) -> int | None:
        self.calls.append(lambda twin: twin.malloc(size, align=align))
        return self._shifted(partial(self.heap.malloc, size, align=align))

    def free(self, address: int) -> bool:
        self.calls.append(lambda twin: twin.free(address))
        self.heap.free(address - self.shift)
        return True

    def realloc(self, address: int, size: int, *, align: int = GRANULE) -> int | None:
        self.calls.append(lambda twin: twin.realloc(address, size, align=align))
        return self._shifted(partial(self.heap.realloc, address - self.shift, size, align=align))

    def walk(self) -> list[Extent]:
        return [Extent(i.start + self.shift, i.extent, i.live) for i in self.heap.walk()]

    def free_list(self) -> list[glassheap.FreeBlock]:
        return [glassheap.FreeBlock(at + self.shift, size) for at, size in self.heap.free_list()]

    def _shifted(self, call: Callable[[], int]) -> int | None:
        try:
            return call() + self.shift
        except glassheap.OutOfMemory:
            return None


# --- The oracle. ----------------------------------------------------------------------------------

CHANGED_BY_MALLOC = ("model", "live", "serial", "counts")
"""The attributes of an Oracle that a refused batch puts back."""


class Held(NamedTuple):
    """A live block: the bytes asked for, and the number of its allocation."""

    size: int
    serial: int


class Oracle:
    """The state that a heap must have, and the answers that it must give.

    `heap` is read for its options and its place alone. A call returns its result, or a Refusal.
    """

    def __init__(self, heap: glassheap.Heap, make_model: Callable[[], ModelHeap | Twin]) -> None:
        self.heap = heap
        self.make_model = make_model
        self.model = make_model()
        self.trailer = back(heap) if isinstance(self.model, ModelHeap) else 0
        self.front, self.around = front(heap), front(heap) + back(heap)
        self.shows_sizes = records_sizes(heap)
        self.live: dict[int, Held] = {}
        self.pinned: set[int] = set()
        self.serial = 0
        self.counts = dict.fromkeys(("mallocs", "frees", "reallocs", "failures"), 0)
        self.peak_requested = self.peak_used = 0

    # --- Calls. ---

    def malloc(self, size: int, *, align: int = GRANULE) -> int | Refusal:
        if refusal := self.bad_request(size, align):
            return refusal
        address = self.model.malloc(size + self.trailer, align=align)
        if address is None:
            return self.out_of_memory(size, align)
        self.counts["mallocs"] += 1
        self._hold(address, size)
        return address

    def calloc(self, count: int, size: int) -> int | Refusal:
        return self.bad_request(min(count, size), GRANULE) or self.malloc(count * size)

    def free(self, address: int | None) -> Refusal | None:
        return self.free_many([address])

    def realloc(self, address: int | None, size: int, *, align: int = GRANULE) -> int | Refusal:
        if not address:
            return self.malloc(size, align=align)
        refusal = self.bad_request(size, align) or self.bad_address(address) or self.pin(address)
        if refusal:
            return refusal
        now = self.model.realloc(address, size + self.trailer, align=align)
        if now is None:
            return self.out_of_memory(size, align)
        self.counts["reallocs"] += 1
        held = self.live.pop(address)
        if now == address:
            self.live[now] = Held(size, held.serial)
        else:
            self._hold(now, size)
        return now

    def malloc_many(self, sizes: Iterable[int]) -> list[int] | Refusal:
        """By single calls, all or none."""
        sizes = [*sizes]
        if refusal := self.bad_request(min(sizes, default=0), GRANULE):
            return refusal
        before = {name: copy.deepcopy(vars(self)[name]) for name in CHANGED_BY_MALLOC}
        addresses = []
        for size in sizes:
            address = self.malloc(size)
            if isinstance(address, Refusal):
                vars(self).update(before)
                return self.out_of_memory(size, GRANULE)
            addresses.append(address)
        return addresses

    def free_many(self, addresses: Iterable[int | None]) -> Refusal | None:
        wanted = [address for address in addresses if address]
        refusals = [self.bad_address(address) or self.pin(address) for address in wanted]
        for place, address in enumerate(wanted):
            if address in wanted[:place]:
                refusals.append(Refusal(glassheap.DoubleFree, {"address": address}))
        for refusal in filter(None, refusals):
            return refusal
        for address in sorted(wanted, reverse=True):
            self.model.free(address)
            del self.live[address]
            self.counts["frees"] += 1
        return None

    def reset(self) -> Refusal | None:
        if self.pinned:
            return Refusal(BufferError)
        self.model = self.make_model()
        self.live.clear()
        return None

    # --- Refusals; None if there is no reason for one. ---

    def bad_request(self, size: int, align: int) -> Refusal | None:
        if size < 0:
            return Refusal(glassheap.InvalidSize)
        limit = max(GRANULE, self.heap.size // 4)
        if align.bit_count() != 1 or not 1 <= align <= limit:
            return Refusal(glassheap.InvalidAlignment)
        return None

    def out_of_memory(self, size: int, align: int) -> Refusal:
        """The refusal of a request that no free block can serve; it is counted."""
        self.counts["failures"] += 1
        offers = [block.size for block in self.free_list()]
        figures = {"requested": size, "available": sum(offers), "largest": max(offers, default=0)}
        figures |= {"free_blocks": len(offers), "align": max(align, GRANULE)}
        return Refusal(glassheap.OutOfMemory, {**figures, "heap": self.heap})

    def bad_address(self, address: int) -> Refusal | None:
        if address in self.live:
            return None
        return Refusal(self.error_at(address), {"address": address})

    def error_at(self, address: int) -> type[glassheap.InvalidPointer]:
        """The class for an address at which there is no live payload.

        The address where a free block ends may be that of an empty block that was freed: there any
        of the classes is right.
        """
        walk = self.model.walk()
        if front(self.heap) and any(not b.live and b.start + b.extent == address for b in walk):
            return glassheap.InvalidPointer
        if not 0 <= address - self.heap.base < self.heap.size:
            return glassheap.ForeignPointer
        if (address - self.heap.base) % GRANULE:
            return glassheap.MisalignedPointer
        (live,) = (b.live for b in walk if b.start <= address < b.start + b.extent)
        return glassheap.InteriorPointer if live else glassheap.DoubleFree

    def pin(self, address: int) -> Refusal | None:
        return Refusal(BufferError) if address in self.pinned else None

    # --- Queries. ---

    def walk(self) -> list[glassheap.BlockInfo]:
        return [self._info(*block) for block in self.model.walk()]

    def free_list(self) -> list[glassheap.FreeBlock]:
        sizes = {start: self._offered(extent) for start, extent, _ in self.model.walk()}
        return [glassheap.FreeBlock(at, sizes[at]) for at, _ in self.model.free_list()]

    def stats(self) -> glassheap.HeapStats:
        """All figures. For the peaks, they must be asked for after every call."""
        walk = self.walk()
        offers = [info.size for info in walk if not info.live]
        taken = [info for info in walk if info.live]
        available, largest = sum(offers), max(offers, default=0)
        requested = sum(info.size for info in taken)
        used = taken[-1].start + taken[-1].extent - self.heap.base if taken else 0
        self.peak_requested = max(self.peak_requested, requested)
        self.peak_used = max(self.peak_used, used)
        return glassheap.HeapStats(
            size=self.heap.size,
            live_blocks=len(self.live),
            free_blocks=len(offers),
            requested=requested,
            used=used,
            available=available,
            largest_free=largest,
            overhead=sum(info.extent for info in taken) - requested,
            peak_requested=self.peak_requested,
            peak_used=self.peak_used,
            external_fragmentation=1 - largest / available if available else 0,
            recovered=0,
            **self.counts,
        )

    # --- Steps. ---

    def _hold(self, address: int, size: int) -> None:
        self.serial = (self.serial + 1) % 65536
        self.live[address] = Held(size, self.serial)

    def _offered(self, extent: int) -> int:
        return max(extent - self.around, 0)

    def _info(self, start: int, extent: int, live: bool) -> glassheap.BlockInfo:
        address = start + self.front
        if not live:
            return glassheap.BlockInfo(start, address, self._offered(extent), extent, live, 0)
        size, serial = self.live[address]
        size = size if self.shows_sizes else extent
        return glassheap.BlockInfo(start, address, size, extent, live, serial if self.front else 0)
