"""One trace on every policy, side by side: a measurement by which to choose a policy.

    policy        region  failures  utilisation   J&W 1   J&W 2   J&W 3   J&W 4  cost  ns/op
    first_fit    532,480         0       86.85%   43.7%   15.1%   57.6%   15.1%     -   47.2
    next_fit   1,634,304         0       25.38%  375.0%  281.4%  651.5%  293.9%     -   37.3
    ...

Without a size the region of each policy is the smallest tried in which the trace succeeds, and its
size is the figure to compare.  With a size, all regions are equal, and the failures are the figure
to compare.  `compare_text` prints the reports.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from glassheap import policies
from glassheap.replay.recorded import setup_for
from glassheap.replay.running import replay
from glassheap.replay.setup import Setup
from glassheap.replay.timing import libc_nanoseconds, median_nanoseconds
from glassheap.replay.trying import tried

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glassheap.progress import Progress
    from glassheap.replay.report import Report
    from glassheap.traces import Trace


def compare(
    trace: Trace,
    size: int | None = None,
    *,
    headers: bool = True,
    granule: int | None = None,
    libc: bool = False,
    progress: Progress | None = None,
) -> Iterator[Report]:
    """Replay `trace` on each policy in turn, the default first, and yield a report of each.

    With `libc` each report also has the time of the C library on the trace, in nanoseconds
    (`libc_nanoseconds_per_operation`), and its own time is measured alike, as the median of many
    rounds.

    Raises the errors of `replay`.  The earlier reports have been yielded by then.
    """
    trace = tried(trace, Setup(granule=granule).largest(size))
    beside = libc_nanoseconds(trace) if libc else None
    for policy in policies():
        name = policy.name
        report = replay(
            trace, size, policy=name, headers=headers, granule=granule, progress=progress
        )
        setup = setup_for(trace, name, headers, granule)
        yield timed(report, trace, setup, beside) if libc else report


def timed(report: Report, trace: Trace, setup: Setup, beside: float | None) -> Report:
    """The report with the time of many rounds, and that of the C library."""
    nanoseconds = median_nanoseconds(trace, setup, report.region, report.nanoseconds)
    return replace(report, nanoseconds=nanoseconds, libc_nanoseconds_per_operation=beside)
