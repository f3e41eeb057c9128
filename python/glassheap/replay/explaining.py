"""Why a trace does not fit in a region, and what would have served it.

One thing is changed at a time: the policy, the layout, the granule, or the size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from glassheap import policies
from glassheap.errors import InvalidSize
from glassheap.progress import Stages, ignore
from glassheap.replay.contradicting import Contradiction, contradiction
from glassheap.replay.failing import Failure, failure
from glassheap.replay.fitting import search
from glassheap.replay.holding import Held, Holder, Hole, holding
from glassheap.replay.recorded import chosen_setup, chosen_size, heap_alike
from glassheap.replay.records import plain
from glassheap.replay.setup import Setup, checked
from glassheap.replay.stepping import STEPPING, Stepper, served
from glassheap.replay.trying import tried

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glassheap import Heap
    from glassheap.progress import Progress
    from glassheap.traces import Note, Trace

FINER = (8, 1)
"""The granules that are tried beside a heap's 16 bytes."""
HALVINGS = 4
"""How often the granule of an offset heap is halved."""

SEARCH = 10
"""How long a search for a size takes, in replays."""

Change = Literal["policy", "layout", "granule", "size"]


class Remedy(NamedTuple):
    """A heap that would have served the request, and what it differs in."""

    change: Change
    """'policy', 'layout', 'granule' or 'size'; everything else is as it was."""
    policy: str
    """Its placement policy."""
    headers: bool
    """True if it has headers."""
    granule: int
    """Bytes of which each of its blocks is a multiple."""
    size: int
    """Bytes of its region."""
    exact: bool
    """False for a size that was found by halving: a smaller one may serve, too."""
    served: int
    """The operations that it serves before one fails."""
    whole: bool
    """True if it serves the whole trace."""


class Why(NamedTuple):
    """What happens to a trace in a region."""

    trace: str
    """The name of the trace."""
    format: str
    """Its grammar."""
    operations: int
    """Its operations."""
    policy: str
    """The placement policy."""
    headers: bool
    """True if the heap has headers."""
    granule: int
    """Bytes of which each block is a multiple."""
    size: int
    """Bytes of the region."""
    peak_live: int
    """The maximum of the bytes requested in live blocks, in the whole trace."""
    failure: Failure | None
    """The first failure; None if every operation is served, and the lists below are empty then."""
    contradiction: Contradiction | None
    """Where the replay is not what the recorded heap did; None if it is, or in another heap."""
    holes: list[Hole]
    """The two largest free blocks at that moment, in the order of their addresses."""
    between: list[Holder]
    """The live blocks between these, in the order of their addresses."""
    by_tag: list[Held]
    """All live blocks by their tags, those with the most bytes first."""
    remedies: list[Remedy]
    """What would have served that request, one change at a time."""
    skipped: list[Note]
    """The oddities of the trace, and the requests that were tried or left out."""

    def as_dict(self) -> dict[str, object]:
        """The figures by name, in types that `json.dumps` accepts."""
        return {name: plain(field) for name, field in self._asdict().items()}


def why(
    trace: Trace,
    size: int | None = None,
    *,
    policy: str | None = None,
    headers: bool | None = None,
    granule: int | None = None,
    progress: Progress | None = None,
) -> Why:
    """Return the first failure of `trace` in a region of `size` bytes, and what would serve it.

    What is not given is that of the recorded heap, if the trace is the recording of one, and else
    first fit with headers.  With a `granule` (bytes) the heap is an `OffsetHeap`.  Alignments are
    those of the trace.  A request that failed in the recorded program is tried, and freed at once
    if it is served, but for those that no region of this machine has room for.  A size that would
    serve is found as `fit` finds it.

    `progress` is called every 4,096 operations.  Its total is an estimate, as that of `fit`.

    Raises ValueError if and only if `size` is not given and the trace does not state it, and the
    errors of `Heap` for a wrong size, granule or policy.  O(n) for each heap tried.
    """
    setup = checked(chosen_setup(trace, policy, headers, granule))
    return explained(trace, setup, chosen_size(trace, size), progress)


