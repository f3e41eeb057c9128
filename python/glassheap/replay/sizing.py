"""The smallest region in which a replay can succeed.

Every policy needs at least the peak of the sum of the live blocks' extents.  An extent is a header
of 16 bytes, unless the heap has none, plus the size rounded up to 16, or to the granule of an
offset heap; for the buddy policy it is rounded up to a power of two.  A replay without a size
starts with this region, not with one page, so it seldom needs more than a few attempts.

A region serves alignments of up to a quarter of it, so it must be at least four times the largest.

A trace may request a size that no region can hold, for which growing would never end.  Such an
operation is `impossible`: it does not count here, and it fails when it is replayed.
"""

from __future__ import annotations

import os
from itertools import repeat
from typing import NamedTuple

from glassheap.traces import FREE, Trace

GRANULE = 16
HEADER = 16
PAGE = 4096
QUARTERS = 4
"""The region over the largest alignment that it serves."""
LARGEST_REGION = 2**36 - GRANULE
"""The largest region (bytes) that a heap can manage."""
LARGEST_SIZE = 2**63
"""The same for an offset heap."""


class Layout(NamedTuple):
    """The layout of a block: its header and its rounding."""

    header: int = HEADER
    """Bytes before each payload."""
    powers_of_two: bool = False
    """True if a block is rounded up to a power of two."""
    granule: int = GRANULE
    """Bytes of which an extent is a multiple."""

    @property
    def page(self) -> int:
        """Bytes of which the size of a region is a multiple."""
        return max(PAGE, self.granule)

    def extent(self, size: int) -> int:
        """The extent of a block of `size` bytes, at least a granule."""
        taken = max(self.header + round_up(size, self.granule), self.granule)
        return 1 << (taken - 1).bit_length() if self.powers_of_two else taken


CLASSIC = Layout()


def layout(policy: str, headers: bool, granule: int | None = None) -> Layout:
    """The layout of a heap's blocks; with a granule, of an offset heap's."""
    header = HEADER if headers and granule is None else 0
    return Layout(header, policy == "buddy", granule or GRANULE)


class Demand(NamedTuple):
    """The minimum for a trace."""

    bytes: int
    """The smallest region that can hold the peak of the live blocks, and that serves the largest
    alignment, in whole pages."""
    impossible: list[int]
    """The indexes of the operations that need more than the limit, ascending."""


def demand(trace: Trace, limit: int, blocks: Layout = CLASSIC) -> Demand:
    """The minimum for `trace`, if a region may have at most `limit` bytes.  O(n)."""
    taken = [0] * trace.id_count
    total = peak = 0
    impossible = []
    operations = zip(trace.kinds, trace.ids, trace.sizes, trace.aligns or repeat(0), strict=False)
    for index, (kind, block, size, align) in enumerate(operations):
        extent = 0 if kind == FREE else blocks.extent(size)
        if extent > limit or align > limit // QUARTERS:
            impossible.append(index)
            continue
        total += extent - taken[block]
        taken[block] = extent
        if total > peak:
            peak = total
    page = blocks.page
    least = max(peak, QUARTERS * largest_align(trace, blocks.granule, limit // QUARTERS))
    return Demand(min(limit, max(page, round_up(least, page))), impossible)


def largest_align(trace: Trace, granule: int, limit: int) -> int:
    """The largest alignment above `granule` and up to `limit` that is asked for; 0 without one."""
    return max((align for align in trace.aligns if granule < align <= limit), default=0)


def grown(size: int, limit: int, blocks: Layout = CLASSIC) -> int:
    """The next region to try after one of `size` bytes: a quarter more, in whole pages."""
    return min(limit, round_up(size + size // 4, blocks.page))


def size_limit(granule: int | None) -> int:
    """The largest region (bytes) to which a replay grows.

    A granule of an offset heap takes as much memory of the machine as one of a heap with bytes.
    """
    if granule is None:
        return memory_limit()
    return min(LARGEST_SIZE, memory_limit() // GRANULE * granule)


def memory_limit() -> int:
    """The largest region of memory (bytes): at most that of the machine."""
    try:
        physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # the system does not have these names
        return LARGEST_REGION
    return min(LARGEST_REGION, physical // PAGE * PAGE) if physical > 0 else LARGEST_REGION


def round_up(size: int, unit: int) -> int:
    """The smallest multiple of `unit` (a power of two) that is at least `size`."""
    return (size + unit - 1) & -unit
