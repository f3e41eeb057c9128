"""Why a request failed, in words: what `OutOfMemory` says when it is read.

What is free is either too little, or in pieces that are too small, or large enough and yet has no
place that is aligned as it was asked for; or it is large enough alone, but not beside what comes
before in a batch. The last two show in the largest piece, the others in the sum: memory that would
do if it were in one piece is fragmented. Then the live blocks that stand between the two largest
pieces are the ones to free, or to allocate elsewhere the next time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glassheap import _core
from glassheap.errors import HeapError

if TYPE_CHECKING:
    from glassheap.errors import OutOfMemory
    from glassheap.records import BlockInfo

GRANULE = 16
"""What every payload starts at a multiple of, asked or not."""
SHOWN = 3
"""Live blocks that are told one by one."""


def explain(error: OutOfMemory) -> str:
    """All the sentences.  O(n) in the blocks of the heap."""
    sentences = [
        _core._describe_shortage(
            error.requested, error.available, error.largest, error.free_blocks, error.align
        ),
        cause(error),
        obstacles(error) if is_fragmented(error) else "",
    ]
    return " ".join(filter(None, sentences))


def is_misaligned(error: OutOfMemory) -> bool:
    """Whether the largest piece would have served the request, had any place in it done."""
    return error.free_blocks > 0 and error.largest >= error.requested and error.align > GRANULE


def is_crowded(error: OutOfMemory) -> bool:
    """Whether the largest piece would have served the request, had it come first in its batch."""
    return error.largest >= max(error.requested, 1) and error.align <= GRANULE


def is_fragmented(error: OutOfMemory) -> bool:
    """Whether the memory that is free would have served the request in one piece."""
    enough = error.available >= error.requested and error.free_blocks > 1
    return enough and error.largest < error.requested


def cause(error: OutOfMemory) -> str:
    """Memory, alignment, the batch, or fragmentation and its index."""
    if is_misaligned(error):
        place = f"a multiple of {error.align}"
        return f"The cause is the alignment: no free block has room from {place} on."
    if is_crowded(error):
        return "The cause is the batch: what comes before in it takes the room."
    if not is_fragmented(error):
        return "The cause is a lack of memory."
    index = f"(fragmentation index {error.fragmentation_index:.2f})"
    return f"The cause is fragmentation {index}: in one piece, what is free would do."


def obstacles(error: OutOfMemory) -> str:
    """What stands between the two largest free blocks, as the heap is now; empty if unknown."""
    blocks = blocks_now(getattr(error, "heap", None))
    free = [place for place, block in enumerate(blocks) if not block.live]
    largest = sorted(sorted(free, key=lambda place: -blocks[place].size)[:2])
    if len(largest) < 2:
        return ""
    between = [block for block in blocks[slice(*largest)] if block.live]
    sizes = " and ".join(str(blocks[place].size) for place in largest)
    return f"Between the largest two, of {sizes} bytes, {described(between)}"


def blocks_now(heap: object) -> list[BlockInfo]:
    """The blocks of the heap; none where it is closed, be it by another thread at this moment."""
    if not isinstance(heap, _core.Heap):
        return []
    try:
        return heap.walk()
    except HeapError:
        return []


def described(live: list[BlockInfo]) -> str:
    """The live blocks, the first few one by one."""
    told = ", ".join(f"{block.size} bytes at {block.address:#x}" for block in live[:SHOWN])
    if not live:
        return "no live block stands."
    if len(live) == 1:
        return f"one live block stands: {told}."
    return f"{len(live)} live blocks stand: {told}{', and others' if len(live) > SHOWN else ''}."
