"""A replay's figures as a flat record of plain values: for JSON, CSV, pandas and polars.

All sizes are in bytes.  A figure is None if it does not exist, so every record has the same names.
Operations count from 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glassheap.replay.failing import Failure
    from glassheap.replay.measuring import Excess, Measures
    from glassheap.replay.report import Report

Value = str | int | float | bool | None
Record = dict[str, Value]

OF_FAILURE = ("line", "kind", "size", "align", "tag", "thread", "cause")
MEASURED = (
    *(f"johnstone_wilson_{number}{basis}" for basis in ("", "_of_taken") for number in range(1, 5)),
    *("unusable_request", "sawicki_fragmentation", "pigweed_fragmentation", "unusable_free"),
    *("peak_operation", "free_blocks_at_peak", "external_fragmentation_at_peak"),
    *("sawicki_fragmentation_at_peak", "pigweed_fragmentation_at_peak", "unusable_free_at_peak"),
    *("internal_fragmentation", "header_fragmentation", "rounding_fragmentation"),
    *("blowup", "searched_per_operation"),
)
"""The names of the measures, which an interrupted replay has not."""


def record_of(report: Report) -> Record:
    """The figures of a replay by name."""
    return {**heads(report), **failures(report), **figures(report), **measures(report.measures)}


def heads(report: Report) -> Record:
    """What was replayed."""
    return {
        "trace": report.name,
        "format": report.format,
        "policy": report.policy,
        "headers": report.headers,
        "granule": report.heap.granule,
        "region": report.region,
        "operations": report.operations,
        "completed": report.completed,
        "interrupted": report.interrupted,
    }


def failures(report: Report) -> Record:
    """How many operations failed, and the first of them."""
    failed = report.failure
    return {
        "failures": report.failures,
        "first_failure": report.first_failure if report.failures else None,
        **{f"first_failure_{name}": value for name, value in of_failure(failed).items()},
        "fragmentation_index": failed.fragmentation_index if failed else None,
    }


def of_failure(failed: Failure | None) -> Mapping[str, Value]:
    """The first failure."""
    return {name: getattr(failed, name) if failed else None for name in OF_FAILURE}


def figures(report: Report) -> Record:
    """The figures of the heap at the end, its peaks, and the times."""
    stats = report.stats
    return {
        "peak_requested": report.peak_live,
        "peak_used": stats.peak_used,
        "peak_utilisation": report.peak_utilisation,
        "free_blocks": stats.free_blocks,
        "largest_free": stats.largest_free,
        "external_fragmentation": stats.external_fragmentation,
        "nanoseconds_per_operation": report.nanoseconds_per_operation,
        "libc_nanoseconds_per_operation": report.libc_nanoseconds_per_operation,
        "leaked_blocks": stats.live_blocks,
        "leaked_bytes": report.live_at_end,
    }


def measures(found: Measures | None) -> Record:
    """The measures; each is None in an interrupted replay."""
    if found is None:
        return dict.fromkeys(MEASURED)
    values = (
        *found.requested.johnstone_wilson,
        *found.taken.johnstone_wilson,
        found.request,
        *found.at_end[2:],
        found.requested.peak_operation,
        *found.at_peak,
        *found.internal,
        blowup(found.requested),
        found.searched,
    )
    return dict(zip(MEASURED, values, strict=True))


def blowup(requested: Excess) -> float:
    """The peak of used over that of live, which an ideal allocator would use; 1 without any."""
    return requested.peak_used / requested.peak_live if requested.peak_live else 1.0
