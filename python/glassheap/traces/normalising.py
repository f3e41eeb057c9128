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
from glassheap.traces.trace import FREE, MALLOC, Columns, Notes, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

BATCH = 2**15
"""The number of operations in a batch: under a megabyte of arrays."""

Said = tuple[int, int, int]
"""Details as entries of the columns: alignment, index of the tag, thread."""

NOTHING = (0, 0, 0)
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
        self._said: dict[Details, Said] = {}
        self._batch = Columns()
        self._details: list[Said] = []  # of each operation of the batch; empty if none has any
        self._times: list[int | None] = []  # the same
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
        """The valid operations, in batches; oddities are added to the notes.  O(n).

        The common cases are in this one loop, since calls would take most of its time.
        """
        slots, held = self._slots, self.held
        put_kind, put_id, put_size, put_line = self._new_batch()
        batch, said, times = self._batch, self._details, self._times
        for line, kind, block, size, details, time in self._operations:
            slot, played = slots.get(block, NONE), kind
            if kind == FREE and slot >= 0:
                self._end(block, slot)
            elif kind in UNUSUAL or details.failed:
                self._add_unusual(line, kind, block, slot, size, details, time)
                continue
            else:
                if kind == MALLOC or slot < 0:
                    played, slot = MALLOC, self._begin(line, kind, block, slot)
                live = self._live = self._live + size - held[slot]
                held[slot] = size
                if live > self.peak_live:
                    self.peak_live = live
            if said or details is not PLAIN or time is not None:
                if not said:
                    self._pad_details()
                said.append(self._said.get(details) or self._say(line, details))
                times.append(time)
            put_kind(played)
            put_id(slot)
            put_size(size)
            put_line(line)
            if len(batch.kinds) >= BATCH:
                yield self._taken()
                put_kind, put_id, put_size, put_line = self._new_batch()
                batch, said, times = self._batch, self._details, self._times
        yield self._taken()

    def _new_batch(self) -> tuple[Callable[[int], None], ...]:
        """Begin a batch; the functions that append to its columns."""
        batch = self._batch = Columns()
        self._details, self._times = [], []
        columns = (batch.kinds, batch.ids, batch.sizes, batch.lines)
        return tuple(column.append for column in columns)

    def _pad_details(self) -> None:
        """The operations so far have details, if only that there are none."""
        missing = len(self._batch.kinds) - len(self._times)
        self._details.extend([NOTHING] * missing)
        self._times.extend([None] * missing)

    def _taken(self) -> Columns:
        """The batch so far, with its optional columns."""
        batch = self._batch
        self._before += len(batch)
        if any(map(any, {*self._details})):
            aligns, tags, threads = zip(*self._details, strict=True)
            batch.aligns.extend(aligns if any(aligns) else ())
            batch.tags.extend(tags if any(tags) else ())
            batch.threads.extend(threads if any(threads) else ())
        if self._times.count(None) < len(self._times):
            batch.times.extend(since(self._begin_time(), self._times))
        if len(self._said) > BATCH:
            self._said.clear()
        return batch

    def _add_unusual(
        self,
        line: int,
        kind: int,
        block: int,
        slot: int,
        size: int,
        details: Details,
        time: int | None,
    ) -> None:
        """What is no operation of the trace: a wrong free, a change of name, a failed request."""
        if kind == FREE:
            self._note_free(line, block)
        elif kind == RENAME:
            self._rename(line, block, slot, size)
        else:
            target = None if kind == MALLOC or slot < 0 else slot
            self._refuse(line, kind, target, size, details, time)

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
        del self._slots[block]
        self._freed.add(block)
        self._spare.append(slot)

    def _supersede(self, line: int, block: int, slot: int) -> None:
        """The name of a live block is given to another."""
        if self.addresses:
            self.notes.add(REUSED, line)
            self._end(block, slot)
            batch = self._batch
            row = ((batch.kinds, FREE), (batch.ids, slot), (batch.sizes, 0), (batch.lines, line))
            for column, value in row:
                column.append(value)
            if self._details:
                self._pad_details()
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
        del self._slots[block]
        self._freed.add(block)
        self._slots[new] = slot

    def _begin_time(self, time: int | None = None) -> int:
        """The first time in the file, up to an operation with this time."""
        if self._origin is None:
            self._origin = next((one for one in (*self._times, time) if one is not None), 0)
        return self._origin

    def _say(self, line: int, details: Details) -> Said:
        """Details as entries of columns; they are kept unless the alignment is noted."""
        align, tag = details.align, self._tags.setdefault(details.tag, len(self._tags))
        if align & (align - 1) or align > LARGEST_ALIGN:
            self.notes.add(BAD_ALIGN, line)
            return 0, tag, details.thread
        said = self._said[details] = align, tag, details.thread
        return said

    def _refuse(
        self,
        line: int,
        kind: int,
        slot: int | None,
        size: int,
        details: Details,
        time: int | None,
    ) -> None:
        position = self._before + len(self._batch)
        when = None if time is None else clipped(time - self._begin_time(time))
        align, _, thread = self._say(line, details)
        refused = Refused(position, line, kind, size, align, details.tag, thread, when, slot)
        self._batch.refused.append(refused)


def since(origin: int, times: list[int | None]) -> list[int]:
    """The times after the origin, in nanoseconds, with 0 for None."""
    after = [0 if time is None else time - origin for time in times]
    if max(after) > LARGEST_TIME or min(after) < -LARGEST_TIME:
        return [*map(clipped, after)]
    return after


def clipped(time: int) -> int:
    """A time of 64 bits: one that is too far is as far as can be."""
    return max(-LARGEST_TIME, min(time, LARGEST_TIME))
