"""Why a trace does not fit, as lines for a reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glassheap.replay.columns import table_of
from glassheap.replay.fit_table import HALVED, layout_of
from glassheap.traces.wording import counted, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from glassheap.replay.contradicting import Contradiction
    from glassheap.replay.explaining import Remedy, Why
    from glassheap.replay.failing import Failure
    from glassheap.replay.holding import Held, Holder

SHOWN = 10
"""Lines of a table."""


def why_lines(why: Why) -> Iterator[str]:
    """The answer as lines of text, without line ends."""
    yield f"{why.trace} ({why.format}), {why.operations:,} operations"
    yield f"region: {why.size:,} bytes, {why.policy}, {layout_of(why)}"
    if why.contradiction is not None:
        yield from contradicted(why.contradiction)
    elif why.failure is None:
        yield f"nothing fails: every operation is served; peak live: {why.peak_live:,} bytes"
    if why.failure is None:
        return
    yield request(why.failure, why.operations)
    yield cause(why.failure, why.size)
    yield f"fragmentation index: {why.failure.fragmentation_index:.2f}"
    if why.failure.cause != "exhausted":
        yield from between(why)
    yield from held(why)
    yield from served_by(why)


def contradicted(found: Contradiction) -> Iterator[str]:
    """What the recorded heap did and the replay does not."""
    here = "serves" if found.recorded == "refused" else "refuses"
    yield f"contradiction: {place(found)}: {wish(found)}"
    yield f"the recorded heap {found.recorded} this request, and the replay {here} it. Because:"
    yield from (f"  {reason}" for reason in found.because)


def request(failure: Failure, operations: int) -> str:
    """The request that failed."""
    return f"first failure: {place(failure, f' of {operations:,}')}: {wish(failure)}"


def place(failure: Failure | Contradiction, total: str = "") -> str:
    """Where it is in the trace."""
    return f"operation {failure.operation:,}{total} (line {failure.line:,})"


def wish(failure: Failure | Contradiction) -> str:
    """What was asked for."""
    parts = [f"{failure.kind} of {failure.size:,} bytes"]
    parts += [f"aligned to {failure.align:,}"] if failure.align else []
    parts += [f"tag '{printable(failure.tag)}'"] if failure.tag else []
    parts += [f"thread {failure.thread}"] if failure.thread else []
    return ", ".join(parts)


def cause(failure: Failure, size: int) -> str:
    """Why it failed, in a sentence or two."""
    text = f"{failure.cause}: {free(failure)}."
    if failure.cause == "alignment" and failure.align * 4 > size:
        return f"{text} An alignment is at most a quarter of the region."
    if failure.shortfall is None:
        return text
    if failure.cause == "exhausted":
        return f"{text} {failure.shortfall:,} are missing."
    return f"{text} Freeing blocks of {failure.shortfall:,} bytes in all would do."


def free(failure: Failure) -> str:
    """What was free."""
    if not failure.free_blocks:
        return "nothing is free"
    text = f"{failure.available:,} bytes are free in {counted(failure.free_blocks, 'block')}"
    if failure.free_blocks == 1:
        return text
    return f"{text}, the largest of which has {failure.largest_free:,}"


def between(why: Why) -> Iterator[str]:
    """The blocks between the largest two holes."""
    if len(why.holes) < 2:
        return
    sizes = " and ".join(f"{hole.size:,}" for hole in why.holes)
    yield ""
    yield f"between the largest two free blocks, of {sizes} bytes:"
    head = ("address", "bytes", "operations ago", *clock(why.between), "line")
    rows = [
        (f"{one.address:#x}", f"{one.size:,}", f"{one.operations:,}", *since(one), f"{one.line:,}")
        for one in why.between[:SHOWN]
    ]
    yield from tagged(head, rows, [one.tag for one in why.between])


def held(why: Why) -> Iterator[str]:
    """Who holds the memory."""
    if not why.by_tag:
        return
    yield ""
    yield "live blocks, and the oldest of each tag:"
    oldest = [one.oldest for one in why.by_tag]
    head = ("bytes", "blocks", "operations ago", *clock(oldest), "line")
    rows = [holding(one) for one in why.by_tag[:SHOWN]]
    yield from tagged(head, rows, [one.tag for one in why.by_tag])


def holding(one: Held) -> tuple[str, ...]:
    """The row of a tag."""
    oldest = one.oldest
    figures = (f"{one.bytes:,}", f"{one.blocks:,}", f"{oldest.operations:,}")
    return (*figures, *since(oldest), f"{oldest.line:,}")


def clock(blocks: Sequence[Holder]) -> tuple[str, ...]:
    """The title of the ages in time, if the file states times."""
    return ("age",) if blocks and blocks[0].nanoseconds is not None else ()


def since(one: Holder) -> tuple[str, ...]:
    """The age of a block in time, if the file states times."""
    return () if one.nanoseconds is None else (f"{one.nanoseconds / 1e9:.6f} s",)


def tagged(
    head: Sequence[str], rows: Sequence[Sequence[str]], tags: Sequence[str]
) -> Iterator[str]:
    """A table with the tags behind it, if there are any, and how many rows are left out."""
    names = ["tag", *(printable(tag) or "-" for tag in tags)] if any(tags) else [""] * (SHOWN + 1)
    for line, name in zip(table_of([head, *rows], names=0), names, strict=False):
        yield f"  {line}  {name}".rstrip()
    if len(tags) > len(rows):
        yield f"  and {len(tags) - len(rows):,} more"


def served_by(why: Why) -> Iterator[str]:
    """What would have served the request."""
    yield ""
    if not why.remedies:
        yield "no other policy, layout, granule or size that was tried serves this request"
        return
    yield "this request would be served, and then the rest of the trace, by:"
    rows = [(one.change, value(one), outcome(one)) for one in why.remedies]
    yield from (f"  {line}" for line in table_of(rows, names=3))
    if not all(one.exact for one in why.remedies):
        yield f"  {HALVED} found by halving: a smaller size may serve, too"


def value(one: Remedy) -> str:
    """What is changed, and to what."""
    if one.change == "policy":
        return one.policy
    if one.change == "size":
        return f"{one.size:,} bytes{'' if one.exact else HALVED}"
    return layout_of(one)


def outcome(one: Remedy) -> str:
    """How far the trace gets."""
    return "all of it" if one.whole else f"up to operation {one.served + 1:,}, which fails"
