"""Replays a recorded program's allocations in a heap, and reports the figures.

    Trace --sizing--> size of the region --running--> heap at the end --report--> figures

    comparing: a report for each policy, as a table
    fitting: the smallest region, by searching over stepping; fit_table: the fits as a table
    explaining: the first failure, and what would have served it; failing: the blocks in its way
    parting: two replays in step, up to the first difference

`replay` is the call for most uses. The `Report` it returns contains the heap, so that the blocks
still live at the end can be inspected.
"""

from __future__ import annotations

from glassheap.replay.comparing import compare, table
from glassheap.replay.diff_text import diff_lines
from glassheap.replay.explaining import Remedy, Why, why
from glassheap.replay.failing import Failure, Held, Holder, Hole
from glassheap.replay.fit_table import fit_table
from glassheap.replay.fitting import Fit, fit, fit_all
from glassheap.replay.parting import Parting, Side, diff
from glassheap.replay.report import Report
from glassheap.replay.running import Progress, ReplayInterrupted, replay
from glassheap.replay.setup import Setup
from glassheap.replay.why_text import why_lines

__all__ = [
    "Failure",
    "Fit",
    "Held",
    "Holder",
    "Hole",
    "Parting",
    "Progress",
    "Remedy",
    "ReplayInterrupted",
    "Report",
    "Setup",
    "Side",
    "Why",
    "compare",
    "diff",
    "diff_lines",
    "fit",
    "fit_all",
    "fit_table",
    "replay",
    "table",
    "why",
    "why_lines",
]
