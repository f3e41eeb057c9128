"""Replays a recorded program's allocations in a heap, and reports the figures.

    Trace --sizing--> size of the region --running--> heap at the end --report--> figures

    measuring: the measures of fragmentation, by the formulas in metrics; cost: what is looked at
    record: the figures as a flat record, for pandas and polars
    comparing: a report for each policy; compare_text: the reports as tables
    fitting: the smallest region, by searching over stepping; fit_table: the fits as a table
    explaining: the first failure, and what would have served it; holding: the blocks in its way
    contradicting: where a replay is not what the recorded heap did
    parting: two replays in step, up to the first difference

`replay` is the call for most uses. The `Report` it returns contains the heap, so that the blocks
still live at the end can be inspected.
"""

from __future__ import annotations

from glassheap.progress import Progress
from glassheap.replay.compare_text import table
from glassheap.replay.comparing import compare
from glassheap.replay.contradicting import Contradiction
from glassheap.replay.diff_text import diff_lines
from glassheap.replay.explaining import Remedy, Why, why
from glassheap.replay.failing import Failure
from glassheap.replay.fit_table import fit_table
from glassheap.replay.fitting import Fit, fit, fit_all
from glassheap.replay.holding import Held, Holder, Hole
from glassheap.replay.measuring import Excess, FreeBlocks, Internal, Measures
from glassheap.replay.parting import Parting, Side, Subject, diff
from glassheap.replay.recorded import RecordedHeap, recorded_heap
from glassheap.replay.report import Report
from glassheap.replay.running import ReplayInterrupted, replay
from glassheap.replay.setup import Setup
from glassheap.replay.timing import libc_nanoseconds
from glassheap.replay.trying import tried
from glassheap.replay.why_text import why_lines

__all__ = [
    "Contradiction",
    "Excess",
    "Failure",
    "Fit",
    "FreeBlocks",
    "Held",
    "Holder",
    "Hole",
    "Internal",
    "Measures",
    "Parting",
    "Progress",
    "RecordedHeap",
    "Remedy",
    "ReplayInterrupted",
    "Report",
    "Setup",
    "Side",
    "Subject",
    "Why",
    "compare",
    "diff",
    "diff_lines",
    "fit",
    "fit_all",
    "fit_table",
    "libc_nanoseconds",
    "recorded_heap",
    "replay",
    "table",
    "tried",
    "why",
    "why_lines",
]
