"""The requests that failed in the recorded program, as operations of a replay.

    in the program              in the replay
    a malloc that failed        a malloc of as many bytes, and a free of that block at once
    a realloc that failed       the realloc, and at once another one back to the size before
    a batch that failed         a malloc of each size up to the one that failed, and their frees

In the heap in which it failed it fails again.  In another one that serves it, the program would
have gone on with the block, and nobody can tell for how long.  So a region needs at least what it
needs here: the bytes of the request, once, beside those of the other blocks.

A realloc of a block that the trace does not have is tried as a malloc, as one that succeeded is
played as a malloc.
"""

from __future__ import annotations

from array import array
from dataclasses import replace
from typing import TYPE_CHECKING

from glassheap.traces import FREE, MALLOC, REALLOC, Columns, Note, Trace
from glassheap.traces.trace import OPTIONAL, REQUIRED, pad

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from glassheap.traces import Refused

TRIED = "request that failed in the program, tried here and freed at once"
RESIZED = "realloc that failed in the program, tried here and taken back at once"
BATCH = "batch that failed in the program, tried here up to the size that failed, freed at once"
LEFT_OUT = "request that failed in the program, larger than any region of this machine, left out"

Group = list["Refused"]
"""A request that failed, or the sizes of a batch up to the one that failed."""


def tried(trace: Trace, largest: int | None = None) -> Trace:
    """The trace with its failed requests as operations; the same trace if it has none.  O(n).

    Requests of more than `largest` bytes are left out, and noted.
    """
    if not trace.refused:
        return trace
    chosen, others = sorted_out(trace, largest)
    names = (*trace.tag_names, *{one.tag: None for group in chosen for one in group})
    tags = {name: number for number, name in reversed([*enumerate(names)])}
    whole = with_attempts(trace, chosen, tags)
    id_count = trace.id_count + max(map(len, chosen), default=0)
    return replace(
        trace,
        **vars(whole),
        id_count=id_count,
        peak_live=peak_of(whole, id_count),
        tag_names=names,
        skipped=(*trace.skipped, *noted(chosen, others)),
    )


def sorted_out(trace: Trace, largest: int | None) -> tuple[list[Group], list[Group]]:
    """The requests of at most `largest` bytes, and the others."""
    chosen: list[Group] = []
    others: list[Group] = []
    for group in groups(trace.refused):
        is_possible = largest is None or max(one.size for one in group) <= largest
        (chosen if is_possible else others).append(group)
    return chosen, others


def failed_attempts(trace: Trace, largest: int | None = None) -> list[int]:
    """The indices in `tried(trace, largest)` of the operations that failed in the program.

    A batch that is cut off has none: the size that failed is not there.
    """
    found, inserted = [], 0
    for group in sorted_out(trace, largest)[0]:
        if not group[-1].is_part:
            found.append(group[0].position + inserted + len(group) - 1)
        inserted += 2 * len(group)
    return found


def groups(refused: Iterable[Refused]) -> Iterator[Group]:
    """The requests; those of a batch together.  A recording that was cut off may end in a batch."""
    group: Group = []
    for one in refused:
        if group and group[-1].position != one.position:
            yield group
            group = []
        group.append(one)
        if not one.is_part:
            yield group
            group = []
    if group:
        yield group


def with_attempts(trace: Trace, chosen: Iterable[Group], tags: Mapping[str, int]) -> Columns:
    """The operations, with those of the requests at their places."""
    whole, start = Columns(), 0
    held: dict[int, int] = {}  # the size of the block of each id
    for group in chosen:
        stop = group[0].position
        whole.extend(part(trace, start, stop))
        held.update(zip(trace.ids[start:stop], trace.sizes[start:stop], strict=True))
        made = attempt(group, trace.id_count, held)
        describe(made, group, tags)
        whole.extend(made)
        start = stop
    whole.extend(part(trace, start, len(trace)))
    whole.complete()
    return whole


def part(trace: Trace, start: int, stop: int) -> Columns:
    """The operations [start, stop)."""
    names = (*REQUIRED, *OPTIONAL)
    return Columns(**{name: getattr(trace, name)[start:stop] for name in names})


def attempt(group: Group, unused: int, held: Mapping[int, int]) -> Columns:
    """The requests, and what takes them back, in reverse.  The ids from `unused` on are free."""
    block = group[0].block
    sizes, lines = [one.size for one in group], [one.line for one in group]
    if block is not None:
        kinds, ids, after = [REALLOC, REALLOC], [block], [held[block]]
    else:
        kinds = [MALLOC] * len(group) + [FREE] * len(group)
        ids, after = [*range(unused, unused + len(group))], [0] * len(group)
    return Columns(
        kinds=bytearray(kinds),
        ids=array("I", ids + ids[::-1]),
        sizes=array("Q", sizes + after),
        lines=array("Q", lines + lines[::-1]),
    )


def describe(made: Columns, group: Group, tags: Mapping[str, int]) -> None:
    """Put the details of the requests into the optional columns."""
    for index, one in enumerate(group):
        details = {
            "aligns": one.align,
            "tags": tags[one.tag],
            "threads": one.thread,
            "times": one.time or 0,
        }
        for name, value in details.items():
            if value:
                pad(getattr(made, name), len(made))[index] = value


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


def noted(chosen: Iterable[Group], others: Iterable[Group]) -> Iterator[Note]:
    """The notes about what is tried, and what is left out."""
    sorts: dict[str, Group] = {TRIED: [], RESIZED: [], BATCH: [], LEFT_OUT: []}
    for group in chosen:
        sorts[reason_of(group)].append(group[-1])
    sorts[LEFT_OUT] += [group[-1] for group in others]
    for reason, requests in sorts.items():
        if requests:
            yield Note(reason, len(requests), requests[0].line, misuse=False)


def reason_of(group: Sequence[Refused]) -> str:
    """How a request is tried."""
    if group[0].block is not None:
        return RESIZED
    return BATCH if len(group) > 1 else TRIED
