"""What a worker does: it replays a part, and returns a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glassheap.replay import replay
from glassheap.sweeping.row import Row, row_of
from glassheap.sweeping.shelf import load_once
from glassheap.traces import Trace

if TYPE_CHECKING:
    from pathlib import Path

    from glassheap.sweeping.parts import Part


def play(part: Part, parcel: Path | Trace) -> Row:
    """Replay a part.  The parcel is its trace, or the file that has it.

    Raises the errors of `replay`, and `OSError` if the file cannot be read.
    """
    trace = parcel if isinstance(parcel, Trace) else load_once(parcel)
    options = {"policy": part.policy, "headers": part.headers, "granule": part.granule}
    report = replay(trace, part.size, **options)  # type: ignore[arg-type]
    row = row_of(part, report)
    report.heap.close()
    return row
