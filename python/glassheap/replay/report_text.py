"""The figures of a replay as lines for a reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glassheap import OffsetHeap
from glassheap.replay.why_text import place
from glassheap.traces.wording import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from glassheap.replay.failing import Failure
    from glassheap.replay.measuring import FreeBlocks, Measures
    from glassheap.replay.report import Report


def report_lines(report: Report) -> list[str]:
    """The figures as lines of text, without line ends."""
    rows = [*figures(report), *measured(report.measures), *ends(report)]
    return [*interruption(report), *(f"{title:<24}{value}" for title, value in rows)]


def figures(report: Report) -> Iterator[tuple[str, str]]:
    """What was replayed, what failed, and the peak."""
    yield "trace", f"{report.name} ({report.format})"
    yield "operations", f"{report.operations:,}"
    yield "failures", failures_in_words(report)
    if report.failure:
        yield "first failure", failure_in_words(report.failure)
    yield "region", region_in_words(report)
    yield "peak utilisation", utilisation_in_words(report)


def measured(measures: Measures | None) -> Iterator[tuple[str, str]]:
    """The measures."""
    if measures is None:
        return
    yield "Johnstone & Wilson 1-4", listed(measures.requested.johnstone_wilson)
    yield "  without overhead", listed(measures.taken.johnstone_wilson)
    yield "internal fragmentation", internal_in_words(measures)
    yield "at the peak", free_in_words(measures.at_peak, measures.request)
    yield "at the end", free_in_words(measures.at_end, measures.request)
    if measures.searched is not None:
        yield "cost", f"{measures.searched:.1f} free blocks looked at per operation"


def ends(report: Report) -> Iterator[tuple[str, str]]:
    """The state at the end, the time, and the oddities of the trace."""
    stats = report.stats
    yield "free blocks", f"{stats.free_blocks:,} (the largest: {stats.largest_free:,} bytes)"
    yield "external fragmentation", f"{stats.external_fragmentation:.2%}"
    yield "time per operation", time_in_words(report)
    yield "blocks still live", f"{stats.live_blocks:,} ({report.live_at_end:,} bytes)"
    yield from (("note", str(note)) for note in report.skipped)


def interruption(report: Report) -> list[str]:
    """The line above the figures of an interrupted replay; no line if it was complete."""
    if not report.interrupted:
        return []
    return [f"interrupted at operation {report.completed} of {report.operations}; until then:"]


def failures_in_words(report: Report) -> str:
    """The number of failed operations, and the first of them."""
    if not report.failures:
        return "0"
    return f"{report.failures:,}, the first at operation {report.first_failure:,}"


def failure_in_words(failed: Failure) -> str:
    """The first failure: its place, its owner, what it asked for, and the reason."""
    owner = f" of '{printable(failed.tag)}'" if failed.tag else ""
    thread = f", thread {failed.thread}" if failed.thread else ""
    align = f" aligned to {failed.align:,}" if failed.align else ""
    reason = f"{failed.cause}: {failed.available:,} free, the largest block {failed.largest_free:,}"
    return f"{place(failed)}{owner}{thread}: {failed.size:,} bytes{align}, {reason}"


def region_in_words(report: Report) -> str:
    """The size of the region, the policy and the layout."""
    layout = "" if report.headers else ", no headers"
    if isinstance(report.heap, OffsetHeap):
        layout = f", granule {report.heap.granule:,}"
    return f"{report.region:,} bytes, {report.policy}{layout}"


def utilisation_in_words(report: Report) -> str:
    """The peak utilisation, with its numerator and denominator."""
    stats = report.stats
    ratio = f"{report.peak_utilisation:.2%}"
    return f"{ratio} ({report.peak_live:,} of {stats.peak_used:,} bytes)"


def listed(ratios: Sequence[float]) -> str:
    """Ratios with commas between them."""
    return ", ".join(f"{ratio:.2%}" for ratio in ratios)


def internal_in_words(measures: Measures) -> str:
    """Internal fragmentation, and its parts."""
    total, header, rounding = measures.internal
    return f"{total:.2%} at the peak (headers {header:.2%}, rounding {rounding:.2%})"


def free_in_words(free: FreeBlocks, request: int) -> str:
    """The measures of the free blocks at one moment."""
    return (
        f"external {free.external:.2%}, Sawicki {free.sawicki:.2%}, Pigweed {free.pigweed:.2%}, "
        f"unusable for {request:,} bytes {free.unusable:.2%}"
    )


def time_in_words(report: Report) -> str:
    """The time of an operation, and that on the C library."""
    text = f"{report.nanoseconds_per_operation:.1f} ns"
    libc = report.libc_nanoseconds_per_operation
    return text if libc is None else f"{text} (C library: {libc:.1f} ns)"
