"""Replays of many traces with many policies and sizes, in parallel.

    traces --shelf--> files --parts--> parts --driving--> crew --playing--> rows

`sweep` is the only call.  A crew is whatever plays the parts: `crews` has processes and any
executor, `cluster` a Dask cluster.  `playing` runs in a worker, everything else in the caller.
`results` keeps rows in a file, and `table` prints them.
"""

from __future__ import annotations

from glassheap.progress import Progress
from glassheap.sweeping.errors import SweepError
from glassheap.sweeping.parts import Part
from glassheap.sweeping.row import Row
from glassheap.sweeping.running import sweep

__all__ = ["Part", "Progress", "Row", "SweepError", "sweep"]
