"""The figures of a replay.

Peak utilisation is the measure of the malloc labs: the maximum of the bytes requested in live
blocks, divided by the bytes of the region ever in use (up to the end of the highest live block).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from glassheap.replay.record import record_of
from glassheap.replay.report_text import report_lines

if TYPE_CHECKING:
    from glassheap import Heap, HeapStats
    from glassheap.replay.failing import Failure
    from glassheap.replay.measuring import Measures
    from glassheap.replay.record import Record
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
    """The number of the first failed operation, of which the first is 1; 0 without one."""
    nanoseconds: int
    """Time spent in the heap, the sum over all operations; the median of several rounds if it was
    compared with the C library."""
    skipped: tuple[Note, ...]
    """The oddities found while the trace was read."""
    policy: str
    """The heap's placement policy."""
    headers: bool
    """True if the heap has headers; without them its `stats` count all writable bytes as
    requested."""
    peak_live: int
    """The maximum of the bytes requested in live blocks, as exactly as it can be determined."""
    stats: HeapStats
    """The heap's statistics at the end of the replay."""
    heap: Heap
    """The heap, with all blocks that were live at the end."""
    measures: Measures | None = None
    """The measures of fragmentation; None if the replay was interrupted."""
    libc_nanoseconds_per_operation: float | None = None
    """The mean time of an operation of the same trace on malloc and free of the C library; None if
    it was not played there."""

    @property
    def interrupted(self) -> bool:
        """True if the replay ended before the trace did."""
        return self.completed < self.operations

    @property
    def region(self) -> int:
        """The size of the region."""
        return self.stats.size

    @property
    def live_at_end(self) -> int:
        """The bytes requested in blocks that are live at the end, as exactly as `peak_live`."""
        return self.measures.live_at_end if self.measures else self.stats.requested

    @property
    def peak_utilisation(self) -> float:
        """The peak of the live bytes over that of the used bytes: 0 to 1 (1 if none was used)."""
        return self.peak_live / self.stats.peak_used if self.stats.peak_used else 1.0

    @property
    def nanoseconds_per_operation(self) -> float:
        """The mean time of an operation (0 if none was played)."""
        return self.nanoseconds / self.completed if self.completed else 0.0

    @property
    def failure(self) -> Failure | None:
        """The first failure; None if nothing failed, or if the replay was interrupted."""
        return self.measures.failure if self.measures else None

    def record(self) -> Record:
        """The figures by name: plain values, or None.  Every record has the same names.

        pandas.DataFrame([report.record() for report in compare(trace)])
        """
        return record_of(self)

    def as_dict(self) -> dict[str, object]:
        """The record, and the oddities of the trace, in types that `json.dumps` accepts."""
        return {**self.record(), "skipped": [note._asdict() for note in self.skipped]}

    def lines(self) -> list[str]:
        """The figures as lines of text, without line ends."""
        return report_lines(self)
