"""With checks="debug", bytes behind a payload and in free memory are watched: a row each.

Each row is committed on every policy, layout and kind of region.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import pytest

import glassheap
from fault_fixture import DEBUG_CONFIGURATIONS, Configuration, PreparedHeap
from fault_rows import (
    OF_AN_ADDRESS,
    Row,
    commit_and_find,
    damage,
    meet_and_find,
    on_each,
    take_all,
    take_all_at_once,
)
from heap_probes import BACK, FILL, front, overwrite, peek

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fault_rows import Call

# --- Behind a payload. ----------------------------------------------------------------------------


class Behind(NamedTuple):
    """Where behind a payload is written, and which index is told; both from where it ends."""

    first: int
    length: int
    told: int


BEHIND = {
    "the first byte behind": Behind(0, 1, 0),
    "in the rounding": Behind(5, 1, 5),
    "the last of the rounding": Behind(11, 1, 11),
    "over all of the rounding": Behind(0, 12, 0),
    "into the trailer": Behind(10, 10, 10),
}


def overflowed(behind: Behind, prepared: PreparedHeap) -> glassheap.Block:
    """A block of 100 bytes that was written behind; 112 are its granules."""
    block = prepared.heap.alloc(100)
    place = block.address - prepared.heap.base + 100 + behind.first
    old = peek(prepared.heap, place, behind.length)
    overwrite(prepared.heap, place, bytes(byte ^ 0x5A for byte in old))
    return block


def overflow(
    behind: Behind, prepared: PreparedHeap, block: glassheap.Block, name: str
) -> Mapping[str, object]:
    """Without headers the trailer is what knows the size: broken, it leaves the extent."""
    size, told = 100, 100 + behind.told
    end = next(i.extent for i in prepared.heap.walk() if i.address == block.address)
    end -= front(prepared.heap) + BACK
    if not prepared.heap.headers and 100 + behind.first + behind.length > end:
        size = told = end
    return damage(prepared.offset(block.address), "redzone", size, told)


def at_its_address(call: Call) -> Call:
    return lambda prepared, block: call(prepared, block.address)


OF_WHAT_OVERFLOWED: dict[str, Call] = {
    **{name: at_its_address(call) for name, call in OF_AN_ADDRESS.items()},
    "realloc to less": lambda b, block: b.heap.realloc(block.address, 1),
    "realloc to more": lambda b, block: b.heap.realloc(block.address, 500),
    "Block.free": lambda b, block: block.free(),
    "memoryview": lambda b, block: memoryview(block),
}


@pytest.mark.parametrize("row", BEHIND.values(), ids=BEHIND)
def test_an_overflow_is_found_and_contained(row: Behind) -> None:
    overflowed_here, figures = partial(overflowed, row), partial(overflow, row)
    kind = Row(glassheap.OverflowDetected, overflowed_here, OF_WHAT_OVERFLOWED, figures)
    on_each(DEBUG_CONFIGURATIONS, partial(commit_and_find, kind))


# --- In free memory. ------------------------------------------------------------------------------

PLACES: dict[str, Callable[[int], int]] = {
    "right behind the node": lambda extent: 16,
    "in the middle": lambda extent: 16 + (extent - 16) // 2,
    "the last byte": lambda extent: extent - 1,
}


def free_memory(prepared: PreparedHeap) -> list[glassheap.BlockInfo]:
    """The free blocks that are larger than a node, and so may serve a request."""
    return [i for i in prepared.heap.walk() if not i.live and i.size > 0]


def write_free(
    place: Callable[[int], int], which: int, prepared: PreparedHeap
) -> Mapping[str, object]:
    """Write a byte into that free block; the attributes of what the heap must raise."""
    block = free_memory(prepared)[which]
    offset = block.start - prepared.heap.base + place(block.extent)
    overwrite(prepared.heap, offset, b"\x07")
    return damage(offset, "fill", FILL, 7)


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_write_into_freed_memory_is_met_at_reuse_and_found_by_check(
    place: Callable[[int], int],
) -> None:
    def check(configuration: Configuration) -> None:
        for which in range(len(free_memory(configuration.prepared()))):
            write = partial(write_free, place, which)
            meet_and_find(
                configuration, glassheap.WriteAfterFree, write, take_all, take_all_at_once
            )

    on_each(DEBUG_CONFIGURATIONS, check)
