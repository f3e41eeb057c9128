"""Every misuse, a row each: what is done, which class is raised with which attributes; no trace.

Each row is committed on every kind of region, policy and layout, and on a sample of debug heaps.
What overwritten bytes do is in test_damage.py.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

import glassheap
from fault_fixture import (
    ALIGNMENT_CALLS,
    CONFIGURATIONS,
    DEBUG_CONFIGURATIONS,
    MUTATING_CALLS,
    SIZE_CALLS,
    Configuration,
    PreparedHeap,
)
from fault_rows import (
    OF_AN_ADDRESS,
    Row,
    assert_refused_by_all,
    assert_sentence,
    constant,
    on_each,
    rows,
)
from heap_probes import GRANULE, assert_sound, front, overwrite, peek

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fault_rows import Call, Given

DEBUG_SAMPLE = [
    configuration
    for configuration in DEBUG_CONFIGURATIONS
    if configuration.region == "pages" and configuration.policy in {"first_fit", "buddy"}
]
"""A debug heap refuses as every heap does; what it finds besides has rows of its own."""
# --- Addresses at which no live block is. ---------------------------------------------------------


def end(prepared: PreparedHeap) -> int:
    return prepared.heap.base + prepared.heap.size


def last_free_granule(prepared: PreparedHeap) -> int:
    """Where a payload could be, in the largest free block."""
    block = max(prepared.heap.free_list(), key=lambda block: block.size)
    return block.address + front(prepared.heap) + block.size - GRANULE


def freed_empty(*order: int) -> Given:
    """Of empty blocks behind one of 32 bytes, these are freed in this order; the first's address.

    An empty block has its payload where the next block starts: where that is, is nothing of it.
    """

    def free(prepared: PreparedHeap) -> int:
        prepared.heap.reset()
        blocks = prepared.heap.malloc_many([32, 0, 0, 0, 8])
        for place in order:
            prepared.heap.free(blocks[place])
        return blocks[order[0]]

    return free


def after_reset(prepared: PreparedHeap) -> int:
    prepared.heap.reset()
    return prepared.second


def at_the_regions_end(prepared: PreparedHeap) -> int:
    """An empty block, merged: its payload would start where the region ends."""
    heap = prepared.heap
    heap.reset()
    last = 0
    while heap.free_list():
        last = heap.malloc(0)
    for block in sorted(heap, reverse=True):
        heap.free(block)
    return last


FREE: dict[str, Given] = {
    "freed": lambda b: b.freed,
    "freed, then its left neighbour": lambda b: b.merged,
    "freed, then merged with a hole": lambda b: b.gone,
    "freed, then merged with the top": lambda b: b.stale.address,
    "empty": freed_empty(2),
    "empty, merged with the left": freed_empty(2, 1),
    "empty, merged with the right": freed_empty(2, 3),
    "empty, merged with both": freed_empty(2, 1, 3),
    "empty, merged into one with a payload": freed_empty(1, 0),
    "empty, at the region's end": at_the_regions_end,
    "never handed out": last_free_granule,
    "freed by a reset": after_reset,
}


def forge_header(prepared: PreparedHeap) -> int:
    """All sixteen bytes that stand in front of a real payload, with their seal."""
    header = peek(prepared.heap, prepared.second - prepared.heap.base - GRANULE, GRANULE)
    overwrite(prepared.heap, prepared.third - prepared.heap.base + 64, header)
    return prepared.third + 64 + GRANULE


def owner(prepared: PreparedHeap, address: int, name: str) -> str:
    """The remedy is the payload's address of the block that is there."""
    (owner,) = (i for i in prepared.heap.walk() if i.start <= address < i.start + i.extent)
    return f"Pass {owner.address:#x}, which is."


INSIDE: dict[str, Given] = {
    "in a payload": lambda b: b.third + 32,
    "in the last granule": lambda b: b.second + 192,
    "in the rounding": lambda b: b.first + 96,
    "a forged header": forge_header,
}
MISALIGNED: dict[str, Given] = {
    "off by one": lambda b: b.first + 1,
    "off by minus one": lambda b: b.third - 1,
    "off by eight": lambda b: b.third + 8,
    "free and odd": lambda b: b.freed + 15,
}
FOREIGN: dict[str, Given] = {
    "below": lambda b: b.heap.base - GRANULE,
    "just behind": end,
    "behind and odd": lambda b: end(b) + 1,
    "another heap's": lambda b: glassheap.Heap(base=1 << 45).malloc(8),
    **constant(2**63, 2**64 - 16, 2**64 - 1, 2**64, 2**200, -1, -(2**63), -(2**200)),
    "2^64 + a live one": lambda b: 2**64 + b.first,
    "minus a live one": lambda b: -b.first,
}

# --- Arguments: sizes, alignments, and what is no number. -----------------------------------------


def shortage(prepared: PreparedHeap, size: int, name: str) -> Mapping[str, object]:
    """More than the region has is a lack of memory, in however many pieces it is."""
    free = [info.size for info in prepared.heap.walk() if not info.live]
    figures = {"requested": size, "available": sum(free), "largest": max(free)}
    figures |= {"free_blocks": len(free), "align": 64 if "align" in name else 16}
    return {**figures, "heap": prepared.heap}


