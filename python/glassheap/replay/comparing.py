"""One trace on every policy, side by side: a measurement by which to choose a policy.

    policy           region  failures  peak utilisation  free blocks  fragmentation  ns/operation
    first_fit       532,480         0            86.85%            3         20.22%          64.1
    next_fit      1,634,304         0            25.38%            3         11.27%          59.2

Free blocks and external fragmentation are those at the end of the trace.  Without a size the region
of each policy is the smallest tried in which the trace succeeds, and its size is the figure to
compare.  With a size, all regions are equal, and the failures are the figure to compare.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glassheap import policies
from glassheap.replay.columns import table_of
from glassheap.replay.running import Progress, replay

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glassheap.replay.report import Report
    from glassheap.traces import Trace

TITLES = (
    "policy",
    "region",
    "failures",
    "peak utilisation",
    "free blocks",
    "fragmentation",
    "ns/operation",
)


def compare(
    trace: Trace,
    size: int | None = None,
    *,
    headers: bool = True,
    granule: int | None = None,
    progress: Progress | None = None,
) -> Iterator[Report]:
    """Replay `trace` on each policy in turn, the default first, and yield a report of each.

    Raises the errors of `replay`.  The earlier reports have been yielded by then.
    """
    for policy in policies():
        name = policy.name
        yield replay(trace, size, policy=name, headers=headers, granule=granule, progress=progress)


def table(reports: Iterable[Report]) -> list[str]:
    """The figures to compare, a line for each report below a line of titles."""
    return table_of([TITLES, *map(_row, reports)])


def _row(report: Report) -> tuple[str, ...]:
    stats = report.stats
    return (
        report.policy,
        f"{report.region:,}",
        f"{report.failures:,}",
        f"{report.peak_utilisation:.2%}",
        f"{stats.free_blocks:,}",
        f"{stats.external_fragmentation:.2%}",
        f"{report.nanoseconds_per_operation:.1f}",
    )
