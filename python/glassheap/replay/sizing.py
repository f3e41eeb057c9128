"""How large a region must be before it is worth trying.

No policy can do with less than the bytes that are taken at the fullest moment: for each live block
16 bytes of header, unless the heap has none, and its size rounded up to 16; all of that rounded up
to a power of two where the blocks are buddies.  A replay that is to grow until it fits starts from
there, and not from one page, so it seldom needs more than a few attempts.

A trace may ask for what no region can hold.  Growing towards that would never end, so an operation
of such a size is `impossible`: it is left out of the reckoning, and fails when it is replayed.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from glassheap.traces import FREE, Trace

GRANULE = 16
HEADER = 16
PAGE = 4096
LARGEST_REGION = 2**36 - GRANULE
"""The largest region (bytes) that a heap can manage."""


class Layout(NamedTuple):
    """What a block takes beside the bytes asked for."""

    header: int = HEADER
    """Bytes in front of each payload."""
    powers_of_two: bool = False
    """Whether a block is rounded up to a power of two."""

    def extent(self, size: int) -> int:
        """The bytes that a block of `size` takes in all, a granule at least."""
        taken = max(self.header + round_up(size, GRANULE), GRANULE)
        return 1 << (taken - 1).bit_length() if self.powers_of_two else taken


CLASSIC = Layout()


def layout(policy: str, headers: bool) -> Layout:
    """How the blocks of such a heap are laid out."""
    return Layout(HEADER if headers else 0, powers_of_two=policy == "buddy")


class Demand(NamedTuple):
    """What a trace needs at least."""

    bytes: int
    """The smallest region that could hold the fullest moment, in whole pages."""
    impossible: list[int]
    """The indexes of the operations that ask for more than the limit, ascending."""


def demand(trace: Trace, limit: int, blocks: Layout = CLASSIC) -> Demand:
    """The smallest region worth trying, if no region may be larger than `limit` bytes.  O(n)."""
    taken = [0] * trace.id_count
    total = peak = 0
    impossible = []
    operations = zip(trace.kinds, trace.ids, trace.sizes, strict=True)
    for index, (kind, block, size) in enumerate(operations):
        extent = 0 if kind == FREE else blocks.extent(size)
        if extent > limit:
            impossible.append(index)
            continue
        total += extent - taken[block]
        taken[block] = extent
        if total > peak:
            peak = total
    return Demand(min(limit, max(PAGE, round_up(peak, PAGE))), impossible)


def grown(size: int, limit: int) -> int:
    """The next region to try after one of `size` bytes: a quarter more, in whole pages."""
    return min(limit, round_up(size + size // 4, PAGE))


def memory_limit() -> int:
    """The largest region (bytes) that a replay grows to by itself: at most the machine's memory."""
    try:
        physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # a system that does not tell
        return LARGEST_REGION
    return min(LARGEST_REGION, physical // PAGE * PAGE) if physical > 0 else LARGEST_REGION


def round_up(size: int, unit: int) -> int:
    """The least multiple of `unit` (a power of two) that is not below `size`."""
    return (size + unit - 1) & -unit
