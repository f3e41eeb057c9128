"""The last part of the tour: a real program's allocations, replayed in a heap of their own.

A program that ends well leaves an almost empty heap behind, so there are two maps: one of the
moment at which it held the most, and one of the end.
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
            f"{RECORDINGS} holds no recorded program: this installation of glassheap is incomplete."
            " Install glassheap again from its wheel or its sources."
        )
    return found


def play(stage: Stage, number: int, recording: Path) -> None:
    """Replay a recording: the map at its fullest, the figures, and the map at its end."""
    trace = traces.read(recording, recording.name)
    title = f"{number}. A real program: {recording.name.removesuffix(SUFFIX)}"
    stage.announce(title, "Everything that it asked of malloc, in a heap just large enough.")
    report = replay.replay(trace)
    until = fullest(trace)
    stage.prose(f"After {until:,} operations, when it held the most:")
    show(stage, replay.replay(first(trace, until), report.region))
    stage.line(("", ""))
    stage.file.writelines(f"{line}\n" for line in ("At its end:", *report.lines(), ""))
    show(stage, report)


def show(stage: Stage, report: replay.Report) -> None:
    """The map of a heap as a replay has left it; then close the heap."""
    with report.heap as heap:
        pictures.show(heap, file=stage.file, width=stage.width)


def fullest(trace: traces.Trace) -> int:
    """After how many operations the most bytes are live; of several such moments the first."""
    live = list(accumulate(changes(trace), initial=0))
    return live.index(max(live))


def changes(trace: traces.Trace) -> Iterator[int]:
    """By how many bytes each operation changes what is live."""
    sizes = [0] * trace.id_count
    for block, size in zip(trace.ids, trace.sizes, strict=True):  # a free has the size 0
        yield size - sizes[block]
        sizes[block] = size


def first(trace: traces.Trace, count: int) -> traces.Trace:
    """The trace up to its operation number `count`."""
    arrays = trace.kinds[:count], trace.ids[:count], trace.sizes[:count]
    return replace(trace, kinds=arrays[0], ids=arrays[1], sizes=arrays[2])
