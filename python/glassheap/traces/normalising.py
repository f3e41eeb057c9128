"""From what a file says to operations that all make sense.

Real traces free what they never allocated (the recording began late), allocate under an id that is
still live (the old block leaked), and resize blocks that are not there.  All of it is settled here,
once, so that whoever replays the trace needs no checks:

    the file says                    the trace gets                      and a note
    a free of a live block           the free
    a free of anything else          nothing                             yes (NULL: harmless)
    an allocation under a dead id    the allocation
    an allocation under a live id    the allocation under a new id       yes: the old block leaks
    a realloc of a live block        the realloc
    a realloc of anything else       an allocation

The table of ids is a list, `held`: the bytes that each one holds, or `DEAD`.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from glassheap.traces.source import NULL, Operation
from glassheap.traces.trace import FREE, MALLOC, Notes, Trace

if TYPE_CHECKING:
    from collections.abc import Iterable

NONE = -1  # no id has been given to this block
DEAD = -1  # the id holds nothing at present

NULL_FREED = "free of NULL (id -1), which does nothing, skipped"
UNSEEN_FREED = "free of something never allocated, skipped"
DEAD_FREED = "free of something freed before, skipped"
LEAKED = "allocation under an id that is still live: the old block is leaked"


def normalise(name: str, grammar: str, operations: Iterable[Operation], notes: Notes) -> Trace:
    """A `Trace` of these operations; what is odd about them is added to `notes`.  O(n)."""
    kinds, ids, sizes = bytearray(), array("I"), array("Q")
    id_of: dict[int, int] = {}
    held: list[int] = []
    live = peak = 0
    for line, wanted, block, size in operations:
        slot = id_of.get(block, NONE)
        old = DEAD if slot == NONE else held[slot]
        if wanted == FREE and old == DEAD:
            notes.add(why_not_freed(block, slot), line, misuse=block != NULL)
            continue
        if wanted == MALLOC and old != DEAD:
            notes.add(LEAKED, line)
            slot, old = NONE, DEAD
        if slot == NONE:
            slot = id_of[block] = len(held)
            held.append(DEAD)
        kind = wanted
        if old == DEAD:
            kind, old = MALLOC, 0
        held[slot] = DEAD if kind == FREE else size
        live += size - old
        if live > peak:
            peak = live
        kinds.append(kind)
        ids.append(slot)
        sizes.append(size)
    return Trace(name, grammar, kinds, ids, sizes, len(held), peak, notes.all())


def why_not_freed(block: int, slot: int) -> str:
    """The note for a free of a block that is not live."""
    if block == NULL:
        return NULL_FREED
    return UNSEEN_FREED if slot == NONE else DEAD_FREED
