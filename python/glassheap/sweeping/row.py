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
    """The number of the first of them in the trace, from 1; None if none failed."""
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
    first_failure_kind: str | None
    """'malloc' or 'realloc', of the first failure; None if none failed."""
    first_failure_size: int | None
    """The bytes that it asked for."""
    first_failure_align: int | None
    """The alignment that it asked for, in bytes; 0 if it asked for none."""
    first_failure_tag: str | None
    """Its tag; "" if it has none."""
    first_failure_thread: int | None
    """Its thread; 0 if the file states none."""
    first_failure_cause: str | None
    """'exhausted', 'fragmented' or 'alignment'."""
    fragmentation_index: float | None
    """Near 1 if fragmentation is the cause, near 0 or below it if it is a lack of memory."""
    johnstone_wilson_1: float
    """The mean of used / requested - 1, over the operations after which any byte is live."""
    johnstone_wilson_2: float
    """The same ratio at the peak of the bytes requested."""
    johnstone_wilson_3: float
    """The same ratio at the peak of the bytes used."""
    johnstone_wilson_4: float
    """The ratio of the two peaks, less 1."""
    johnstone_wilson_1_of_taken: float
    """The four measures against the bytes that live blocks take, with headers and rounding."""
    johnstone_wilson_2_of_taken: float
    johnstone_wilson_3_of_taken: float
    johnstone_wilson_4_of_taken: float
    unusable_request: int
    """The request for `unusable_free`: the 99th percentile of the trace's sizes."""
    sawicki_fragmentation: float
    """1 - the sum of the squares of the free sizes over the square of their sum, at the end."""
    pigweed_fragmentation: float
    """1 - the root of the sum of the squares of the free sizes over their sum, at the end."""
    unusable_free: float
    """The share of the free bytes in blocks that are too small for that request, at the end."""
    peak_operation: int
    """The operation at the peak of the bytes requested; -1 without one."""
    free_blocks_at_peak: int
    """Free blocks then."""
    external_fragmentation_at_peak: float
    """The measures of the free blocks then."""
    sawicki_fragmentation_at_peak: float
    pigweed_fragmentation_at_peak: float
    unusable_free_at_peak: float
    internal_fragmentation: float
    """The share of the live blocks' bytes that was not requested, at the peak."""
    header_fragmentation: float
    """The share of their headers."""
    rounding_fragmentation: float
    """The share by which their sizes are rounded up."""
    blowup: float
    """The peak of used over that of requested."""
    searched_per_operation: float | None
    """Free blocks that the policy's rule looks at; None if the model does not count them."""

    @property
    def part(self) -> Part:
        """What was replayed."""
        return Part(*self[:6])


def row_of(part: Part, report: Report) -> Row:
    """The row of a report."""
    figures = report.record() | part._asdict()
    return Row(*(figures[name] for name in Row._fields))  # type: ignore[arg-type]
