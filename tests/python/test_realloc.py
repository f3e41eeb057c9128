"""realloc: the place of the block, its contents, and no effect of a call that fails."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

import glassheap
from heap_probes import assert_sound, header_at, peek, refused

if TYPE_CHECKING:
    from fault_fixture import PreparedHeap


def fill(heap: glassheap.Heap, address: int) -> bytes:
    """Fill the block with bytes that differ from block to block; none of them is zero."""
    with heap.view(address) as view:
        view[:] = bytes((address // 16 + i) % 255 + 1 for i in range(len(view)))
        return bytes(view)


def content(heap: glassheap.Heap, address: int) -> bytes:
    with heap.view(address) as view:
        return bytes(view)


# --- In place. ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 99, 100, 112])
def test_shrinking_in_place_frees_the_tail(heap: glassheap.Heap, size: int) -> None:
    address, behind = heap.malloc(112), heap.malloc(8)
    before = fill(heap, address)
    assert heap.realloc(address, size) == address
    assert content(heap, address) == before[:size]
    tail = 112 - -(-size // 16) * 16
    holes = heap.free_list()[:-1]
    assert holes == ([(address + 112 - tail, tail - 16)] if tail else [])
    assert behind in heap
    assert_sound(heap)


def test_the_freed_tail_merges_with_the_free_block_behind_it(heap: glassheap.Heap) -> None:
    address = heap.malloc(112)
    assert heap.realloc(address, 16) == address
    assert heap.free_list() == [(heap.base + 32, 4048)]
    assert_sound(heap)


@pytest.mark.parametrize(("size", "rest"), [(113, 48), (128, 48), (160, 16), (177, 0), (192, 0)])
def test_growing_takes_the_low_end_of_the_free_neighbour(
    heap: glassheap.Heap, size: int, rest: int
) -> None:
    """The neighbour has 80 bytes in all; its rest stays free."""
    address, neighbour, behind = heap.malloc_many([112, 64, 8])
    heap.free(neighbour)
    before = fill(heap, address)
    assert heap.realloc(address, size) == address
    assert content(heap, address)[:112] == before
    end = address + -(-size // 16) * 16
    assert heap.free_list()[:-1] == ([(end, behind - 16 - end - 16)] if end < behind - 16 else [])
    assert_sound(heap)


def test_growing_can_take_all_of_the_top(heap: glassheap.Heap) -> None:
    address = heap.malloc(100)
    before = fill(heap, address)
    assert heap.realloc(address, 4080) == address
    assert content(heap, address)[:100] == before
    assert heap.free_list() == []
    assert_sound(heap)


def test_the_gained_bytes_contain_none_of_the_heaps_own_bytes(heap: glassheap.Heap) -> None:
    """The neighbour's node must not be visible in the payload."""
    address, neighbour, _ = heap.malloc_many([112, 64, 8])
    heap.free(neighbour)
    heap.realloc(address, 192)
    assert content(heap, address) == bytes(192)


@pytest.mark.parametrize("size", range(97, 113))
def test_a_realloc_within_the_same_granules_changes_only_the_size(
    heap: glassheap.Heap, size: int
) -> None:
    address = heap.malloc(100)
    serial = header_at(heap, 0).serial
    assert heap.realloc(address, size) == address
    assert header_at(heap, 0)[:3] == (size, 0xDEADBEEF, serial)
    assert heap.stats().requested == size
    assert heap.stats().reallocs == 1
    assert_sound(heap)


# --- Moving. --------------------------------------------------------------------------------------


def test_a_block_that_cannot_grow_in_place_moves_to_where_malloc_would_place_it(
    prepared: PreparedHeap,
) -> None:
    heap = prepared.heap
    before = fill(heap, prepared.first)
    expected = heap.malloc(140)
    heap.free(expected)
    now = heap.realloc(prepared.first, 140)
    assert now == expected == prepared.gone
    assert content(heap, now)[:100] == before
    assert prepared.first not in heap
    assert heap.free_list()[0] == (heap.base, 112)
    stats = heap.stats()
    assert (stats.reallocs, stats.frees) == (1, 5)
    assert_sound(heap)


