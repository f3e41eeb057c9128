"""The last part of the tour: a real program's allocations, replayed in a separate heap.

The heap of a correct program is almost empty at the end, so there are two maps: one at the peak of
the live bytes, and one at the end.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from glassheap import pictures, replay, traces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glassheap.demo.stage import Stage

RECORDINGS = Path(__file__).parents[1] / "data"
SUFFIX = ".script.gz"


def recordings() -> list[Path]:
    """The traces that ship with the package; FileNotFoundError if they are missing."""
    found = sorted(RECORDINGS.glob(f"*{SUFFIX}"))
    if not found:
        raise FileNotFoundError(
            f"{RECORDINGS} contains no recorded program: this installation of glassheap is"
            " incomplete. Install glassheap again from its wheel or its sources."
        )
    return found


def play(stage: Stage, number: int, recording: Path) -> None:
    """Replay a recording, and print the map at its peak, the figures, and the map at its end."""
    trace = traces.read(recording, recording.name)
    title = f"{number}. A real program: {recording.name.removesuffix(SUFFIX)}"
    stage.heading(title, "All its allocations, in the smallest heap tried in which they succeed.")
    report = replay.replay(trace)
    peak = peak_operations(trace)
    stage.text(f"After {peak:,} operations, at the peak of the live bytes:")
    show(stage, replay.replay(first(trace, peak), report.region))
    stage.line(("", ""))
    stage.file.writelines(f"{line}\n" for line in ("At its end:", *report.lines(), ""))
    show(stage, report)


def show(stage: Stage, report: replay.Report) -> None:
    """Print the map of the heap after a replay, and close the heap."""
    with report.heap as heap:
        pictures.show(heap, file=stage.file, width=stage.width)


def peak_operations(trace: traces.Trace) -> int:
    """The number of operations until the live bytes first reach their maximum."""
    live = list(accumulate(changes(trace), initial=0))
    return live.index(max(live))


def changes(trace: traces.Trace) -> Iterator[int]:
    """The change of the live bytes by each operation."""
    sizes = [0] * trace.id_count
    for block, size in zip(trace.ids, trace.sizes, strict=True):  # a free has the size 0
        yield size - sizes[block]
        sizes[block] = size


def first(trace: traces.Trace, count: int) -> traces.Trace:
    """The first `count` operations of the trace."""
    names = "kinds", "ids", "sizes", "lines"
    return replace(trace, **{name: getattr(trace, name)[:count] for name in names})
