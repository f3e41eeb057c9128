"""The smallest region that serves a trace, and what it is filled with at the peak.

    region = live + headers + rounding + fragmentation

At the moment at which the blocks take most, they have `live` bytes that were asked for, a header
each, and what their sizes are rounded up by.  No policy that leaves blocks in place can do with
less than these three.  What a policy needs more is its fragmentation.
"""

from __future__ import annotations

from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from glassheap import policies
from glassheap.progress import SHARES, Stages, ignore
from glassheap.replay.recorded import setup_for
from glassheap.replay.searching import Found, smallest
from glassheap.replay.setup import Setup, checked
from glassheap.replay.sizing import round_up
from glassheap.replay.stepping import served
from glassheap.replay.trying import tried
from glassheap.traces import FREE, REALLOC

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glassheap.progress import Progress
    from glassheap.traces import Trace

OPERATIONS = 1 << 22
"""Operations that trying the sizes one after the other may take: about half a second."""
HEAP = 1000
"""The operations that take as long as to open a heap and to close it."""


class Fit(NamedTuple):
    """The smallest region for a trace, in bytes, and its parts at the peak of the blocks."""

    policy: str
    """The placement policy."""
    headers: bool
    """True if a header precedes each block."""
    granule: int
    """Bytes of which each block is a multiple."""
    region: int | None
    """The smallest region; None if none that this machine has memory for serves the trace."""
    exact: bool
    """True if no smaller region serves; False if it was found by halving."""
    peak_live: int
    """The lower bound: the maximum of the bytes requested in live blocks."""
    peak_operation: int
    """The number of the operation at which the blocks take most: the first is 1; 0 without one."""
    live: int
    """Bytes requested in the blocks that are live then."""
    header_bytes: int
    """Bytes of their headers."""
    rounding: int
    """Bytes that their sizes are rounded up by."""
    fragmentation: int | None
    """The rest of the region."""


class Peak(NamedTuple):
    """The moment at which the blocks of a layout take most."""

    operation: int = 0
    taken: int = 0
    blocks: int = 0
    live: int = 0


def fit(
    trace: Trace,
    *,
    policy: str = "first_fit",
    headers: bool = True,
    granule: int | None = None,
    exact: bool = False,
    progress: Progress | None = None,
) -> Fit:
    """Return the smallest region in which every operation of `trace` succeeds, and its parts.

    It is a multiple of 16 bytes, or of `granule`; with a granule the heap is an `OffsetHeap`, which
    has no headers.  Alignments are those of the trace.  Requests that failed in the recorded
    program are tried, but for those that no machine serves.

    A policy may serve a trace in a region and fail in a larger one.  So all sizes are tried, from
    the peak of the blocks on, and `Fit.exact` is True.  If that takes more than 4 million
    operations, `Fit.exact` is False, and the size is found by halving: it serves, and a region that
    is smaller by a granule does not.  With `exact` all sizes are tried, however long it takes.

    `progress` is called every 4,096 operations.  Its total is an estimate: the regions that will be
    tried are known only afterwards.

    Raises the errors of `Heap` for a wrong granule or policy.  O(n) for each size that is tried.
    """
    setup = checked(setup_for(trace, policy, headers, granule))
    trace = tried(trace, setup.largest())
    top = peak(trace, setup)
    low = max(setup.step, top.taken)
    found = search(trace, setup, len(trace), low, exact=exact, progress=progress or ignore)
    header_bytes = top.blocks * setup.blocks.header
    return Fit(
        policy=setup.policy,
        headers=setup.headers,
        granule=setup.step,
        region=found.size,
        exact=found.exact,
        peak_live=trace.peak_live,
        peak_operation=top.operation,
        live=top.live,
        header_bytes=header_bytes,
        rounding=top.taken - top.live - header_bytes,
        fragmentation=None if found.size is None else found.size - top.taken,
    )


