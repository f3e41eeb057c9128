"""The replay itself: a heap, a trace, and a loop in C++ that is called in slices.

`Player.play` runs a stretch of operations without coming back to Python.  It is given a few
thousand at a time: often enough that Ctrl-C and the progress bar are seen to within a moment,
seldom enough that the calls cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import starmap
from typing import TYPE_CHECKING, NamedTuple

from glassheap import Heap
from glassheap._core import Player
from glassheap.replay.report import Report
from glassheap.replay.sizing import demand, grown, layout, memory_limit

if TYPE_CHECKING:
    from glassheap.traces import Trace

SLICE = 4096
"""Operations played in one call: under a millisecond when they are quick."""

Progress = Callable[[int, int], object]
"""Called after every slice with the operations done so far and the operations in all."""


class ReplayInterrupted(KeyboardInterrupt):
    """Ctrl-C arrived during a replay; `report` says how things stood by then."""

    def __init__(self, report: Report) -> None:
        super().__init__(f"interrupted at operation {report.completed} of {report.operations}")
        self.report = report


class Slice(NamedTuple):
    """A stretch of operations, from `start` up to `stop`; `strict` ends at the first failure."""

    start: int
    stop: int
    strict: bool


def replay(
    trace: Trace,
    size: int | None = None,
    *,
    policy: str = "first_fit",
    headers: bool = True,
    progress: Progress | None = None,
) -> Report:
    """Run `trace` through a new heap of this policy, with headers or not, and report how it went.

    `size` is the region in bytes; operations that do not fit are counted as failures.  Without it
    the region is the smallest tried in which every operation succeeds: it starts from what the
    fullest moment takes and grows by a quarter, up to the memory of the machine.  Operations that
    ask for more than that are failures, and so is everything that still fails at that size.

    Raises what `Heap` raises for a size or policy it refuses, `ReplayInterrupted` (with the report
    so far) on Ctrl-C, and whatever `progress` raises.  O(n) calls of malloc, realloc and free.
    """
    if size is not None:
        run = Run(trace, Heap(size, policy=policy, headers=headers))
        run.play(lenient(len(trace)), progress)
        return run.report()
    return replay_growing(trace, policy, headers, progress)


def replay_growing(trace: Trace, policy: str, headers: bool, progress: Progress | None) -> Report:
    """Replay in ever larger regions until nothing fails that could succeed."""
    limit = memory_limit()
    size, impossible = demand(trace, limit, layout(policy, headers))
    while True:
        run = Run(trace, Heap(size, policy=policy, headers=headers))
        final = size >= limit
        run.play(lenient(len(trace)) if final else strict(len(trace), impossible), progress)
        if final or run.completed == len(trace):
            return run.report()
        run.heap.close()
        size = grown(size, limit)


class Run:
    """One attempt: a fresh heap, and how far into the trace it has come."""

    def __init__(self, trace: Trace, heap: Heap) -> None:
        self.trace = trace
        self.heap = heap
        self.player = Player(self.heap, trace.id_count)
        self.completed = 0

    def play(self, slices: Iterable[Slice], progress: Progress | None) -> None:
        """Play the slices in turn; stop early where a strict one meets a failure.

        The loop is written so that an interrupt cannot fall between a slice's end and the storing
        of `completed`: Python looks for one when a call made by its own code returns, and here
        `starmap` makes the call.
        """
        trace, pieces = self.trace, list(slices)
        calls = ((trace.kinds, trace.ids, trace.sizes, *piece) for piece in pieces)
        try:
            for piece, done in zip(pieces, starmap(self.player.play, calls), strict=True):
                self.completed = done
                if progress is not None:
                    progress(done, len(trace))
                if done < piece.stop:
                    break
        except KeyboardInterrupt:
            raise ReplayInterrupted(self.report()) from None

    def report(self) -> Report:
        """How things stand now."""
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
    """Slices over `total` operations that go on after a failure."""
    return (Slice(at, min(at + SLICE, total), False) for at in range(0, total, SLICE))


def strict(total: int, impossible: Iterable[int]) -> Iterator[Slice]:
    """Slices that end at the first failure, but for the impossible ones: each is one by itself."""
    start = 0
    for index in [*impossible, total]:
        for at in range(start, index, SLICE):
            yield Slice(at, min(at + SLICE, index), True)
        if index < total:
            yield Slice(index, index + 1, False)
        start = index + 1
