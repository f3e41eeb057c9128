"""Statistics of a heap, by their standard names. All in bytes, except the counts and the ratios.

In the terms of the literature: `requested` is live(t); `used` is used(t), the size that a heap
needs which grows from its lowest address; peak_requested / peak_used is the peak utilisation of the
CS:APP malloc lab; external fragmentation is 1 - L/F, with L the largest free block and F the sum.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HeapStats:
    """The counters of a heap at one moment."""

    size: int
    """Bytes in the region."""
    live_blocks: int
    """Blocks allocated and not yet freed."""
    free_blocks: int
    """Blocks in the free list."""
    requested: int
    """Bytes asked for in live blocks."""
    used: int
    """Bytes from the start of the region to the end of its highest live block."""
    available: int
    """Bytes on offer in the free list: the sum of its node sizes."""
    largest_free: int
    """Bytes on offer in the largest free block."""
    overhead: int
    """Bytes of live blocks beyond those asked for: headers and rounding."""
    peak_requested: int
    """The maximum of `requested` since the heap was opened."""
    peak_used: int
    """The maximum of `used` since the heap was opened."""
    mallocs: int
    """Blocks allocated, one by one or many at once."""
    frees: int
    """Blocks freed, one by one or many at once."""
    reallocs: int
    """Blocks resized by realloc, in place or moved."""
    failures: int
    """Requests that no free block could serve."""
    external_fragmentation: float
    """1 - largest_free / available; 0 when nothing is available."""
    recovered: int = 0
    """Recoveries after a process died inside a call; always 0 in a heap that is not shared."""

    @property
    def peak_utilisation(self) -> float:
        """peak_requested / peak_used; 1 for a heap that was never used."""
        return self.peak_requested / self.peak_used if self.peak_used else 1.0
