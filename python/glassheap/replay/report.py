"""The figures of a replay, and how they are put into words.

Peak utilisation is the measure of the malloc labs: the most bytes that were requested at one time,
over the bytes of the region that were ever in use (up to the end of the highest live block).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glassheap import Heap, HeapStats
    from glassheap.traces import Note


@dataclass(frozen=True)
class Report:
    """How a replay went.  All sizes are in bytes."""

    name: str
    """The trace."""
    format: str
    """Its grammar."""
    operations: int
    """Operations in the trace."""
    completed: int
    """Operations played; fewer than `operations` only if the replay was interrupted."""
    failures: int
    """Operations for which the heap had no room."""
    first_failure: int
    """The index of the first of them, or -1."""
    nanoseconds: int
    """Time spent in the heap, all operations together."""
    skipped: tuple[Note, ...]
    """What the reader of the trace passed over."""
    policy: str
    """The heap's placement policy."""
    headers: bool
    """Whether the heap has headers; without them it counts what may be written as requested."""
    peak_live: int
    """The most bytes that were requested at one time, as exactly as can be known."""
    stats: HeapStats
    """The heap's own figures when the replay ended."""
    heap: Heap
    """The heap itself, with everything in it that was live at the end."""

    @property
    def interrupted(self) -> bool:
        """Whether the replay ended before the trace did."""
        return self.completed < self.operations

    @property
    def region(self) -> int:
        """The size of the region."""
        return self.stats.size

    @property
    def peak_utilisation(self) -> float:
        """The most bytes live at one time over the most bytes used: 0 to 1 (1 if none was)."""
        return self.peak_live / self.stats.peak_used if self.stats.peak_used else 1.0

    @property
    def nanoseconds_per_operation(self) -> float:
        """Mean time of one operation (0 if none was played)."""
        return self.nanoseconds / self.completed if self.completed else 0.0

    def as_dict(self) -> dict[str, object]:
        """The figures by name, as `json.dumps` takes them."""
        stats = self.stats
        return {
            "trace": self.name,
            "format": self.format,
            "policy": self.policy,
            "headers": self.headers,
            "operations": self.operations,
            "completed": self.completed,
            "interrupted": self.interrupted,
            "failures": self.failures,
            "first_failure": self.first_failure if self.failures else None,
            "region": stats.size,
            "peak_requested": self.peak_live,
            "peak_used": stats.peak_used,
            "peak_utilisation": self.peak_utilisation,
            "free_blocks": stats.free_blocks,
            "largest_free": stats.largest_free,
            "external_fragmentation": stats.external_fragmentation,
            "nanoseconds_per_operation": self.nanoseconds_per_operation,
            "leaked_blocks": stats.live_blocks,
            "leaked_bytes": stats.requested,
            "skipped": [note._asdict() for note in self.skipped],
        }

    def lines(self) -> list[str]:
        """The figures for a person to read, without line ends."""
        stats = self.stats
        rows = [
            ("trace", f"{self.name} ({self.format})"),
            ("operations", f"{self.operations:,}"),
            ("failures", failures_in_words(self)),
            ("region", region_in_words(self)),
            ("peak utilisation", utilisation_in_words(self)),
            ("free blocks", f"{stats.free_blocks:,} (the largest: {stats.largest_free:,} bytes)"),
            ("external fragmentation", f"{stats.external_fragmentation:.2%}"),
            ("time per operation", f"{self.nanoseconds_per_operation:.1f} ns"),
            ("blocks still live", f"{stats.live_blocks:,} ({stats.requested:,} bytes)"),
        ]
        rows += [("note", str(note)) for note in self.skipped]
        table = [f"{title:<24}{value}" for title, value in rows]
        return [*interruption(self), *table]


def interruption(report: Report) -> list[str]:
    """The line above the figures of a replay that was cut short; none for a whole one."""
    if not report.interrupted:
        return []
    return [f"interrupted at operation {report.completed} of {report.operations}; until then:"]


def failures_in_words(report: Report) -> str:
    """How many operations failed, and which was the first."""
    if not report.failures:
        return "0"
    return f"{report.failures:,}, the first at operation {report.first_failure + 1:,}"


def region_in_words(report: Report) -> str:
    """How large the region was, and how it was kept."""
    layout = "" if report.headers else ", no headers"
    return f"{report.region:,} bytes, {report.policy}{layout}"


def utilisation_in_words(report: Report) -> str:
    """Peak utilisation with the two numbers that it is made of."""
    stats = report.stats
    ratio = f"{report.peak_utilisation:.2%}"
    return f"{ratio} ({report.peak_live:,} of {stats.peak_used:,} bytes)"
