"""Where two replays part, as lines for a reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glassheap.replay.fit_table import layout_of
from glassheap.traces.wording import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glassheap.replay.parting import Parting, Side

REASONS = {
    "request": "the traces ask for different things",
    "end": "one trace ends here",
    "failure": "one of them fails",
    "placement": "the block is put elsewhere",
}


def diff_lines(parting: Parting) -> Iterator[str]:
    """The answer as lines of text, without line ends."""
    sides = {"A": parting.first, "B": parting.second}
    for name, one in sides.items():
        yield f"{name}: {one.trace}, {one.policy}: {one.rule}"
    yield f"region: {parting.size:,} bytes, {layout_of(parting)}"
    yield ""
    if parting.operation is None:
        yield "they do not part" + ("" if parting.first.is_whole else " until both fail")
    else:
        reason = REASONS[parting.reason or "placement"]
        yield f"they part at operation {parting.operation:,}: {reason}"
        yield from (f"  {name}: {act(one)}" for name, one in sides.items())
    yield from (f"{name}: {end(one)}" for name, one in sides.items())
    notes = {(one.trace, note): None for one in sides.values() for note in one.skipped}
    yield from (f"note: {name}: {note}" for name, note in notes)


def act(one: Side) -> str:
    """What a side does where they part."""
    if not one.kind:
        return "the trace has ended"
    size = "" if one.kind == "free" else f" of {one.size:,} bytes"
    tag = f" (tag '{printable(one.tag)}')" if one.tag else ""
    return f"line {one.line:,}: {one.kind}{size}{tag}{of_block(one)}{outcome(one)}"


def of_block(one: Side) -> str:
    """Which block is resized or freed."""
    if one.block is None:
        return ""
    comma = "" if one.kind == "free" else ","
    tag = f" (tag '{printable(one.block.tag)}')" if one.block.tag else ""
    block = f"the block of {one.block.size:,} bytes that line {one.block.line:,} allocated"
    return f"{comma} of {block}{tag}"


def outcome(one: Side) -> str:
    """Where it puts the block."""
    if one.kind == "free":
        return ""
    if one.address is None:
        return " fails"
    if one.hole is None:
        return f" stays at {one.address:#x}"
    return (
        f" is put at {one.address:#x}, into the free block of {one.hole.size:,} bytes "
        f"at {one.hole.address:#x}"
    )


def end(one: Side) -> str:
    """How far it gets."""
    if one.is_whole:
        return f"serves all of its {one.operations:,} operations"
    return f"fails first at operation {one.served + 1:,} of {one.operations:,}"
