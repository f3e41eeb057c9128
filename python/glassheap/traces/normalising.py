"""Conversion of a file's operations into valid ones.

Real traces free blocks that they never allocated (the recording began late), allocate under an id
that is still live (the old block leaked), and resize blocks that do not exist.  All these cases are
resolved here, so that a replay needs no checks:

    in the file                      in the trace                        note
    a free of a live block           the free
    any other free                   nothing                             yes (NULL: harmless)
    an allocation under a dead name  the allocation
    an allocation under a live name  the allocation under a new id       yes: the old block leaks
    a realloc of a live block        the realloc
    any other realloc                an allocation
    a request that failed            nothing, but an entry in `refused`

Where a block's name is its address, the tool that recorded it may have missed calls.  Then a free
of an unknown block is no misuse.  An allocator hands out an address again only after its free, so
an allocation under a live name frees the old block first:

    an allocation at a live address  a free, and the allocation          yes: its free is missing

The table `slots` has the id of each live name.  Ids of freed blocks are used again, so they are as
few as the blocks that live at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glassheap.traces.freed_names import FreedNames
from glassheap.traces.source import NULL, PLAIN, RENAME, Details, Operation
from glassheap.traces.trace import FREE, MALLOC, Columns, Notes, Refused, pad

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterable, Iterator

BATCH = 2**15
"""The number of operations in a batch: under a megabyte of arrays."""

NONE = -1  # the name has no live block
UNUSUAL = (FREE, RENAME)
LARGEST_ALIGN = 2**63
LARGEST_TIME = 2**63 - 1

NULL_FREED = "free of NULL, which does nothing, skipped"
UNSEEN_FREED = "free of a block never allocated, skipped"
DEAD_FREED = "free of a block freed before, skipped"
LEAKED = "allocation under an id that is still live: the old block is leaked"
REUSED = "allocation at an address that is still live: its free is missing, and was added"
UNSEEN_RESIZED = "realloc of a block never allocated, played as an allocation"
BAD_ALIGN = "alignment that is no power of two, ignored"


class Normaliser:
    """Converts operations, a batch at a time, and keeps the names of the live blocks."""

    def __init__(
        self, operations: Iterable[Operation], notes: Notes, *, addresses: bool = False
    ) -> None:
        self.notes = notes
        self.addresses = addresses
        self.peak_live = 0
        self.held: list[int] = []  # the size of the block of each id
        self.facts: tuple[str, ...] = ()
        self._operations = operations
        self._tags = {"": 0}
        self._batch = Columns()
        self._before = 0  # operations in earlier batches
        self._slots: dict[int, int] = {}
        self._freed = FreedNames()
        self._spare: list[int] = []
        self._live = 0
        self._origin: int | None = None

    @property
    def id_count(self) -> int:
        """The number of ids: the maximum of the blocks live at a time."""
        return len(self.held)

    @property
    def tag_names(self) -> tuple[str, ...]:
        """The tags by their indices; the first is ""."""
        return tuple(self._tags)

    def batches(self) -> Iterator[Columns]:
        """The valid operations, in batches; oddities are added to the notes.  O(n)."""
        add = self._add
        for line, kind, block, size, details in self._operations:
            add(line, kind, block, size, details)
            if len(self._batch.kinds) >= BATCH:
                yield self._take()
        yield self._take()

    def _take(self) -> Columns:
        """The batch so far; a new one begins."""
        done, self._batch = self._batch, Columns()
        self._before += len(done)
        done.complete()
        return done

    def _add(self, line: int, kind: int, block: int, size: int, details: Details) -> None:
        slot = self._slots.get(block, NONE)
        if kind == FREE and slot >= 0:
            self._end(block, slot)
        elif kind in UNUSUAL or details.failed:
            self._add_unusual(line, kind, block, slot, size, details)
            return
        else:
            if kind == MALLOC or slot < 0:
                kind, slot = MALLOC, self._begin(line, kind, block, slot)
            self._live += size - self.held[slot]
            self.held[slot] = size
            if self._live > self.peak_live:
                self.peak_live = self._live
        self._put(line, kind, slot, size, details)

    def _add_unusual(
        self, line: int, kind: int, block: int, slot: int, size: int, details: Details
    ) -> None:
        """What is no operation of the trace: a wrong free, a change of name, a failed request."""
        if kind == FREE:
            self._note_free(line, block)
        elif kind == RENAME:
            self._rename(line, block, slot, size)
        else:
            self._refuse(line, kind, None if kind == MALLOC or slot < 0 else slot, size, details)

    def _begin(self, line: int, kind: int, block: int, slot: int) -> int:
        """An id for a new block of this name."""
        if slot >= 0:
            self._supersede(line, block, slot)
        elif kind != MALLOC and self.addresses:
            self.notes.add(UNSEEN_RESIZED, line)
        if self._spare:
            new = self._spare.pop()
        else:
            new = len(self.held)
            self.held.append(0)
        self._slots[block] = new
        return new

    def _end(self, block: int, slot: int) -> None:
        """The block of this name and id is freed."""
        self._live -= self.held[slot]
        self.held[slot] = 0
        self._forget(block)
        self._spare.append(slot)

    def _supersede(self, line: int, block: int, slot: int) -> None:
        """The name of a live block is given to another."""
        if self.addresses:
            self.notes.add(REUSED, line)
            self._end(block, slot)
            self._put(line, FREE, slot, 0, PLAIN)
        else:
            self.notes.add(LEAKED, line)

    def _note_free(self, line: int, block: int) -> None:
        if block == NULL:
            self.notes.add(NULL_FREED, line)
        elif block in self._freed:
            self.notes.add(DEAD_FREED, line, misuse=True)
        else:
            self.notes.add(UNSEEN_FREED, line, misuse=not self.addresses)

    def _rename(self, line: int, block: int, slot: int, new: int) -> None:
        """A realloc moved the block: its old address is free."""
        other = self._slots.get(new, NONE)
        if other >= 0:
            self._supersede(line, new, other)
        self._forget(block)
        self._slots[new] = slot

    def _forget(self, block: int) -> None:
        """The name has no live block any more."""
        del self._slots[block]
        self._freed.add(block)

    def _put(self, line: int, kind: int, slot: int, size: int, details: Details) -> None:
        batch = self._batch
        batch.kinds.append(kind)
        batch.ids.append(slot)
        batch.sizes.append(size)
        batch.lines.append(line)
        if details is not PLAIN:
            self._describe(batch, line, details)

    def _describe(self, batch: Columns, line: int, details: Details) -> None:
        """Put the details of the last operation into the optional columns."""
        index = len(batch) - 1
        set_entry(batch.aligns, index, self._align(line, details))
        set_entry(batch.tags, index, self._tag(details.tag))
        set_entry(batch.threads, index, details.thread)
        if details.time is not None:
            pad(batch.times, index).append(self._time(details.time))

    def _align(self, line: int, details: Details) -> int:
        align = details.align
        if align & (align - 1) or align > LARGEST_ALIGN:
            self.notes.add(BAD_ALIGN, line)
            return 0
        return align

    def _tag(self, tag: str) -> int:
        return self._tags.setdefault(tag, len(self._tags))

    def _time(self, time: int) -> int:
        if self._origin is None:
            self._origin = time
        return max(-LARGEST_TIME, min(time - self._origin, LARGEST_TIME))

    def _refuse(self, line: int, kind: int, slot: int | None, size: int, details: Details) -> None:
        position = self._before + len(self._batch)
        time = None if details.time is None else self._time(details.time)
        align = self._align(line, details)
        self._tag(details.tag)
        refused = Refused(
            position, line, kind, size, align, details.tag, details.thread, time, slot
        )
        self._batch.refused.append(refused)


def set_entry(entries: array[int], index: int, value: int) -> None:
    """Put `value` at `index`, the end; a column without values stays empty."""
    if value or entries:
        pad(entries, index).append(value)
