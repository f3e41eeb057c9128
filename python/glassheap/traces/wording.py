"""The figures of a trace as lines for a terminal, with histograms.

sizes of the requests, in bytes
       4 to 7             1  ▇▇▇
      64 to 127           3  ▇▇▇▇▇▇▇▇▇▇
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glassheap.terminal import printable
from glassheap.traces.trace import FREE, MALLOC, REALLOC

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from glassheap.terminal import Line
    from glassheap.traces.summary import Bar, Summary

__all__ = ["counted", "figures", "lines", "printable"]

INK, PLAIN_INK = "▇", "#"
"""What the bars are drawn with, and in an encoding without it."""
LABEL = 24
"""The width of the first column of the figures."""
LONGEST_FACT = 120
"""The characters of a fact, such as a command, that are shown."""
NO_TAG = "(no tag)"
"""The title of what has none."""
MOST_TAGS = 10
"""The tags that are listed."""


def lines(summary: Summary, columns: int, ink: str = INK) -> Iterator[Line]:
    """The figures, and the histograms with bars up to `columns` columns."""
    for title, text in figures(summary):
        yield [(f"{title:<{LABEL}}", ""), (printable(text), "")]
    yield from histogram("sizes of the requests, in bytes", summary.size_classes(), columns, ink)
    lifetimes = "lifetimes of the freed blocks, in operations"
    yield from histogram(lifetimes, summary.lifetime_classes(), columns, ink)
    yield from live_tags(summary)
    yield from tags(summary)


def figures(summary: Summary) -> Iterator[tuple[str, str]]:
    """The figures by their titles."""
    yield "trace", f"{summary.name} ({summary.format})"
    for fact in summary.facts:
        title, _, text = fact.partition("=")
        yield printable(title), text if len(text) <= LONGEST_FACT else text[:LONGEST_FACT] + "..."
    yield "operations", operations(summary)
    if summary.sizes:
        yield "sizes", sizes(summary)
    if summary.aligns:
        yield "alignments", alignments(summary)
    yield "peak", peak(summary)
    yield "still live", f"{counted(summary.live_blocks, 'block')} ({summary.live_bytes:,} bytes)"
    if summary.first_refused:
        first = summary.first_refused
        count = counted(summary.refused, "request")
        yield "failed", f"{count}, the first of {first.size:,} bytes on line {first.line:,}"
    if summary.threads:
        yield "threads", f"{len(summary.threads):,}"
    if summary.latest:
        yield "time", f"{summary.latest / 1e9:.6f} s"
    for note in summary.skipped:
        yield "note", str(note)


def operations(summary: Summary) -> str:
    """The operations by kind."""
    kinds = ((MALLOC, "malloc"), (REALLOC, "realloc"), (FREE, "free"))
    shares = ", ".join(counted(summary.kinds[kind], name) for kind, name in kinds)
    return f"{summary.operations:,}: {shares}"


def sizes(summary: Summary) -> str:
    """The smallest, the middle and the largest size."""
    middle = summary.size_quantile(0.5)
    return (
        f"{min(summary.sizes):,} to {max(summary.sizes):,} bytes, median {middle:,}, "
        f"{counted(len(summary.sizes), 'different size')}, {summary.requested:,} bytes in all"
    )


def alignments(summary: Summary) -> str:
    """The alignments, and how often each is asked for."""
    found = sorted(summary.aligns.items())
    return ", ".join(f"{align:,} ({counted(count, 'request')})" for align, count in found)


def peak(summary: Summary) -> str:
    """The peak of the live bytes, and where it is."""
    return (
        f"{summary.peak_bytes:,} bytes in {counted(summary.peak_blocks, 'block')}, "
        f"at operation {summary.peak_at:,} (line {summary.peak_line:,})"
    )


def histogram(title: str, bars: Sequence[Bar], columns: int, ink: str) -> Iterator[Line]:
    """A line for each class, below an empty line and a title; nothing without classes."""
    if not bars:
        return
    ranges = [label(one) for one in bars]
    counts = [f"{one.number:,}" for one in bars]
    range_width, count_width = max(map(len, ranges)), max(map(len, counts))
    most = max(one.number for one in bars)
    room = max(1, columns - range_width - count_width - 6)
    yield [("", "")]
    yield [(title, "title")]
    for one, its_range, count in zip(bars, ranges, counts, strict=True):
        length = -(-one.number * room // most)
        front = f"  {its_range:>{range_width}}  {count:>{count_width}}"
        yield [(front, ""), (f"  {ink * length}" if length else "", "payload")]


def label(one: Bar) -> str:
    """The range of a class."""
    return f"{one.first:,}" if one.first == one.last else f"{one.first:,} to {one.last:,}"


def live_tags(summary: Summary) -> Iterator[Line]:
    """The tags that hold the most bytes at the end."""
    rows = [(one.bytes, counted(one.blocks, "block"), one.tag) for one in summary.live_tags]
    yield from by_tag("bytes still live by tag", rows)


def tags(summary: Summary) -> Iterator[Line]:
    """The tags with the most bytes."""
    rows = [(one.bytes, counted(one.requests, "request"), one.tag) for one in summary.tags]
    yield from by_tag("bytes requested by tag", rows)


def by_tag(title: str, rows: Sequence[tuple[int, str, str]]) -> Iterator[Line]:
    """Bytes, what they are in, and the tag, for the first rows; nothing without rows."""
    if not rows:
        return
    listed = rows[:MOST_TAGS]
    width = max(len(f"{size:,}") for size, _, _ in listed)
    yield [("", "")]
    yield [(f"{title} ({counted(len(rows), 'tag')})", "title")]
    for size, count, tag in listed:
        yield [(f"  {size:>{width},} in {count}  ", ""), (printable(tag) or NO_TAG, "dim")]
    if len(rows) > MOST_TAGS:
        yield [(f"  and {len(rows) - MOST_TAGS:,} more", "dim")]


def counted(number: int, noun: str) -> str:
    """A number and its noun."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
