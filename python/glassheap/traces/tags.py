"""Who has requested what in a trace, and whose the blocks are that are live at its end, by tags."""

from __future__ import annotations

from array import array
from collections import Counter
from itertools import chain, repeat
from typing import TYPE_CHECKING, NamedTuple

from glassheap.traces.trace import FREE, MALLOC, REALLOC

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glassheap.traces.trace import Columns


class TagFigures(NamedTuple):
    """The requests with one tag."""

    tag: str
    requests: int
    bytes: int


class LiveFigures(NamedTuple):
    """The blocks that are live at the end, of those that were allocated with one tag."""

    tag: str
    """The tag; "" for the blocks without one."""
    blocks: int
    bytes: int


class Tags:
    """The requests by tag, and the tags of the live blocks.  Nothing is kept without tags."""

    def __init__(self) -> None:
        self._requests = Counter[int]()
        self._bytes = Counter[int]()
        self._owners = array("I")  # the tag of the malloc of each id; 0 if it is free, or has none
        self._stated = False

    def add(self, batch: Columns, ids: int) -> None:
        """Count the next operations, up to which there are so many ids."""
        self._stated = self._stated or any(batch.tags)
        if self._stated:
            self._count(batch)
            self._follow(batch, ids)

    def _count(self, batch: Columns) -> None:
        for kind, size, tag in zip(batch.kinds, batch.sizes, batch.tags, strict=False):
            if kind != FREE:
                self._requests[tag] += 1
                self._bytes[tag] += size

    def _follow(self, batch: Columns, ids: int) -> None:
        owners = self._owners
        owners.frombytes(bytes(owners.itemsize * (ids - len(owners))))
        tags = chain(batch.tags, repeat(0))
        for kind, block, tag in zip(batch.kinds, batch.ids, tags, strict=False):
            if kind != REALLOC:
                owners[block] = tag if kind == MALLOC else 0

    def requested(self, names: Sequence[str]) -> list[TagFigures]:
        """The requests by tag, those with the most bytes first, but not those without a tag."""
        figures = (
            TagFigures(name, self._requests[tag], self._bytes[tag])
            for tag, name in enumerate(names)
            if tag and self._requests[tag]
        )
        return sorted(figures, key=lambda one: (-one.bytes, one.tag))

    def live(
        self, held: Sequence[int], all_live: tuple[int, int], names: Sequence[str]
    ) -> list[LiveFigures]:
        """The live blocks by tag, those with the most bytes first; none if no tag is stated.

        `held` are the sizes of the blocks by their ids, `all_live` all live blocks and their bytes:
        those that no tag has, have none.
        """
        blocks, sums = Counter[int](), Counter[int]()
        for tag, size in zip(self._owners, held, strict=False):
            if tag:
                blocks[tag] += 1
                sums[tag] += size
        blocks[0], sums[0] = all_live[0] - blocks.total(), all_live[1] - sums.total()
        found = [LiveFigures(names[tag], blocks[tag], sums[tag]) for tag in blocks if blocks[tag]]
        return sorted(found, key=lambda one: (-one.bytes, one.tag)) if self._stated else []
