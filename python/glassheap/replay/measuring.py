"""The measures of a replay, taken in replays of their own, so that the timed one does not pay.

    first    all operations, the heap read after each in C++; a stop at the first failure
    second   the operations up to the peak, for the free blocks at that moment

Every replay of a trace in a heap of one kind and size places the blocks alike.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from glassheap._core import Player
from glassheap.replay import metrics
from glassheap.replay.cost import searched
from glassheap.replay.failing import Failure, failure
from glassheap.replay.slices import SLICE
from glassheap.traces import FREE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from glassheap import Heap
    from glassheap.replay.setup import Setup
    from glassheap.traces import Trace

PERCENTILE = 99
"""The request for `FreeBlocks.unusable` is this percentile of the trace's sizes."""


class Excess(NamedTuple):
    """How much more is used than live; live are the bytes requested, or those that blocks take.

    A moment is that after an operation.  Of equal peaks the first counts.
    """

    ratios: float
    """The sum of used / live over the moments at which anything is live."""
    moments: int
    """The number of these moments."""
    peak_operation: int
    """The number of the operation at the peak of live, the first is 1; 0 without one."""
    peak_live: int
    """The peak of live."""
    used_at_peak_live: int
    """Bytes used then."""
    peak_used_operation: int
    """The number of the operation at the peak of used."""
    live_at_peak_used: int
    """Bytes live then."""
    peak_used: int
    """The peak of used."""

    @classmethod
    def of(cls, measured: tuple[float, int, int, int, int, int, int, int]) -> Excess:
        """What a `Player` has measured, which counts operations from 0."""
        found = cls(*measured)
        return found._replace(
            peak_operation=found.peak_operation + 1,
            peak_used_operation=found.peak_used_operation + 1,
        )

    @property
    def johnstone_wilson(self) -> tuple[float, float, float, float]:
        """The four measures of M. S. Johnstone and P. R. Wilson (`metrics.excess`)."""
        return (
            self.ratios / self.moments - 1 if self.moments else 0.0,
            metrics.excess(self.used_at_peak_live, self.peak_live),
            metrics.excess(self.peak_used, self.live_at_peak_used),
            metrics.excess(self.peak_used, self.peak_live),
        )


class FreeBlocks(NamedTuple):
    """The free blocks at one moment."""

    blocks: int
    """Their number."""
    external: float
    """`metrics.external` of what they offer."""
    sawicki: float
    """`metrics.sawicki`."""
    pigweed: float
    """`metrics.pigweed`."""
    unusable: float
    """`metrics.unusable`, for the request of `Measures.request`."""

    @classmethod
    def of(cls, sizes: Sequence[int], request: int) -> FreeBlocks:
        """The figures of free blocks that offer so many bytes each."""
        return cls(
            len(sizes),
            metrics.external(sizes),
            metrics.sawicki(sizes),
            metrics.pigweed(sizes),
            metrics.unusable(sizes, request),
        )


class Internal(NamedTuple):
    """Internal fragmentation, and its two parts."""

    all: float
    """The share of the blocks' bytes that was not requested."""
    header: float
    """The share of their headers."""
    rounding: float
    """The share by which their sizes are rounded up."""


class Measures(NamedTuple):
    """The measures of a whole replay.  All sizes are in bytes."""

    requested: Excess
    """What is used, against what is requested."""
    taken: Excess
    """The same against what the blocks take, with headers and rounding, which Johnstone and Wilson
    leave out of their measures."""
    request: int
    """The request for `unusable`: the 99th percentile of the trace's sizes."""
    at_peak: FreeBlocks
    """The free blocks at the peak of the bytes requested."""
    at_end: FreeBlocks
    """The free blocks at the end."""
    internal: Internal
    """Internal fragmentation at the peak of the bytes requested."""
    searched: float | None
    """Free blocks looked at per operation; None if the model does not count them (`cost`)."""
    failure: Failure | None
    """The first failure; None if every operation was served."""
    live_at_end: int
    """The bytes requested in the blocks that are live at the end."""


def measure(trace: Trace, setup: Setup, size: int, failed: int) -> Measures:
    """Measure a replay in a region of `size` bytes, of which the operation `failed` fails first.

    It is -1 if none fails.  O(n) calls of malloc, realloc and free, and O(m**2) for m operations
    if the model counts them.
    """
    cost, request = searched(trace, setup, size), typical_request(trace)
    setup = alike(setup)
    with setup.heap(size) as heap:
        player = Player(heap, trace.id_count)
        play(player.measure, trace, 0, max(failed, 0))
        first = failure(trace, heap, failed, player.sizes) if failed >= 0 else None
        play(player.measure, trace, max(failed, 0), len(trace))
        requested, taken = (Excess.of(one) for one in player.excesses)
        at_end, left = FreeBlocks.of(offers(heap), request), sum(player.sizes.values())
    with setup.heap(size) as heap:
        play(Player(heap, trace.id_count).play, trace, 0, requested.peak_operation)
        at_peak = FreeBlocks.of(offers(heap), request)
        internal = internal_of(heap, setup, requested.peak_live)
    return Measures(requested, taken, request, at_peak, at_end, internal, cost, first, left)


def alike(setup: Setup) -> Setup:
    """A setup that places every block at the same address, in less time.

    sequential_fit walks its list, which is by address here, and takes the first that fits.
    """
    return setup._replace(policy="first_fit") if setup.policy == "sequential_fit" else setup


def play(run: Callable[..., int], trace: Trace, start: int, stop: int) -> None:
    """Run the operations from `start` up to `stop`, slice by slice."""
    columns, aligns = (trace.kinds, trace.ids, trace.sizes), trace.aligns or None
    for at in range(start, stop, SLICE):
        run(*columns, at, min(at + SLICE, stop), aligns=aligns)


def offers(heap: Heap) -> list[int]:
    """What each free block offers."""
    return [block.size for block in heap.free_list()]


def internal_of(heap: Heap, setup: Setup, live: int) -> Internal:
    """The internal fragmentation of a heap in whose blocks `live` bytes are requested."""
    stats = heap.stats()
    taken = stats.requested + stats.overhead
    headers = stats.live_blocks * setup.blocks.header
    rounding = taken - live - headers
    parts = (taken - live, headers, rounding)
    return Internal(*(metrics.internal(taken, lost) for lost in parts))


def typical_request(trace: Trace) -> int:
    """The 99th percentile of the sizes requested: that many in 100 ask for no more; 0 for none."""
    sizes = Counter(trace.sizes)
    sizes[0] -= trace.kinds.count(FREE)
    left = -(-sizes.total() * PERCENTILE // 100)
    for size in sorted(sizes):
        left -= sizes[size]
        if left <= 0:
            return size
    return 0