def test_the_new_place_is_found_before_the_old_one_is_freed(heap: glassheap.Heap) -> None:
    """A block with free memory on both sides does not move down over itself."""
    left, block, _ = heap.malloc_many([100, 100, 8])
    heap.free(left)
    before = fill(heap, block)
    now = heap.realloc(block, 200)
    assert now > block
    assert content(heap, now)[:100] == before
    assert heap.free_list()[0] == (heap.base, 240)
    assert_sound(heap)


def test_a_moved_block_has_a_new_serial(heap: glassheap.Heap) -> None:
    first, _ = heap.malloc_many([8, 8])
    heap.realloc(first, 100)
    assert [info.serial for info in heap.walk() if info.live] == [2, 3]


# --- Null pointers and size 0. --------------------------------------------------------------------


@pytest.mark.parametrize("null", [None, 0])
def test_realloc_of_null_is_malloc(based_heap: glassheap.Heap, null: int | None) -> None:
    assert based_heap.realloc(null, 100) == based_heap.base + 16
    assert based_heap.realloc(null, 8, align=512) % 512 == 0
    stats = based_heap.stats()
    assert (stats.mallocs, stats.reallocs) == (2, 0)
    assert_sound(based_heap)


def test_realloc_to_0_keeps_a_block_of_size_0(heap: glassheap.Heap) -> None:
    address = heap.malloc(100)
    assert heap.realloc(address, 0) == address
    assert heap.walk()[0][:5] == (heap.base, address, 0, 16, True)
    heap.free(address)
    assert_sound(heap)


# --- Alignment. -----------------------------------------------------------------------------------


def test_an_alignment_is_not_inherited() -> None:
    """As in C, realloc must be given the alignment again."""
    heap = glassheap.Heap(4096, base=0)
    heap.malloc(220)
    aligned = heap.malloc(8, align=256)
    assert aligned == 256
    heap.malloc(8)
    assert heap.realloc(aligned, 100) == 320
    heap.malloc(8)
    assert heap.realloc(320, 200, align=256) == 512
    assert_sound(heap)


def test_a_block_without_the_requested_alignment_moves_even_if_it_shrinks() -> None:
    heap = glassheap.Heap(4096, base=0)
    address = heap.malloc(100)
    before = fill(heap, address)
    now = heap.realloc(address, 50, align=512)
    assert now == 512
    assert content(heap, now) == before[:50]
    assert heap.realloc(now, 60, align=512) == now
    assert_sound(heap)


# --- Failure. -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [3500, 4081, 2**32, 2**63, 2**64 - 16, 2**64, 2**200])
def test_a_realloc_without_room_changes_nothing(any_prepared: PreparedHeap, size: int) -> None:
    heap = any_prepared.heap
    before = fill(heap, any_prepared.second)
    largest, free_list = heap.largest_free(), heap.free_list()
    with refused(heap, glassheap.OutOfMemory) as caught:
        heap.realloc(any_prepared.second, size)
    assert getattr(caught.value, "requested", None) == size
    assert (heap.largest_free(), heap.free_list()) == (largest, free_list)
    assert content(heap, any_prepared.second) == before
    assert heap.stats().failures == 1
    assert_sound(heap)


def test_a_block_that_would_fit_only_over_itself_does_not_move(heap: glassheap.Heap) -> None:
    """The old and the new block exist at the same time, so they cannot overlap."""
    left, block = heap.malloc_many([1000, 3000])
    heap.free(left)
    before = fill(heap, block)
    with refused(heap, glassheap.OutOfMemory):
        heap.realloc(block, 3500)
    assert content(heap, block) == before
    assert_sound(heap)


# --- Random sequences. ----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_contents_survive_any_sequence_of_reallocs(seed: int) -> None:
    rng = random.Random(seed)
    heap = glassheap.Heap(1 << 15)
    contents = {address: fill(heap, address) for address in heap.malloc_many([50] * 40)}
    for _ in range(500):
        address = rng.choice([*contents])
        size = rng.choice([0, rng.randrange(100), rng.randrange(800)])
        now = heap.realloc(address, size, align=rng.choice([16, 16, 64, 512]))
        kept = contents.pop(address)[:size]
        assert content(heap, now)[: len(kept)] == kept
        contents[now] = fill(heap, now)
    for address, expected in contents.items():
        assert content(heap, address) == expected
        assert peek(heap, address - heap.base, len(expected)) == expected
    assert_sound(heap)