def explained(trace: Trace, setup: Setup, size: int, progress: Progress | None) -> Why:
    """The first failure in a heap of `size` bytes with this setup."""
    largest = setup.largest(size)
    played = tried(trace, largest)
    changed = [*others(setup)]
    stages = Stages(progress, [STEPPING, *[1] * len(changed), SEARCH, SEARCH])
    with setup.heap(size) as heap:
        region = heap.size
        stop = first_stop(played, heap, stages.next())
    alike = heap_alike(trace, setup, region)
    found = remedies(played, setup, changed, region, stop.served, stages) if stop.failure else ()
    return Why(
        trace=played.name,
        format=played.format,
        operations=len(played),
        policy=setup.policy,
        headers=setup.headers,
        granule=setup.step,
        size=region,
        peak_live=played.peak_live,
        failure=stop.failure,
        contradiction=contradiction(trace, played, largest, stop.served, alike),
        holes=stop.holes,
        between=stop.between,
        by_tag=stop.by_tag,
        remedies=[*found],
        skipped=[*played.skipped],
    )


class Stop(NamedTuple):
    """Where a replay stops, and what its heap holds there."""

    served: int
    """The operations before the one that failed; all of them if none did."""
    failure: Failure | None
    holes: list[Hole]
    between: list[Holder]
    by_tag: list[Held]


def first_stop(trace: Trace, heap: Heap, progress: Progress) -> Stop:
    """Play up to the first failure."""
    stepper = Stepper(trace, heap)
    index = stepper.run(len(trace), progress)
    if index == len(trace):
        return Stop(index, None, [], [], [])
    failed = failure(trace, heap, index, stepper.sizes_by_address())
    return Stop(index, failed, *holding(stepper, index))


def remedies(
    trace: Trace,
    setup: Setup,
    changed: Iterable[tuple[Change, Setup]],
    region: int,
    index: int,
    stages: Stages,
) -> Iterator[Remedy]:
    """What would have served the operation at `index`."""
    for change, other in changed:
        found = remedy(trace, change, other, region, progress=stages.next())
        if found and found.served > index:
            yield found
    yield from larger(trace, setup, region, index, stages)


def others(setup: Setup) -> Iterator[tuple[Change, Setup]]:
    """The setups that differ in one thing."""
    for policy in policies():
        if policy.name != setup.policy:
            yield "policy", setup._replace(policy=policy.name)
    if setup.granule is None:
        yield "layout", setup._replace(headers=not setup.headers)
        finer = [*FINER]
    else:
        finer = [setup.granule >> n for n in range(1, HALVINGS + 1) if setup.granule >> n]
    for granule in finer:
        yield "granule", Setup(setup.policy, headers=False, granule=granule)


def larger(trace: Trace, setup: Setup, region: int, index: int, stages: Stages) -> Iterator[Remedy]:
    """The smallest region above this one that serves the operation, and the one for the trace."""
    for stop in (index + 1, len(trace)):
        found = search(trace, setup, stop, region + setup.step, progress=stages.next())
        if found.size is None:
            return
        one = remedy(trace, "size", setup, found.size, exact=found.exact)
        if one:
            yield one
        if one is None or one.whole:
            return


def remedy(
    trace: Trace,
    change: Change,
    setup: Setup,
    size: int,
    *,
    exact: bool = True,
    progress: Progress = ignore,
) -> Remedy | None:
    """How far the trace gets with a setup; None if it has no region of this size."""
    try:
        done = served(trace, setup, size, len(trace), progress)
    except (InvalidSize, MemoryError):
        return None
    return Remedy(
        change=change,
        policy=setup.policy,
        headers=setup.headers,
        granule=setup.step,
        size=size,
        exact=exact,
        served=done,
        whole=done == len(trace),
    )