def fit_all(
    trace: Trace,
    names: Iterable[str] | None = None,
    layouts: Iterable[Setup] = (Setup(), Setup(headers=False)),
    *,
    exact: bool = False,
    progress: Progress | None = None,
) -> Iterator[Fit]:
    """Yield the fit of each policy of these names (by default of all) in each of the layouts.

    `progress` is called as by `fit`, for all of them together.
    """
    names = names or [policy.name for policy in policies()]
    setups = [one._replace(policy=name) for name, one in product(names, layouts)]
    stages = Stages(progress, [1] * len(setups))
    for one in setups:
        yield fit(trace, **one.options, exact=exact, progress=stages.next())


class Trial:
    """Regions of one setup, tried with the first operations of a trace."""

    def __init__(
        self, trace: Trace, setup: Setup, stop: int, *, exact: bool, progress: Progress
    ) -> None:
        self.trace, self.setup, self.stop, self.exact = trace, setup, stop, exact
        self._progress = progress
        self._played = 0  # operations so far
        self._tried = 0  # regions so far
        self._refused = 0  # the largest of them that does not serve
        self._served: int | None = None  # the smallest that does

    def serves(self, size: int) -> bool:
        """True if every operation succeeds in a region of `size` bytes."""
        begun, total = SHARES * self._tried, SHARES * (self._tried + self._left(size))

        def tell(done: int, stop: int) -> None:
            self._progress(begun + SHARES * done // stop, total)

        done = served(self.trace, self.setup, size, self.stop, tell)
        self._progress(begun + SHARES, total)
        self._played += done + HEAP
        self._tried += 1
        if done < self.stop:
            self._refused = max(self._refused, size)
            return False
        self._served = size
        return True

    def _left(self, size: int) -> int:
        """The regions that are tried from `size` on: at most, once one has been found to serve."""
        step = self.setup.step
        if self._served is None:
            return 1 + (size // 4 // step).bit_length()
        if size < self._refused:  # one after the other
            return (self._served - size) // step if self.exact else 1
        return max(1, ((self._served - self._refused) // step - 1).bit_length())

    def has_time(self) -> bool:
        """True if all sizes may be tried, one after the other, and if that is of use."""
        return not self.is_monotone and (self.exact or self._played < OPERATIONS)

    @cached_property
    def is_monotone(self) -> bool:
        """True if every region larger than one that serves does, too.

        First fit takes the last block only if there is no other, so its size does not matter.  But
        a block that is resized may grow into it, which changes what is free below.
        """
        first = self.setup.policy == "first_fit"
        aligned = max(self.trace.aligns, default=0) > self.setup.step
        return first and not aligned and REALLOC not in self.trace.kinds


def search(
    trace: Trace,
    setup: Setup,
    stop: int,
    low: int,
    *,
    exact: bool = False,
    progress: Progress = ignore,
) -> Found:
    """The smallest region from `low` bytes on in which the first `stop` operations succeed."""
    step, limit = setup.step, setup.limit // setup.step * setup.step
    if low > limit:
        return Found(None, exact=True)
    trial = Trial(trace, setup, stop, exact=exact, progress=progress)
    found = smallest(trial.serves, round_up(low, step), limit, step, trial.has_time)
    progress(1, 1)  # all is done, however many regions were expected
    return found._replace(exact=found.exact or trial.is_monotone)


def peak(trace: Trace, setup: Setup) -> Peak:
    """The moment at which the extents of the live blocks are most together.  O(n)."""
    extent = setup.blocks.extent
    held = [(0, 0)] * trace.id_count  # the extent and the size of each live block
    taken = live = blocks = 0
    top = Peak()
    operations = zip(trace.kinds, trace.ids, trace.sizes, strict=True)
    for number, (kind, block, size) in enumerate(operations, 1):
        old_extent, old_size = held[block]
        new_extent = 0 if kind == FREE else extent(size)
        held[block] = new_extent, size
        taken += new_extent - old_extent
        live += size - old_size
        blocks += bool(new_extent) - bool(old_extent)
        if taken > top.taken:
            top = Peak(number, taken, blocks, live)
    return top
