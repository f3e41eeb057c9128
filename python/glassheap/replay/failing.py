"""The first request that a region could not serve, and what was free at that moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from glassheap.errors import InvalidAlignment, OutOfMemory
from glassheap.replay.metrics import fragmentation_index
from glassheap.replay.stepping import alignment
from glassheap.traces import MALLOC

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glassheap import BlockInfo, Heap
    from glassheap.owners import Cause, Diagnosis
    from glassheap.traces import Trace


class Failure(NamedTuple):
    """A request that failed, and what was free at that moment."""

    operation: int
    """The number of the operation in the trace: the first is 1."""
    line: int
    """Its line in the file."""
    kind: str
    """'malloc' or 'realloc'."""
    size: int
    """Bytes asked for."""
    align: int
    """The alignment asked for, in bytes; 0 if none was."""
    tag: str
    """Its tag; "" if it has none."""
    thread: int
    """Its thread; 0 if the file states none."""
    cause: Cause
    """'exhausted': the request exceeds what is free. 'fragmented': enough is free, but not in one
    piece. 'alignment': a free block is large enough, but not from an aligned address on, or the
    alignment is more than a quarter of the region."""
    available: int
    """Bytes that all free blocks offer."""
    largest_free: int
    """Bytes that the largest offers."""
    free_blocks: int
    """Their number."""
    shortfall: int | None
    """Bytes that are missing, as `Diagnosis.shortfall`, but in bytes asked for: a heap without
    headers counts those that it has rounded up to."""
    fragmentation_index: float
    """1 - (1 + available / size) / free_blocks, at least 0: near 1 if fragmentation is the cause,
    near 0 if it is a lack of memory.  That of the `OutOfMemory`."""


def failure(trace: Trace, heap: Heap, index: int, sizes: Mapping[int, int]) -> Failure:
    """The failure of the operation at `index`, before which the heap stands.  O(n log n).

    `sizes` are the bytes asked for in the live blocks, by their addresses.
    """
    size, align = trace.sizes[index], alignment(trace, index)
    lacks = refusal(heap, size, align)
    stats = heap.stats()
    return Failure(
        operation=index + 1,
        line=trace.lines[index],
        kind=kind_of(trace, index),
        size=size,
        align=align,
        tag=tag_of(trace, index),
        thread=thread_of(trace, index),
        cause=lacks.cause if lacks else "alignment",
        available=stats.available,
        largest_free=stats.largest_free,
        free_blocks=stats.free_blocks,
        shortfall=shortfall(lacks, heap, size, align, sizes) if lacks else None,
        fragmentation_index=fragmentation_index(stats.available, stats.free_blocks, size),
    )


def refusal(heap: Heap, size: int, align: int) -> Diagnosis | None:
    """What the heap lacks for a request, which is made once more; None for a wrong alignment.

    A realloc that fails has found no place for the whole block, so it is a malloc here.
    """
    try:
        heap.malloc(size, align=max(heap.granule, align))
    except InvalidAlignment:
        return None
    except OutOfMemory as error:
        return error.diagnosis
    raise AssertionError(f"the heap serves {size} bytes, which it had refused")


def shortfall(
    lacks: Diagnosis, heap: Heap, size: int, align: int, sizes: Mapping[int, int]
) -> int | None:
    """The bytes that are missing, in bytes asked for."""
    if heap.headers or lacks.shortfall is None or lacks.cause == "exhausted":
        return lacks.shortfall

    def cost(block: BlockInfo) -> int:
        return sizes[block.address]

    release = heap.cheapest(size, align=max(heap.granule, align), cost=cost)
    return int(release.cost) if release else None


def kind_of(trace: Trace, index: int) -> str:
    """'malloc' or 'realloc', for an operation that is no free."""
    return "malloc" if trace.kinds[index] == MALLOC else "realloc"


def tag_of(trace: Trace, index: int) -> str:
    """The tag of an operation; "" without one."""
    return trace.tag_names[trace.tags[index]] if trace.tags else ""


def thread_of(trace: Trace, index: int) -> int:
    """The thread of an operation; 0 without one."""
    return trace.threads[index] if trace.threads else 0
