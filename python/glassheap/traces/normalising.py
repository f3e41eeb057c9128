"""Conversion of a file's operations into valid ones.

Real traces free blocks that they never allocated (the recording began late), allocate under an id
that is still live (the old block leaked), and resize blocks that do not exist.  All these cases are
resolved here, so that a replay needs no checks:

    in the file                      in the trace                        note
    a free of a live block           the free
    any other free                   nothing                             yes (NULL: harmless)
    an allocation under a dead id    the allocation
    an allocation under a live id    the allocation under a new id       yes: the old block leaks
    a realloc of a live block        the realloc
    any other realloc                an allocation

The list `held` has an element for each id: the size of its block, or `DEAD`.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from glassheap.traces.source import NULL, Operation
from glassheap.traces.trace import FREE, MALLOC, Notes, Trace

if TYPE_CHECKING:
    from collections.abc import Iterable

NONE = -1  # the block has no id yet
DEAD = -1  # the id has no live block

NULL_FREED = "free of NULL (id -1), which does nothing, skipped"
UNSEEN_FREED = "free of a block never allocated, skipped"
DEAD_FREED = "free of a block freed before, skipped"
LEAKED = "allocation under an id that is still live: the old block is leaked"


def normalise(name: str, grammar: str, operations: Iterable[Operation], notes: Notes) -> Trace:
    """A `Trace` of these operations; oddities are added to `notes`.  O(n)."""
    kinds, ids, sizes = bytearray(), array("I"), array("Q")
    id_of: dict[int, int] = {}
    held: list[int] = []
    live = peak = 0
    for line, wanted, block, size in operations:
        slot = id_of.get(block, NONE)
        old = DEAD if slot == NONE else held[slot]
        if wanted == FREE and old == DEAD:
            notes.add(skip_reason(block, slot), line, misuse=block != NULL)
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


def skip_reason(block: int, slot: int) -> str:
    """The note for a free of a block that is not live."""
    if block == NULL:
        return NULL_FREED
    return UNSEEN_FREED if slot == NONE else DEAD_FREED
