"""The reports of a comparison as tables, by the standard names of the measures.

Three tables, so that each has its place in 100 columns: how much of the region is used, and the
free blocks at the peak and at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glassheap.replay.columns import table_of
from glassheap.replay.report_text import failure_in_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from glassheap.replay.measuring import FreeBlocks, Measures
    from glassheap.replay.report import Report

USED = (
    *("policy", "region", "failures", "utilisation"),
    *("J&W 1", "J&W 2", "J&W 3", "J&W 4", "cost", "ns/op"),
)
FREE = ("policy", "free blocks", "external", "Sawicki", "Pigweed", "unusable")
INTERNAL = ("internal", "headers", "rounding")
NONE = "-"
"""The cell of a figure that does not exist."""
LIBC = "C library"
"""The name of its row."""


def table(reports: Sequence[Report]) -> list[str]:
    """The figures to compare, as lines without line ends: a row for each report in each table."""
    return [*used(reports), *first_failures(reports), *free(reports)]


def used(reports: Sequence[Report]) -> Iterator[str]:
    """How much of the region is used, and the times."""
    yield from table_of([USED, *map(used_row, reports), *libc_rows(reports)])


def used_row(report: Report) -> tuple[str, ...]:
    """The cells of a report."""
    return (
        report.policy,
        f"{report.region:,}",
        f"{report.failures:,}",
        f"{report.peak_utilisation:.2%}",
        *excess_cells(report.measures),
        f"{report.nanoseconds_per_operation:.1f}",
    )


def excess_cells(measures: Measures | None) -> list[str]:
    """The measures of Johnstone and Wilson, and the cost."""
    if measures is None:
        return [NONE] * 5
    cost = NONE if measures.searched is None else f"{measures.searched:.1f}"
    return [*map(tenths, measures.requested.johnstone_wilson), cost]


def libc_rows(reports: Sequence[Report]) -> Iterator[tuple[str, ...]]:
    """The row of the C library; none if it was not measured."""
    if reports and (libc := reports[0].libc_nanoseconds_per_operation) is not None:
        yield LIBC, *[NONE] * (len(USED) - 2), f"{libc:.1f}"


def first_failures(reports: Sequence[Report]) -> Iterator[str]:
    """The first failure of each policy that has one."""
    rows = [(it.policy, failure_in_words(it.failure)) for it in reports if it.failure]
    if rows:
        yield ""
        yield "first failures"
        yield from table_of(rows, names=2)


def free(reports: Sequence[Report]) -> Iterator[str]:
    """The free blocks at the two moments."""
    found = [(report.policy, report.measures) for report in reports if report.measures]
    if not found:
        return
    request = found[0][1].request
    yield ""
    yield f"at the peak of the bytes requested (unusable: for {request:,} bytes)"
    peaks = [(name, *free_cells(it.at_peak), *map(percent, it.internal)) for name, it in found]
    yield from table_of([(*FREE, *INTERNAL), *peaks])
    yield ""
    yield "at the end"
    yield from table_of([FREE, *((name, *free_cells(it.at_end)) for name, it in found)])


def free_cells(free: FreeBlocks) -> list[str]:
    """The cells of the free blocks at one moment."""
    return [f"{free.blocks:,}", *map(percent, free[1:])]


def tenths(ratio: float) -> str:
    """A ratio in as many digits as have a place in the table."""
    return f"{ratio:.1%}" if ratio < 10 else f"{ratio:,.0%}"


def percent(ratio: float) -> str:
    """A ratio in the hundredth part."""
    return f"{ratio:.2%}"