def size_argument(name: str) -> str:
    return {"calloc, as a count": "count", "malloc_many": "each size"}.get(name, "size")


def negative(prepared: PreparedHeap, size: int, name: str) -> str:
    return f"{size_argument(name)} counts from 0 upwards, and {size} is negative."


def no_size(prepared: PreparedHeap, given: object, name: str) -> str:
    return f"{size_argument(name)} must be a whole number, not {type(given).__name__}."


def no_number(argument: str, prepared: PreparedHeap, given: object, name: str) -> str:
    return f"{argument} must be a whole number, not {type(given).__name__}."


def bad_alignment(prepared: PreparedHeap, align: int, name: str) -> str:
    largest = 1 << (prepared.heap.size.bit_length() - 3)
    return f" up to {largest}, a quarter of this region, and {align} is not."


TOO_MUCH = constant(4097, 2**32, 2**36, 2**63 - 1, 2**63, 2**63 + 1, 2**64, 2**64 + 8, 2**200)
TOO_MUCH |= constant(*(2**64 - k for k in (1, 2, 8, 15, 16, 17, 4096)))
NEGATIVE = constant(-1, -16, -(2**63), -(2**200))
BAD_ALIGNMENTS = constant(0, 3, 5, 17, 24, 1023, 2048, 4096)
BAD_ALIGNMENTS |= constant(2**63, 2**64, 2**64 + 16, 2**200, -1, -16)
NONSENSE = constant(1.5, 8.0, "8", b"8", [8], (), 8j)

# --- Views and handles. ---------------------------------------------------------------------------

CLOSING: dict[str, Call] = {
    "close": lambda b, view: b.heap.close(),
    "with": lambda b, view: b.heap.__exit__(None, None, None),
}
MOVING: dict[str, Call] = {
    "free": lambda b, view: b.heap.free(b.first),
    "realloc": lambda b, view: b.heap.realloc(b.first, 10),
    "realloc to the same size": lambda b, view: b.heap.realloc(b.first, 100),
    "realloc to more": lambda b, view: b.heap.realloc(b.first, 500),
    "free_many": lambda b, view: b.heap.free_many([b.second, b.first]),
    "reset": lambda b, view: b.heap.reset(),
    **CLOSING,
}


def pinned(prepared: PreparedHeap, view: object, name: str) -> str:
    return f"a view of the block at {prepared.first:#x} is still alive."


OF_A_HANDLE: dict[str, Call] = {
    "free": lambda b, block: block.free(),
    "memoryview": lambda b, block: memoryview(block),
    "bytes": lambda b, block: bytes(block),
}

# --- The table. -----------------------------------------------------------------------------------

TABLE = [
    *rows(glassheap.DoubleFree, FREE, OF_AN_ADDRESS),
    *rows(glassheap.InteriorPointer, INSIDE, OF_AN_ADDRESS, says=owner),
    *rows(glassheap.MisalignedPointer, MISALIGNED, OF_AN_ADDRESS),
    *rows(glassheap.ForeignPointer, FOREIGN, OF_AN_ADDRESS),
    *rows(TypeError, NONSENSE, OF_AN_ADDRESS, says=partial(no_number, "address")),
    *rows(glassheap.OutOfMemory, TOO_MUCH, SIZE_CALLS, figures=shortage),
    *rows(glassheap.InvalidSize, NEGATIVE, SIZE_CALLS, says=negative),
    *rows(TypeError, {**NONSENSE, **constant(None)}, SIZE_CALLS, says=no_size),
    *rows(glassheap.InvalidAlignment, BAD_ALIGNMENTS, ALIGNMENT_CALLS, says=bad_alignment),
    *rows(TypeError, constant(16.0, "16", None), ALIGNMENT_CALLS, says=partial(no_number, "align")),
    *rows(BufferError, {"a view": lambda b: b.heap.view(b.first)}, MOVING, says=pinned),
    *rows(BufferError, {"a view of the region": lambda b: b.heap.region}, CLOSING),
    *rows(glassheap.StaleHandle, {"merged since": lambda b: b.stale}, OF_A_HANDLE),
]


def commit(row: Row, configuration: Configuration) -> None:
    prepared = configuration.prepared()
    assert_refused_by_all(row, prepared)
    assert_sound(prepared.heap)


@pytest.mark.parametrize("row", TABLE)
def test_a_fault_is_named_and_leaves_no_trace(row: Row) -> None:
    on_each([*CONFIGURATIONS, *DEBUG_SAMPLE], lambda configuration: commit(row, configuration))


@pytest.mark.parametrize("call", MUTATING_CALLS.values(), ids=MUTATING_CALLS)
def test_a_closed_heap_refuses_every_change(call: Callable[[PreparedHeap], object]) -> None:
    def check(configuration: Configuration) -> None:
        prepared = configuration.prepared()
        prepared.heap.close()
        with pytest.raises(glassheap.HeapClosed) as caught:
            call(prepared)
        assert vars(caught.value) == {}
        assert_sentence(str(caught.value), glassheap.HeapClosed, {})

    on_each(CONFIGURATIONS, check)
