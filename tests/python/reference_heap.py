"""A first-fit heap as a plain list of blocks: the oracle for the real heap.

It has the sizes, addresses, serials and counters of the real heap, and no bytes. It is written for
clarity alone. Every call must return the result of the real heap, or raise the same class.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glassheap import (
    BlockInfo,
    DoubleFree,
    ForeignPointer,
    FreeBlock,
    InteriorPointer,
    InvalidAlignment,
    InvalidSize,
    MisalignedPointer,
    OutOfMemory,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

FRONT = GRANULE = 16


def round_up(number: int, to: int) -> int:
    return -(-number // to) * to


def extent_for(size: int) -> int:
    return FRONT + round_up(size, GRANULE)


@dataclass(eq=False)
class Span:
    """A block: its start in the region, its extent, and its size if it is live."""

    start: int
    extent: int
    live: bool = False
    requested: int = 0
    serial: int = 0

    @property
    def end(self) -> int:
        return self.start + self.extent

    @property
    def payload(self) -> int:
        return self.start + FRONT


class ReferenceHeap:
    """All blocks in address order; malloc takes the first free block that fits."""

    def __init__(self, size: int, base: int) -> None:
        self.size = round_up(size, GRANULE)
        self.base = base
        self.spans = [Span(0, self.size)]
        self.serial = 0
        self.counts = dict.fromkeys(("mallocs", "frees", "reallocs", "failures"), 0)
        self.peaks = {"peak_requested": 0, "peak_used": 0}

    # --- Operations. ---

    def malloc(self, size: int, *, align: int = 16) -> int:
        self._check_arguments(size, align)
        address = self._allocate(*self._first_fit(size, align), size)
        self.counts["mallocs"] += 1
        self._note_peaks()
        return address

    def calloc(self, count: int, size: int) -> int:
        self._check_arguments(min(count, size), GRANULE)
        return self.malloc(count * size)

    def free(self, address: int | None) -> None:
        if address:
            self._release(self.find_live(address))
            self.counts["frees"] += 1

    def realloc(self, address: int | None, size: int, *, align: int = 16) -> int:
        if not address:
            return self.malloc(size, align=align)
        self._check_arguments(size, align)
        span = self.find_live(address)
        right = self._free_right_of(span)
        room = span.extent + (right.extent if right else 0)
        if address % align == 0 and extent_for(size) <= room:
            self._resize(span, right, room, size)
        else:
            address = self._allocate(*self._first_fit(size, align), size)
            self._release(span)
        self.counts["reallocs"] += 1
        self._note_peaks()
        return address

    def malloc_many(self, sizes: Iterable[int]) -> list[int]:
        sizes = [*sizes]
        self._check_arguments(min(sizes, default=0), GRANULE)
        before = {name: copy.copy(value) for name, value in vars(self).items()}
        try:
            return [self.malloc(size) for size in sizes]
        except OutOfMemory:
            vars(self).update(before)
            self.counts["failures"] += 1
            raise

    def free_many(self, addresses: Iterable[int | None]) -> None:
        spans = [self.find_live(address) for address in addresses if address]
        if len(set(spans)) < len(spans):
            raise DoubleFree
        for span in spans:
            self._release(span)
            self.counts["frees"] += 1

    def reset(self) -> None:
        self.spans = [Span(0, self.size)]

    # --- Queries. ---

    def walk(self) -> list[BlockInfo]:
        return [
            BlockInfo(
                self.base + span.start,
                self.base + span.payload,
                span.requested if span.live else span.extent - FRONT,
                span.extent,
                span.live,
                span.serial,
            )
            for span in self.spans
        ]

    def free_list(self) -> list[FreeBlock]:
        return [FreeBlock(info.start, info.size) for info in self.walk() if not info.live]

    def live(self) -> list[Span]:
        return [span for span in self.spans if span.live]

    def stats(self) -> dict[str, float]:
        offers = [block.size for block in self.free_list()]
        available, largest = sum(offers), max(offers, default=0)
        return {
            "size": self.size,
            "live_blocks": len(self.live()),
            "free_blocks": len(offers),
            "requested": self._requested(),
            "used": self._used(),
            "available": available,
            "largest_free": largest,
            "overhead": sum(span.extent - span.requested for span in self.live()),
            "external_fragmentation": 1 - largest / available if available else 0,
            "recovered": 0,
            **self.counts,
            **self.peaks,
        }

    def find_live(self, address: int) -> Span:
        """The live block with this payload; otherwise raise the class of the heap's error."""
        place = address - self.base
        for span in self.spans:
            if span.payload == place:
                if span.live:
                    return span
                raise DoubleFree
        if not 0 <= place < self.size:
            raise ForeignPointer
        if place % GRANULE:
            raise MisalignedPointer
        owner = next(span for span in self.spans if span.start <= place < span.end)
        raise InteriorPointer if owner.live else DoubleFree

    def is_end_of_free_block(self, address: int) -> bool:
        """True if a free block ends there: an empty block that was freed may have started there."""
        return any(span.end == address - self.base for span in self.spans if not span.live)

    # --- Steps. ---

    def _check_arguments(self, size: int, align: int) -> None:
        if size < 0:
            raise InvalidSize
        if align.bit_count() != 1 or align < 1 or align > max(GRANULE, self.size // 4):
            raise InvalidAlignment

    def _first_fit(self, size: int, align: int) -> tuple[Span, int]:
        for span in self.spans:
            start = round_up(self.base + span.payload, align) - FRONT - self.base
            if not span.live and start + extent_for(size) <= span.end:
                return span, start
        self.counts["failures"] += 1
        raise OutOfMemory

    def _allocate(self, span: Span, start: int, size: int) -> int:
        """Split the free span into a gap, the block and a rest; gap and rest may be empty."""
        self.serial = (self.serial + 1) % 65536
        block = Span(start, extent_for(size), True, size, self.serial)
        gap = Span(span.start, start - span.start)
        rest = Span(block.end, span.end - block.end)
        at = self.spans.index(span)
        self.spans[at : at + 1] = [piece for piece in (gap, block, rest) if piece.extent]
        return self.base + block.payload

    def _resize(self, span: Span, right: Span | None, room: int, size: int) -> None:
        at = self.spans.index(span)
        span.requested, span.extent = size, extent_for(size)
        rest = Span(span.end, room - span.extent)
        self.spans[at : at + 1 + (right is not None)] = [span, rest] if rest.extent else [span]

    def _release(self, span: Span) -> None:
        """Free the block and merge it with free neighbours."""
        at = self.spans.index(span)
        first = at - 1 if at > 0 and not self.spans[at - 1].live else at
        last = at + 1 if self._free_right_of(span) else at
        start, end = self.spans[first].start, self.spans[last].end
        self.spans[first : last + 1] = [Span(start, end - start)]

    def _free_right_of(self, span: Span) -> Span | None:
        right = self.spans[self.spans.index(span) + 1 :][:1]
        return right[0] if right and not right[0].live else None

    def _requested(self) -> int:
        return sum(span.requested for span in self.live())

    def _used(self) -> int:
        return max((span.end for span in self.live()), default=0)

    def _note_peaks(self) -> None:
        now = {"peak_requested": self._requested(), "peak_used": self._used()}
        self.peaks = {name: max(peak, now[name]) for name, peak in self.peaks.items()}
