"""A replay in the recorded heap that does not do what that heap did, and what may be the reason.

The recording has the requests that were served and those that were refused.  A replay in a heap of
the same size, policy, layout and place does the same, but for what it does not follow: options, the
blocks of other processes, calls that the file has lost, and the line that requests wait in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from glassheap.replay.failing import kind_of, tag_of, thread_of
from glassheap.replay.stepping import alignment
from glassheap.replay.trying import failed_attempts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from glassheap.replay.recorded import RecordedHeap
    from glassheap.traces import Note, Trace

OTHERS = "the blocks of other processes are not in the recording"
WAITED = "a request that waits (timeout=, amalloc) is refused behind others that wait"


class Contradiction(NamedTuple):
    """A request for which the recording and the replay have different results."""

    recorded: Literal["served", "refused"]
    """What the recorded heap did.  The replay does the other thing."""
    operation: int
    """The number of the operation in the trace: the first is 1."""
    line: int
    """Its line in the file."""
    kind: str
    """'malloc' or 'realloc'."""
    size: int
    """Bytes asked for."""
    align: int
    """The alignment asked for, in bytes; 0 if none was."""
    tag: str
    """Its tag; "" if it has none."""
    thread: int
    """Its thread; 0 if the file states none."""
    because: list[str]
    """What the replay does not follow; never empty."""


def contradiction(
    trace: Trace, played: Trace, largest: int, stop: int, alike: RecordedHeap | None
) -> Contradiction | None:
    """The first contradiction of a replay that ends at `stop`: a failure, or the end.

    `played` is `trace` with its requests of up to `largest` bytes that failed, in a heap that is
    `alike`, the recorded one.  None if it is not, or without a contradiction.
    """
    if alike is None:
        return None
    refused = failed_attempts(trace, largest)
    served = next((index for index in refused if index < stop), None)
    if served is None and (stop == len(played) or stop in refused):
        return None
    index = stop if served is None else served
    return Contradiction(
        recorded="served" if served is None else "refused",
        operation=index + 1,
        line=played.lines[index],
        kind=kind_of(played, index),
        size=played.sizes[index],
        align=alignment(played, index),
        tag=tag_of(played, index),
        thread=thread_of(played, index),
        because=[*reasons(alike, trace.skipped)] or [WAITED],
    )


def reasons(recorded: RecordedHeap, notes: Sequence[Note]) -> Iterator[str]:
    """What the replay does not follow."""
    if recorded.missing:
        yield f"options of the recorded heap are not followed: {', '.join(recorded.missing)}"
    if recorded.is_shared:
        yield OTHERS
    for note in notes:
        yield f"in the recording: {note}"
