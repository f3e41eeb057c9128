"""A Block whose memory was freed is stale, even if another block has its address."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

import glassheap
from heap_probes import assert_sound, refused

if TYPE_CHECKING:
    from collections.abc import Callable


def freed_by_address(heap: glassheap.Heap, block: glassheap.Block) -> None:
    heap.free(block.address)


def freed_in_a_batch(heap: glassheap.Heap, block: glassheap.Block) -> None:
    heap.free_many([block.address])


def freed_and_address_reused(heap: glassheap.Heap, block: glassheap.Block) -> None:
    heap.free(block.address)
    assert heap.malloc(block.size) == block.address


def moved(heap: glassheap.Heap, block: glassheap.Block) -> None:
    heap.malloc(1)
    assert heap.realloc(block.address, 500) != block.address


def reset(heap: glassheap.Heap, block: glassheap.Block) -> None:
    heap.reset()


def freed_by_itself(heap: glassheap.Heap, block: glassheap.Block) -> None:
    block.free()


STALE = [
    freed_by_address,
    freed_in_a_batch,
    freed_and_address_reused,
    moved,
    reset,
    freed_by_itself,
]


@pytest.mark.parametrize("make_stale", STALE)
def test_a_stale_block_refuses_every_use(
    heap: glassheap.Heap, make_stale: Callable[[glassheap.Heap, glassheap.Block], None]
) -> None:
    block = heap.alloc(100)
    make_stale(heap, block)
    assert not block.live
    assert ", stale>" in repr(block)
    for use in (block.free, lambda: memoryview(block), lambda: bytes(block)):
        with refused(heap, glassheap.StaleHandle, "this Block is stale:") as caught:
            use()
        assert getattr(caught.value, "address", None) == block.address
    assert_sound(heap)


@pytest.mark.parametrize("make_stale", STALE)
def test_collecting_a_stale_block_frees_nothing(
    heap: glassheap.Heap, make_stale: Callable[[glassheap.Heap, glassheap.Block], None]
) -> None:
    """In particular it does not free another block at its address."""
    block = heap.alloc(100)
    make_stale(heap, block)
    walk, frees = heap.walk(), heap.stats().frees
    del block
    gc.collect()
    assert heap.walk() == walk
    assert heap.stats().frees == frees


def test_a_with_statement_raises_at_its_end_if_the_block_is_stale(any_heap: glassheap.Heap) -> None:
    with pytest.raises(glassheap.StaleHandle), any_heap.alloc(8) as block:
        any_heap.free(block.address)


def test_a_block_is_stale_after_resets_even_if_its_serial_repeats() -> None:
    """A serial has 16 bits; a handle also stores the number of resets."""
    heap = glassheap.Heap(1 << 21)
    block = heap.alloc(8)
    heap.reset()
    heap.malloc_many([0] * 65535)
    heap.reset()
    address = heap.malloc(8)
    assert (address, heap.walk()[0].serial) == (block.address, block.serial)
    assert not block.live
    with refused(heap, glassheap.StaleHandle):
        block.free()


def test_a_block_shrunk_in_place_is_not_stale(heap: glassheap.Heap) -> None:
    """`realloc` in place resizes the same block."""
    block = heap.alloc(100)
    assert heap.realloc(block.address, 50) == block.address
    assert block.live
    assert len(memoryview(block)) == 50
    block.free()
    assert_sound(heap)
