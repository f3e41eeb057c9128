"""Who holds the memory of a heap, and since when: records of tags, and the tag of a context.

A tag is a short text that names the owner of a block. It is the argument `tag` of a call that
allocates, or that of the innermost `with heap.tagged(...)` around the call. This is kept in a
ContextVar: each thread and each asyncio task has its own, as in every program with ContextVars.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

from glassheap import _core
from glassheap.records import in_hexadecimal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

AnyHeap = TypeVar("AnyHeap", bound=_core.Heap)
Cause = Literal["exhausted", "fragmented", "alignment"]
"""Why no free block can serve a request."""


class TagUsage(NamedTuple):
    """The live blocks with one tag, or those without any."""

    tag: str | None
    """The tag; None for the blocks without one."""
    blocks: int
    """How many there are."""
    bytes: int
    """Bytes asked for in them; without headers the usable bytes."""
    oldest: float
    """The age of the oldest of them, in seconds."""
    newest: float
    """The age of the newest of them, in seconds."""


class TaggedBlock(NamedTuple):
    """A live block and its owner."""

    address: int
    """The address of its payload."""
    size: int
    """Bytes asked for; without headers the usable bytes."""
    tag: str | None
    """Its tag; None if it has none."""
    age: float
    """Seconds since it was handed out."""

    def __repr__(self) -> str:
        """The fields by name, the address in hexadecimal."""
        return in_hexadecimal(self)


class Diagnosis(NamedTuple):
    """Why an OutOfMemory was raised, and the blocks that matter, as `OutOfMemory.diagnosis`."""

    cause: Cause
    """'exhausted': the request exceeds what is available, also if the earlier sizes of its batch
    have taken it. 'fragmented': enough is available, but not in one piece. 'alignment': a free
    block is large enough, but not from an aligned address on."""
    by_tag: list[TagUsage]
    """Who holds the memory: the usage of each tag, the most bytes first."""
    between: list[TaggedBlock]
    """The live blocks between the two largest free blocks."""
    shortfall: int | None
    """Bytes that are missing.

    Exhausted: the request less what is available; in a batch whose earlier sizes have taken the
    room, the request. Otherwise the fewest bytes of live blocks whose release makes one free block
    that serves the request; None if no release would, because free blocks do not merge, and in
    a sequential_fit whose list is in another order than by address: cheapest() tells there.
    """


def tagged(heap: AnyHeap, tag: str) -> AbstractContextManager[AnyHeap]:
    """Implementation of `Heap.tagged`."""
    _core._Tag(heap, tag, None)  # a wrong tag is refused here, and not where it is entered
    return _tagged(heap, tag)


@contextmanager
def _tagged(heap: AnyHeap, tag: str) -> Iterator[AnyHeap]:
    inside = _core._Tag(heap, tag, _core._context_tag.get(None))
    before = _core._context_tag.set(inside)
    try:
        yield heap
    finally:
        _core._context_tag.reset(before)
