"""The replay of a trace in a heap, by a loop in C++ that is called once a slice.

`Player.play` executes a range of operations without returning to Python, and measures their time.
The measures of fragmentation come from replays of their own (`measuring`).
"""

from __future__ import annotations

from itertools import starmap
from typing import TYPE_CHECKING

from glassheap._core import Player
from glassheap.replay.measuring import measure
from glassheap.replay.recorded import setup_for
from glassheap.replay.report import Report
from glassheap.replay.sizing import demand, grown
from glassheap.replay.slices import Slice, lenient, strict
from glassheap.replay.trying import tried

if TYPE_CHECKING:
    from collections.abc import Iterable

    from glassheap.progress import Progress
    from glassheap.replay.measuring import Measures
    from glassheap.replay.setup import Setup
    from glassheap.traces import Trace


class ReplayInterrupted(KeyboardInterrupt):
    """Ctrl-C arrived during a replay; `report` has the figures at that moment."""

    def __init__(self, report: Report) -> None:
        super().__init__(f"interrupted at operation {report.completed} of {report.operations}")
        self.report = report


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

    A request that failed in the recorded program is tried, and freed at once if it is served, but
    for those that no region of this machine has room for.
    With a `granule` (bytes) it is an `OffsetHeap`, which has no headers.  Operations are played in
    the order of the trace, those of all its threads, with the alignments that they ask for.  The
    recording of a heap is replayed at the address of its region, modulo 2**40.

    `size` is the region in bytes; operations that do not fit are counted as failures, and so are
    alignments of more than a quarter of it.  Without it the region is the smallest tried in which
    every operation succeeds: it starts at the minimum for the trace's peak and alignments, and
    grows by a quarter, up to the memory of the machine.  Operations that request more than that
    are failures, as are all that still fail at that size.

    `progress` is called after every slice of 4,096 operations with the number of those completed,
    and their total number.

    Raises the errors of `Heap` for an invalid size, granule or policy, `ReplayInterrupted` (with
    the report so far) on Ctrl-C, and the errors of `progress`.  O(n) calls of malloc, realloc and
    free.
    """
    setup = setup_for(trace, policy, headers, granule)
    trace = tried(trace, setup.largest(size))
    if size is None:
        return play_growing(trace, setup, progress).measured_report()
    run = Run(trace, setup, size)
    run.play(lenient(len(trace)), progress)
    return run.measured_report()


def play_growing(trace: Trace, setup: Setup, progress: Progress | None = None) -> Run:
    """Play in growing regions until every operation succeeds that can succeed."""
    limit, blocks = setup.limit, setup.blocks
    size, impossible = demand(trace, limit, blocks)
    while True:
        run = Run(trace, setup, size)
        final = size >= limit
        run.play(lenient(len(trace)) if final else strict(len(trace), impossible), progress)
        if final or run.completed == len(trace):
            return run
        run.heap.close()
        size = grown(size, limit, blocks)


class Run:
    """One attempt: a new heap, and the number of operations completed in it."""

    def __init__(self, trace: Trace, setup: Setup, size: int) -> None:
        self.trace = trace
        self.setup = setup
        self.heap = setup.heap(size)
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
        columns, aligns = (trace.kinds, trace.ids, trace.sizes), trace.aligns or None
        calls = ((*columns, *piece, aligns) for piece in pieces)
        for piece, done in zip(pieces, starmap(self.player.play, calls), strict=True):
            self.completed = done
            if progress is not None:
                progress(done, len(trace))
            if done < piece.stop:
                break

    def measured_report(self) -> Report:
        """The figures, with the measures, for which the trace is replayed again."""
        try:
            return self.report(self.measure())
        except KeyboardInterrupt:
            raise ReplayInterrupted(self.report()) from None

    def measure(self) -> Measures:
        """The measures."""
        return measure(self.trace, self.setup, self.heap.size, self.player.first_failure)

    def report(self, measures: Measures | None = None) -> Report:
        """The figures so far."""
        player, trace, stats = self.player, self.trace, self.heap.stats()
        return Report(
            name=trace.name,
            format=trace.format,
            operations=len(trace),
            completed=self.completed,
            failures=player.failures,
            first_failure=player.first_failure + 1,
            nanoseconds=player.nanoseconds,
            skipped=trace.skipped,
            policy=self.heap.policy,
            headers=self.heap.headers,
            peak_live=measures.requested.peak_live if measures else stats.peak_requested,
            stats=stats,
            heap=self.heap,
            measures=measures,
        )
