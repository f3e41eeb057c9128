"""Plays a trace on the library, checks every answer, and the bytes of every payload.

A payload is filled with a pattern when its block is handed out, and compared with it when the block
is freed or resized, and at the end.  The check goes on after a breach if what follows still means
something.  It stops at a block that overlaps another or lies outside of the heap, since writing to
it would do damage for which the library would be blamed a second time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glassheap.grading import pattern
from glassheap.grading.blocks import Block, Extent, Graveyard, LiveBlocks
from glassheap.grading.job import CALL, NOBODY, READ, WRITE, Breach, describe
from glassheap.traces import FREE, MALLOC

if TYPE_CHECKING:
    from glassheap.grading.job import Job, Place
    from glassheap.grading.library import Function, Library

LARGEST_REQUEST = 2**47
"""No machine serves more bytes: its user addresses have 47 bits, or little more."""


class StopError(Exception):
    """The rest of the trace would mean nothing."""


class Checker:
    """One run of a trace on a library."""

    def __init__(self, library: Library, job: Job, place: Place) -> None:
        self._library = library
        self._job = job
        self._place = place
        self._live = LiveBlocks()
        self._extent = Extent()
        self._graveyard = Graveyard()
        self._breaches: dict[str, Breach] = {}
        self._operation = NOBODY
        self._peak = self._handed_out = self._footprint = 0

    def run(self) -> dict[str, object]:
        """Play the trace; the breaches and the figures, as JSON has them."""
        try:
            self._play()
            self._place.stage = READ
            for block in self._live.all():
                self._verify(block, "at the end of the trace")
        except StopError:
            pass
        return {
            "breaches": list(self._breaches.values()),
            "peak_payload": self._peak,
            "footprint": self._footprint if self._library.region else self._extent.bytes,
            "handed_out": self._handed_out,
            "reused": self._graveyard.disturbed,
            "names": [name for name in self._library.names[:3] if name],
        }

    def _play(self) -> None:
        """Play every operation; at each, say first that it runs."""
        trace, words = self._job.trace, self._place.words
        operations = zip(trace.kinds, trace.ids, trace.sizes, strict=True)
        for index, (kind, block, size) in enumerate(operations):
            self._operation = words[0] = index
            words[1] = CALL
            if kind == FREE:
                self._free(block)
            elif kind == MALLOC:
                self._accept(block, self._library.malloc(size), size, None, intact=True)
            else:
                self._realloc(block, size)
            if self._live.bytes > self._peak:
                self._peak = self._live.bytes
            self._watch()

    # --- The calls --------------------------------------------------------------------------------
    def _free(self, block_id: int) -> None:
        """Free the block; if it has none, NULL."""
        block = self._live.get(block_id)
        if block is None:
            self._library.free(None)
            return
        self._verify(block, "before {}")
        self._live.remove(block)
        self._graveyard.add(block)
        self._place.stage = CALL
        self._library.free(block.address)

    def _realloc(self, block_id: int, size: int) -> None:
        """Resize the block; if it has none, NULL."""
        assert self._library.realloc is not None
        old = self._live.get(block_id)
        intact = old is None or self._verify(old, "before {}")
        self._place.stage = CALL
        address = self._library.realloc(old.address if old else None, size)
        if old is not None and (address is not None or size == 0):
            self._live.remove(old)
        self._accept(block_id, address, size, old, intact=intact)

    # --- The answers ------------------------------------------------------------------------------
    def _accept(
        self, block_id: int, address: int | None, size: int, old: Block | None, *, intact: bool
    ) -> None:
        """Check the answer to a request, and fill the block.

        `old` is the block that it replaces; `intact` is False if the contents of that were lost
        before the call.
        """
        if address is None:
            self._check_refusal(size, old)
            return
        block = Block(block_id, address, size, self._operation)
        self._check_position(block)
        if old is not None and intact:
            self._check_contents(block, old)
        self._place.stage = WRITE
        pattern.fill(address, size, block.serial)
        self._live.add(block)
        self._measure(block, old)

    def _check_refusal(self, size: int, old: Block | None) -> None:
        """NULL is right for 0 bytes, and for more than the library can have."""
        room = min(self._job.heap or self._job.memory, LARGEST_REQUEST)
        if size and self._live.bytes + size <= room:
            live = f"while {self._live.bytes:,} bytes were live"
            self._add("refusal", f"{self._now()} returned NULL {live}")
        if size and old is not None:
            self._verify(old, "by {}, which returned NULL", "realloc")

    def _check_position(self, block: Block) -> None:
        """Check the address of a new block."""
        if block.size > LARGEST_REQUEST:
            self._stop("size", f"{self._now()} returned a block, though no machine has the memory")
        if block.address % self._job.align:
            where = f"{block.address:#x}, which is no multiple of {self._job.align}"
            self._add("alignment", f"{self._now()} returned {where}")
        other = self._live.overlapping(block.address, block.size)
        if other is not None:
            which = f"block {other.id}, which is live ({other.size:,} bytes at {other.address:#x})"
            what = f"{block.size:,} bytes at {block.address:#x}"
            self._stop("overlap", f"{self._now()} returned {what}; they overlap {which}")
        if self._library.region is not None:
            self._check_region(block, *self._library.region)

    def _check_region(self, block: Block, first: Function, last: Function) -> None:
        """Check that a block lies in the heap, whose bounds the library tells."""
        self._place.stage = CALL
        low, high = first() or 0, (last() or 0) + 1
        self._footprint = max(self._footprint, high - low)
        if not low <= block.address < block.end <= high:
            where = f"{block.size:,} bytes at {block.address:#x}"
            heap = f"outside of the heap ({low:#x} to {high:#x})"
            self._stop("region", f"{self._now()} returned {where}, {heap}")

    def _check_contents(self, block: Block, old: Block) -> None:
        """Check that realloc has kept the contents, up to the smaller of the sizes."""
        self._place.stage = READ
        kept = min(block.size, old.size)
        changed = pattern.first_change(block.address, kept, old.serial)
        if changed is not None:
            what = f"byte {changed} of the {kept:,} that it must keep has changed"
            self._add("realloc", f"{self._now()} lost contents: {what}", block.id)

    def _measure(self, block: Block, old: Block | None) -> None:
        """Count the bytes of a block that was handed out."""
        self._extent.add(block)
        if old is not None and old.address == block.address:
            self._handed_out += max(block.size - old.size, 0)
            return
        self._handed_out += block.size
        self._graveyard.visit(block)
        if old is not None:
            self._graveyard.add(old)

    # --- The payloads -----------------------------------------------------------------------------
    def _verify(self, block: Block, when: str, rule: str = "payload") -> bool:
        """Check that the payload of a live block is as it was filled; `when` has {} for now."""
        self._place.stage = READ
        changed = pattern.first_change(block.address, block.size, block.serial)
        if changed is not None:
            which = f"block {block.id}, which was live ({block.size:,} bytes at {block.address:#x})"
            then = when.format(self._now())
            self._add(rule, f"byte {changed} of {which}, was changed {then}", block.id)
        return changed is None

    def _watch(self) -> None:
        """Check the watched block after this operation."""
        block = self._live.get(self._job.watched)
        if block is not None and not self._verify(block, "by {}"):
            raise StopError

    # --- The breaches -----------------------------------------------------------------------------
    def _now(self) -> str:
        return describe(self._job.trace, self._operation)

    def _add(self, rule: str, sentence: str, block: int = NOBODY) -> None:
        new = Breach(rule, self._operation, sentence, 0, block)
        first = self._breaches.get(rule, new)
        self._breaches[rule] = first._replace(times=first.times + 1)

    def _stop(self, rule: str, sentence: str) -> None:
        self._add(rule, sentence)
        raise StopError
