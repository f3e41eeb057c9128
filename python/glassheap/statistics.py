"""The statistics of a heap, by their standard names: bytes, except for the counts and the ratios.

In the terms of the literature: `requested` is live(t); `used` is used(t), the bytes needed by a
heap that grows from its lowest address; peak_requested / peak_used is the peak utilisation of the
CS:APP malloc lab; external fragmentation is 1 - L/F, with L the largest free block and F the sum.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HeapStats:
    """A heap's counters, all read at the same moment."""

    size: int
    """Bytes in the region."""
    live_blocks: int
    """Blocks allocated and not yet freed."""
    free_blocks: int
    """Blocks in the free list."""
    requested: int
    """Bytes requested in live blocks."""
    used: int
    """Bytes from the start of the region to the end of its highest live block."""
    available: int
    """Bytes on offer in the free list: the sum of its node sizes."""
    largest_free: int
    """Bytes on offer in the largest free block."""
    overhead: int
    """Bytes of live blocks beyond the requested ones: headers and rounding."""
    peak_requested: int
    """The maximum of `requested` since the heap was opened."""
    peak_used: int
    """The maximum of `used` since the heap was opened."""
    mallocs: int
    """Blocks allocated, singly or in batches."""
    frees: int
    """Blocks freed, singly or in batches."""
    reallocs: int
    """Blocks resized by realloc, in place or moved."""
    failures: int
    """Requests that failed because no free block fits."""
    external_fragmentation: float
    """1 - largest_free / available; 0 when nothing is available."""
    recovered: int = 0
    """Number of processes that died inside a call, after which another one recovered the heap;
    always 0 for a heap that is not shared."""
    quarantined: int = 0
    """Bytes of freed blocks that wait in the quarantine. They are neither live nor in the free
    list; `used` is counted up to the highest of them, or of the live blocks."""
    waits: int = 0
    """Number of requests that had to wait for memory, of all processes that share the heap."""
    waited: float = 0
    """Seconds that these requests have waited in all, without those that still wait."""

    @property
    def peak_utilisation(self) -> float:
        """peak_requested / peak_used; 1 if the heap was never used."""
        return self.peak_requested / self.peak_used if self.peak_used else 1.0
