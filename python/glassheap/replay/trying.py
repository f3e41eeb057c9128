"""The requests that failed in the recorded program, as operations of a replay.

    in the program                   in the replay
    a request that failed            a malloc of as many bytes, and a free of that block at once

In the heap in which it failed it fails again.  In another one that serves it, the program would
have gone on with the block, and nobody can tell for how long.  A realloc that failed is tried as a
malloc: a realloc fails only if that does.
"""

from __future__ import annotations

from array import array
from dataclasses import replace
from typing import TYPE_CHECKING

from glassheap.traces import FREE, MALLOC, Columns, Note, Trace
from glassheap.traces.trace import OPTIONAL, REQUIRED, pad

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glassheap.traces import Refused

TRIED = "request that failed in the program, tried here and freed at once"
LEFT_OUT = "request that failed in the program, larger than any region of this machine, left out"


def tried(trace: Trace, largest: int | None = None) -> Trace:
    """The trace with its failed requests as operations; the same trace if it has none.  O(n).

    Requests of more than `largest` bytes are left out, and noted.
    """
    if not trace.refused:
        return trace
    chosen = [one for one in trace.refused if largest is None or one.size <= largest]
    others = [one for one in trace.refused if largest is not None and one.size > largest]
    names = (*trace.tag_names, *{one.tag: None for one in chosen})
    tags = {name: number for number, name in reversed([*enumerate(names)])}
    whole, start = Columns(), 0
    for one in chosen:
        whole.extend(part(trace, start, one.position))
        whole.extend(attempt(one, trace.id_count, tags[one.tag]))
        start = one.position
    whole.extend(part(trace, start, len(trace)))
    whole.complete()
    return replace(
        trace,
        **vars(whole),
        id_count=trace.id_count + 1,
        peak_live=peak_of(whole, trace.id_count + 1),
        tag_names=names,
        skipped=(*trace.skipped, *noted(TRIED, chosen), *noted(LEFT_OUT, others)),
    )


def part(trace: Trace, start: int, stop: int) -> Columns:
    """The operations [start, stop)."""
    names = (*REQUIRED, *OPTIONAL)
    return Columns(**{name: getattr(trace, name)[start:stop] for name in names})


def attempt(one: Refused, block: int, tag: int) -> Columns:
    """A malloc and a free for a request."""
    made = Columns(
        kinds=bytearray((MALLOC, FREE)),
        ids=array("I", (block, block)),
        sizes=array("Q", (one.size, 0)),
        lines=array("Q", (one.line, one.line)),
    )
    details = {"aligns": one.align, "tags": tag, "threads": one.thread, "times": one.time or 0}
    for name, value in details.items():
        if value:
            pad(getattr(made, name), 2)[0] = value
    return made


def peak_of(columns: Columns, id_count: int) -> int:
    """The maximum of the bytes requested in live blocks."""
    held = [0] * id_count
    live = peak = 0
    for block, size in zip(columns.ids, columns.sizes, strict=True):
        live += size - held[block]
        held[block] = size
        if live > peak:
            peak = live
    return peak


def noted(reason: str, requests: Sequence[Refused]) -> list[Note]:
    """The note about these requests, if there are any."""
    return [Note(reason, len(requests), requests[0].line, misuse=False)] if requests else []
