"""Running a recorded program's allocations through a heap, and saying how it went.

    Trace --sizing--> how large a region --running--> a heap put to work --report--> the figures
                                                      comparing: one for each policy, in a table

`replay` is the one call that most people need; the `Report` it returns keeps the heap, so that
whoever wants to can look at every block that was left.
"""

from __future__ import annotations

from glassheap.replay.comparing import compare, table
from glassheap.replay.report import Report
from glassheap.replay.running import Progress, ReplayInterrupted, replay

__all__ = ["Progress", "ReplayInterrupted", "Report", "compare", "replay", "table"]
