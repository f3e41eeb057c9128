"""The replay of a trace in a heap, by a loop in C++ that is called once a slice.

`Player.play` executes a range of operations without returning to Python.  A slice has a few
thousand operations: few enough that Ctrl-C and the progress bar are handled without visible delay,
enough that the cost of the calls is negligible.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import starmap
from typing import TYPE_CHECKING, NamedTuple

from glassheap import Heap, OffsetHeap
from glassheap._core import Player
from glassheap.replay.report import Report
from glassheap.replay.sizing import demand, grown, layout, size_limit

if TYPE_CHECKING:
    from glassheap.traces import Trace

SLICE = 4096
"""Operations played in one call: under a millisecond when they are quick."""

Progress = Callable[[int, int], object]
"""Called after every slice with the number of completed operations and their total number."""


class ReplayInterrupted(KeyboardInterrupt):
    """Ctrl-C arrived during a replay; `report` has the figures at that moment."""

    def __init__(self, report: Report) -> None:
        super().__init__(f"interrupted at operation {report.completed} of {report.operations}")
        self.report = report


class Slice(NamedTuple):
    """The operations [start, stop); a `strict` slice ends at the first failure."""

    start: int
    stop: int
    strict: bool


def replay(
    trace: Trace,
    size: int | None = None,
    *,
    policy: str = "first_fit",
    headers: bool = True,
    granule: int | None = None,
    progress: Progress | None = None,
) -> Report:
    """Replay `trace` in a new heap of this policy, with headers or without, and report the figures.

    With a `granule` (bytes) it is an `OffsetHeap`, which has no headers.

    `size` is the region in bytes; operations that do not fit are counted as failures.  Without it
    the region is the smallest tried in which every operation succeeds: it starts at the minimum
    for the trace's peak and grows by a quarter, up to the memory of the machine.  Operations that
    request more than that are failures, as are all that still fail at that size.

    Raises the errors of `Heap` for an invalid size, granule or policy, `ReplayInterrupted` (with
    the report so far) on Ctrl-C, and the errors of `progress`.  O(n) calls of malloc, realloc and
    free.
    """
    if size is not None:
        run = Run(trace, new_heap(size, policy, headers, granule))
        run.play(lenient(len(trace)), progress)
        return run.report()
    return replay_growing(trace, policy, headers, granule, progress)


def new_heap(size: int, policy: str, headers: bool, granule: int | None) -> Heap:
    """The heap to replay in."""
    if granule is None:
        return Heap(size, policy=policy, headers=headers)
    return OffsetHeap(size, granule=granule, policy=policy)


def replay_growing(
    trace: Trace, policy: str, headers: bool, granule: int | None, progress: Progress | None
) -> Report:
    """Replay in growing regions until every operation succeeds that can succeed."""
    limit, blocks = size_limit(granule), layout(policy, headers, granule)
    size, impossible = demand(trace, limit, blocks)
    while True:
        run = Run(trace, new_heap(size, policy, headers, granule))
        final = size >= limit
        run.play(lenient(len(trace)) if final else strict(len(trace), impossible), progress)
        if final or run.completed == len(trace):
            return run.report()
        run.heap.close()
        size = grown(size, limit, blocks)


class Run:
    """One attempt: a new heap, and the number of operations completed in it."""

    def __init__(self, trace: Trace, heap: Heap) -> None:
        self.trace = trace
        self.heap = heap
        self.player = Player(self.heap, trace.id_count)
        self.completed = 0

    def play(self, slices: Iterable[Slice], progress: Progress | None) -> None:
        """Play the slices in turn, and stop at a failure in a strict one.

        The `try` is around a call, not around the loop: Python 3.12 and 3.13 handle signals at a
        loop's jump backwards, which no `try` in the same function covers.
        """
        try:
            self._play(list(slices), progress)
        except KeyboardInterrupt:
            raise ReplayInterrupted(self.report()) from None

    def _play(self, pieces: list[Slice], progress: Progress | None) -> None:
        """Play the slices.

        The loop excludes an interrupt between the end of a slice and the assignment of
        `completed`: Python checks for signals when a call in Python code returns, but here
        `starmap` makes the call.
        """
        trace = self.trace
        calls = ((trace.kinds, trace.ids, trace.sizes, *piece) for piece in pieces)
        for piece, done in zip(pieces, starmap(self.player.play, calls), strict=True):
            self.completed = done
            if progress is not None:
                progress(done, len(trace))
            if done < piece.stop:
                break

    def report(self) -> Report:
        """The figures so far."""
        player, trace, stats = self.player, self.trace, self.heap.stats()
        whole = self.completed == len(trace) and not player.failures
        return Report(
            name=trace.name,
            format=trace.format,
            operations=len(trace),
            completed=self.completed,
            failures=player.failures,
            first_failure=player.first_failure,
            nanoseconds=player.nanoseconds,
            skipped=trace.skipped,
            policy=self.heap.policy,
            headers=self.heap.headers,
            peak_live=trace.peak_live if whole else stats.peak_requested,
            stats=stats,
            heap=self.heap,
        )


def lenient(total: int) -> Iterator[Slice]:
    """The slices of `total` operations, all of which continue after a failure."""
    return (Slice(at, min(at + SLICE, total), False) for at in range(0, total, SLICE))


def strict(total: int, impossible: Iterable[int]) -> Iterator[Slice]:
    """Slices that end at the first failure; each impossible operation is a lenient slice."""
    start = 0
    for index in [*impossible, total]:
        for at in range(start, index, SLICE):
            yield Slice(at, min(at + SLICE, index), True)
        if index < total:
            yield Slice(index, index + 1, False)
        start = index + 1
