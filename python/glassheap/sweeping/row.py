"""A row of the results: what was replayed, and its figures, in plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from glassheap.sweeping.parts import Part

if TYPE_CHECKING:
    from glassheap.replay import Report


class Row(NamedTuple):
    """The result of one replay, as pandas and polars take it.  All sizes are in bytes.

    pandas.DataFrame(glassheap.sweep(["app.rep"]))
    """

    trace: str
    """The name of the trace."""
    content: str
    """The digest of its operations."""
    policy: str
    """The placement policy."""
    headers: bool
    """True if the heap had headers."""
    granule: int | None
    """The granule of an offset heap; None for a `Heap`."""
    size: int | None
    """The size asked for; None if the region was grown until the trace fitted."""
    region: int
    """The size of the region."""
    operations: int
    """The number of operations in the trace."""
    failures: int
    """Operations that failed for lack of space."""
    first_failure: int | None
    """The index of the first of them; None if none failed."""
    first_failure_line: int | None
    """Its line in the file, counted from 1."""
    peak_requested: int
    """The maximum of the bytes requested in live blocks."""
    peak_used: int
    """The bytes of the region ever in use, up to the end of the highest live block."""
    peak_utilisation: float
    """The first of the peaks over the second: 0 to 1."""
    free_blocks: int
    """Free blocks at the end."""
    largest_free: int
    """The largest of them."""
    external_fragmentation: float
    """1 - the largest free block over all free bytes at the end."""
    nanoseconds_per_operation: float
    """The mean time of an operation, measured beside the other workers."""
    leaked_blocks: int
    """Blocks still live at the end."""
    leaked_bytes: int
    """The bytes requested in them."""

    @property
    def part(self) -> Part:
        """What was replayed."""
        return Part(*self[:6])


def row_of(part: Part, report: Report, line: int | None) -> Row:
    """The row of a report; `line` is that of the first failure."""
    figures = report.as_dict() | part._asdict() | {"first_failure_line": line}
    return Row(*(figures[name] for name in Row._fields))  # type: ignore[arg-type]
