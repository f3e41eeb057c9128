"""Two replays in step, up to the first operation at which they part.

They part if the traces ask for different things, if one fails, or if a block is placed elsewhere.
Until then every block has the same place in both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from glassheap import policies
from glassheap.errors import InvalidAlignment, OutOfMemory
from glassheap.progress import Stages
from glassheap.replay.failing import tag_of
from glassheap.replay.holding import Hole
from glassheap.replay.recorded import setup_for
from glassheap.replay.records import plain
from glassheap.replay.running import play_growing
from glassheap.replay.setup import Setup, checked
from glassheap.replay.slices import SLICE
from glassheap.replay.stepping import STEPPING, Stepper, alignment, served
from glassheap.replay.trying import tried
from glassheap.traces import FREE, MALLOC, REALLOC

if TYPE_CHECKING:
    from glassheap.progress import Progress
    from glassheap.traces import Note, Trace

KINDS = {MALLOC: "malloc", REALLOC: "realloc", FREE: "free"}

Reason = Literal["request", "failure", "placement", "end"]


class Subject(NamedTuple):
    """The block that is resized or freed."""

    line: int
    """The line of the request that allocated it."""
    size: int
    """Bytes asked for in it, so far."""
    tag: str
    """The tag of that request; "" without one."""


class Side(NamedTuple):
    """One of two replays, and what it does where they part."""

    trace: str
    """The name of the trace."""
    policy: str
    """The placement policy."""
    rule: str
    """The free block that the policy picks, in one line."""
    line: int
    """The line of the operation; 0 if the trace has ended before."""
    kind: str
    """'malloc', 'realloc' or 'free'; "" if the trace has ended."""
    size: int
    """Bytes asked for."""
    tag: str
    """The tag of the operation; "" without one."""
    block: Subject | None
    """The block that is resized or freed; None for a malloc, and if the trace has ended."""
    address: int | None
    """Where the block is put, in bytes from the start of the region; None for a free, and if the
    request fails."""
    hole: Hole | None
    """The free block that it is put into; None if it is not, or if it stays in its place."""
    served: int
    """The operations that are served before one fails."""
    operations: int
    """The operations of the trace."""
    skipped: list[Note]
    """The oddities of the trace, and the requests that were tried or left out."""

    @property
    def is_whole(self) -> bool:
        """True if the whole trace is served."""
        return self.served == self.operations


class Parting(NamedTuple):
    """Where two replays part."""

    size: int
    """Bytes of the region of each."""
    headers: bool
    """True if the heaps have headers."""
    granule: int
    """Bytes of which each block is a multiple."""
    operation: int | None
    """The number of the first operation at which they part, from 1; None if they do not, or both
    fail."""
    reason: Reason | None
    """'request': the traces ask for different things. 'end': one of them is shorter. 'failure': one
    heap serves the request, and one does not. 'placement': the block is put elsewhere."""
    first: Side
    """The first replay; at the last operation if they do not part."""
    second: Side
    """The second."""

    def as_dict(self) -> dict[str, object]:
        """The figures by name, in types that `json.dumps` accepts."""
        return {name: plain(field) for name, field in self._asdict().items()}


def diff(
    first: Trace,
    second: Trace | None = None,
    size: int | None = None,
    *,
    policies: tuple[str, str] = ("first_fit", "best_fit"),
    headers: bool = True,
    granule: int | None = None,
    progress: Progress | None = None,
) -> Parting:
    """Replay two traces in step, each with its policy, and return where they part.

    `second` is `first` again by default.  `size` is that of each region, in bytes: by default the
    larger of those that `replay` grows to.  The layout is the same in both.

    `progress` is called every 4,096 operations, for all replays together.

    Raises the errors of `Heap` for a wrong size, granule or policy.  O(n).
    """
    setups = [checked(setup_for(first, policy, headers, granule)) for policy in policies]
    largest = setups[0].largest(size)
    first = tried(first, largest)
    traces = (first, tried(second, largest) if second else first)
    pair = tuple(zip(traces, setups, strict=True))
    stages = Stages(progress, [*([] if size else [1, 1]), 2 * STEPPING, *[1, STEPPING] * 2])
    if size is None:
        size = max(region(trace, setup, stages.next()) for trace, setup in pair)
    index, reason = first_difference(pair, size, stages.next())
    at = index if index is not None else len(first) - 1
    operation = None if index is None else index + 1
    with setups[0].heap(size) as heap:
        size = heap.size
    sides = [side(trace, setup, size, at, stages) for trace, setup in pair]
    return Parting(size, setups[0].headers, setups[0].step, operation, reason, *sides)


def region(trace: Trace, setup: Setup, progress: Progress) -> int:
    """The region (bytes) that `replay` grows to."""
    with play_growing(trace, setup, progress).heap as heap:
        return heap.size


def first_difference(
    pair: tuple[tuple[Trace, Setup], ...], size: int, progress: Progress
) -> tuple[int | None, Reason | None]:
    """The index of the operation at which two replays part, and why; none if they do not."""
    (first, _), (second, _) = pair
    shorter = min(len(first), len(second))
    with pair[0][1].heap(size) as one, pair[1][1].heap(size) as other:
        steppers = Stepper(first, one), Stepper(second, other)
        for index in range(shorter):
            if not index % SLICE:
                progress(index, shorter)
            if request(first, index) != request(second, index):
                return index, "request"
            here, there = (place(stepper, index) for stepper in steppers)
            if here != there:
                return index, "failure" if None in (here, there) else "placement"
            if here is None and first.kinds[index] != FREE:
                return None, None  # both fail
    return (shorter, "end") if len(first) != len(second) else (None, None)


def request(trace: Trace, index: int) -> tuple[int, ...]:
    """What an operation asks for."""
    return trace.kinds[index], trace.ids[index], trace.sizes[index], alignment(trace, index)


def place(stepper: Stepper, index: int) -> int | None:
    """Play an operation; the place of its block, or None."""
    try:
        stepper.step(index)
    except (OutOfMemory, InvalidAlignment):
        return None
    address = stepper.addresses[stepper.trace.ids[index]]
    return None if address is None else address - stepper.base


def side(trace: Trace, setup: Setup, size: int, index: int, stages: Stages) -> Side:
    """What a replay does at an operation; it is played again up to there."""
    rule = next(policy.summary for policy in policies() if policy.name == setup.policy)
    done = served(trace, setup, size, len(trace), stages.next())
    exists = 0 <= index < len(trace)
    tell = stages.next()
    address, hole = choice(trace, setup, size, index, tell) if exists else (None, None)
    return Side(
        trace=trace.name,
        policy=setup.policy,
        rule=rule,
        line=trace.lines[index] if exists else 0,
        kind=KINDS[trace.kinds[index]] if exists else "",
        size=trace.sizes[index] if exists else 0,
        tag=tag_of(trace, index) if exists else "",
        block=subject(trace, index) if exists else None,
        address=address,
        hole=hole,
        served=done,
        operations=len(trace),
        skipped=[*trace.skipped],
    )


def subject(trace: Trace, index: int) -> Subject | None:
    """The block that an operation resizes or frees; None for a malloc.  O(n)."""
    if trace.kinds[index] == MALLOC:
        return None
    block, size = trace.ids[index], None
    for at in range(index - 1, -1, -1):
        if trace.ids[at] == block:
            size = trace.sizes[at] if size is None else size
            if trace.kinds[at] == MALLOC:
                return Subject(trace.lines[at], size, tag_of(trace, at))
    return None


def choice(
    trace: Trace, setup: Setup, size: int, index: int, progress: Progress
) -> tuple[int | None, Hole | None]:
    """Where an operation puts its block, and the free block that had been there."""
    with setup.heap(size) as heap:
        stepper = Stepper(trace, heap)
        if stepper.run(index, progress) < index:
            return None, None
        holes = [block for block in heap.walk() if not block.live]
        address = place(stepper, index)
        if address is None:
            return None, None
        at = address + stepper.base
        taken = (it for it in holes if it.start <= at < it.start + it.extent)
        hole = next((Hole(it.address - stepper.base, it.size) for it in taken), None)
        return address, hole
