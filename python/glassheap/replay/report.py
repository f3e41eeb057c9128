"""The figures of a replay, and their text.

Peak utilisation is the measure of the malloc labs: the maximum of the bytes requested in live
blocks, divided by the bytes of the region ever in use (up to the end of the highest live block).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from glassheap import OffsetHeap

if TYPE_CHECKING:
    from glassheap import Heap, HeapStats
    from glassheap.traces import Note


@dataclass(frozen=True)
class Report:
    """The result of a replay.  All sizes are in bytes."""

    name: str
    """The name of the trace."""
    format: str
    """The grammar of the trace."""
    operations: int
    """The number of operations in the trace."""
    completed: int
    """Operations played; fewer than `operations` only if the replay was interrupted."""
    failures: int
    """Operations that failed for lack of space in the heap."""
    first_failure: int
    """The index of the first failed operation, or -1."""
    nanoseconds: int
    """Time spent in the heap, the sum over all operations."""
    skipped: tuple[Note, ...]
    """The oddities found while the trace was read."""
    policy: str
    """The heap's placement policy."""
    headers: bool
    """True if the heap has headers; without them all writable bytes count as requested."""
    peak_live: int
    """The maximum of the bytes requested in live blocks, as exactly as it can be determined."""
    stats: HeapStats
    """The heap's statistics at the end of the replay."""
    heap: Heap
    """The heap, with all blocks that were live at the end."""

    @property
    def interrupted(self) -> bool:
        """True if the replay ended before the trace did."""
        return self.completed < self.operations

    @property
    def region(self) -> int:
        """The size of the region."""
        return self.stats.size

    @property
    def peak_utilisation(self) -> float:
        """The peak of the live bytes over that of the used bytes: 0 to 1 (1 if none was used)."""
        return self.peak_live / self.stats.peak_used if self.stats.peak_used else 1.0

    @property
    def nanoseconds_per_operation(self) -> float:
        """The mean time of an operation (0 if none was played)."""
        return self.nanoseconds / self.completed if self.completed else 0.0

    def as_dict(self) -> dict[str, object]:
        """The figures by name, in types that `json.dumps` accepts."""
        stats = self.stats
        return {
            "trace": self.name,
            "format": self.format,
            "policy": self.policy,
            "headers": self.headers,
            "granule": self.heap.granule,
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
        """The figures as lines of text, without line ends."""
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
    """The line above the figures of an interrupted replay; no line if it was complete."""
    if not report.interrupted:
        return []
    return [f"interrupted at operation {report.completed} of {report.operations}; until then:"]


def failures_in_words(report: Report) -> str:
    """The number of failed operations, and the first of them."""
    if not report.failures:
        return "0"
    return f"{report.failures:,}, the first at operation {report.first_failure + 1:,}"


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
