"""One screen about a heap: how full it is, in how many pieces, who holds it, what was refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from glassheap import _core
    from glassheap.owners import TaggedBlock, TagUsage

SHOWN = 10
"""Lines of a table in the text."""


class Report(NamedTuple):
    """The state of a heap, as `Heap.report` returns it: str() is a text, to_json() has all."""

    policy: str
    """The name of the placement policy."""
    size: int
    """Bytes of the region."""
    available: int
    """Bytes on offer in all free blocks together."""
    largest_free: int
    """Bytes on offer in the largest free block."""
    free_blocks: int
    """Blocks in the free list."""
    live_blocks: int
    """Blocks allocated and not yet freed."""
    requested: int
    """Bytes asked for in live blocks."""
    external_fragmentation: float
    """1 - largest_free / available; 0 when nothing is available."""
    by_tag: list[TagUsage]
    """The usage of each tag, the most bytes first."""
    oldest: list[TaggedBlock]
    """The ten oldest live blocks."""
    refused: dict[str, int]
    """How many calls of this process were refused, by reason.

    'exhausted', 'fragmented' and 'alignment' are the causes of an OutOfMemory. The other keys are
    the names of the exceptions that were raised for a bad address or damaged bytes.
    """

    waits: int
    """Requests that have waited for memory, in malloc with a timeout or in amalloc."""
    waited: float
    """Seconds that they have waited in all."""

    def to_json(self) -> str:
        """Return all of the report as JSON, the records as objects."""
        rows = [usage._asdict() for usage in self.by_tag]
        blocks = [block._asdict() for block in self.oldest]
        return json.dumps({**self._asdict(), "by_tag": rows, "oldest": blocks})

    def __str__(self) -> str:
        """The report as text, of at most 30 lines."""
        return "\n".join([*_totals(self), *_usages(self.by_tag), *_oldest(self.oldest)])


def report(heap: _core.Heap) -> Report:
    """Implementation of `Heap.report`."""
    stats = heap.stats()
    return Report(
        policy=heap.policy,
        size=stats.size,
        available=stats.available,
        largest_free=stats.largest_free,
        free_blocks=stats.free_blocks,
        live_blocks=stats.live_blocks,
        requested=stats.requested,
        external_fragmentation=stats.external_fragmentation,
        by_tag=heap.by_tag(),
        oldest=heap.oldest(SHOWN),
        refused=heap._refusals(),
        waits=stats.waits,
        waited=stats.waited,
    )


def _totals(report: Report) -> list[str]:
    refused = ", ".join(f"{reason} {count:,}" for reason, count in report.refused.items())
    return [
        f"{report.size:,} bytes, {report.policy}",
        f"live      {report.requested:,} bytes in {_blocks(report.live_blocks)}",
        f"free      {report.available:,} bytes in {_blocks(report.free_blocks)}, "
        f"the largest {report.largest_free:,}; "
        f"external fragmentation {report.external_fragmentation:.2f}",
        f"refused   {refused}",
        f"waited    {report.waits:,} requests, {_age(report.waited)} in all",
    ]


def _usages(usages: list[TagUsage]) -> list[str]:
    rows = [
        (_name(it.tag), f"{it.blocks:,}", f"{it.bytes:,}", _age(it.oldest), _age(it.newest))
        for it in usages[:SHOWN]
    ]
    return _table(("tag", "blocks", "bytes", "oldest", "newest"), rows, len(usages) - len(rows))


def _oldest(blocks: list[TaggedBlock]) -> list[str]:
    rows = [
        (_name(it.tag), f"{it.size:,}", _age(it.age), f"{it.address:#x}") for it in blocks[:SHOWN]
    ]
    return _table(("oldest block of", "bytes", "age", "address"), rows, 0)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]], more: int) -> list[str]:
    """A blank line and the table, the first column to the left; nothing without rows."""
    table = [head, *rows]
    if len(table) == 1:
        return []
    first, *widths = (max(map(len, column)) for column in zip(*table, strict=True))
    lines = [
        "  ".join([name.ljust(first), *map(str.rjust, cells, widths)]) for name, *cells in table
    ]
    return ["", *lines, *([f"and {more:,} more"] if more > 0 else [])]


def _blocks(count: int) -> str:
    return "1 block" if count == 1 else f"{count:,} blocks"


def _name(tag: str | None) -> str:
    """The tag on one line, at most 40 characters of it; a dash for none."""
    if tag is None:
        return "-"
    shown = "".join(letter if letter.isprintable() else "?" for letter in tag)
    return shown if len(shown) <= 40 else shown[:39] + "…"


def _age(seconds: float) -> str:
    return f"{seconds:,.0f} s" if seconds >= 10 else f"{seconds:.2f} s"
