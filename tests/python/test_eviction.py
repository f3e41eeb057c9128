"""Evict to fit: the cheapest live blocks whose release makes room for a request.

That the answer is equal to brute force, eviction_test.cpp tests for heaps of every kind. Here are
the costs in all their forms, the record, and the sentences.
"""

from __future__ import annotations

import math
import pickle
from array import array
from contextlib import suppress
from typing import Any

import pytest

from glassheap import (
    BlockInfo,
    Eviction,
    Heap,
    HeapClosed,
    InvalidAlignment,
    InvalidSize,
    OutOfMemory,
    SharedHeap,
)


def full_heap(*sizes: int, **options: Any) -> tuple[Heap, list[int]]:
    """A heap of blocks of these sizes and no other byte, and their addresses."""
    heap = Heap(sum(sizes), base=4096, headers=False, **options)
    return heap, [heap.malloc(size) for size in sizes]


def sizes(eviction: Eviction | None) -> list[int]:
    """The sizes of the blocks to evict."""
    assert eviction is not None
    return [block.size for block in eviction.blocks]


def test_by_default_the_cost_is_the_size() -> None:
    heap, _ = full_heap(64, 256, 32, 32, 48)
    found = heap.cheapest(60)
    assert sizes(found) == [64]
    assert found is not None
    assert found == ([heap.walk()[0]], 64.0, 4096, 64)
    assert sizes(heap.cheapest(65)) == [32, 48]


def test_the_record_describes_the_hole_that_a_release_leaves() -> None:
    heap = Heap(1024)
    blocks = [heap.malloc(100) for _ in range(4)]
    heap.free(blocks[0])
    found = heap.cheapest(700, cost=lambda block: block.size)
    assert found is not None
    for block in found.blocks:
        heap.free(block.address)
    assert any(
        not block.live and (block.address, block.size) == (found.address, found.size)
        for block in heap.walk()
    )
    assert repr(found).startswith("Eviction(blocks=[BlockInfo(start=0x")
    assert f"address={found.address:#x}" in repr(found)


def test_what_fits_now_costs_nothing(any_heap: Heap) -> None:
    found = any_heap.cheapest(100)
    assert found is not None
    assert (found.blocks, found.cost) == ([], 0.0)


def test_what_no_set_serves_is_none(any_heap: Heap) -> None:
    any_heap.malloc(100)
    assert any_heap.cheapest(5000) is None
    assert any_heap.cheapest(2**200) is None


def test_none_pins_a_block() -> None:
    heap, addresses = full_heap(64, 64, 64, 64)
    found = heap.cheapest(128, cost=lambda block: None if block.address == addresses[1] else 1)
    assert found is not None
    assert [block.address for block in found.blocks] == addresses[2:]
    assert heap.cheapest(192, cost=lambda b: None if b.address == addresses[1] else 1) is None


def test_a_block_with_a_view_stays() -> None:
    heap, addresses = full_heap(64, 64)
    with heap.view(addresses[0]):
        found = heap.cheapest(64)
        assert found is not None
        assert [block.address for block in found.blocks] == addresses[1:]
        assert heap.cheapest(128) is None
    assert sizes(heap.cheapest(128)) == [64, 64]


def test_of_equal_sets_the_lowest_is_chosen() -> None:
    heap, addresses = full_heap(64, 64, 64, 64)
    found = heap.cheapest(128, cost=lambda _: 0)
    assert found is not None
    assert [block.address for block in found.blocks] == addresses[:2]


def test_costs_in_a_buffer_are_those_of_the_live_blocks_in_order() -> None:
    heap, addresses = full_heap(64, 64, 64, 64)
    heap.free(addresses[1])
    found = heap.cheapest(128, cost=array("d", [7, 5, math.inf]))
    assert found is not None
    assert (found.blocks[0].address, found.cost) == (addresses[2], 5.0)
    every_second = memoryview(array("d", [1, -9, 5, -9, 3, -9]))[::2]
    assert heap.cheapest(64 * 3, cost=every_second).cost == 6.0  # type: ignore[union-attr]


def test_large_and_small_costs_do_not_blur_each_other() -> None:
    """A sliding sum that subtracts would lose the small ones behind the large one."""
    heap, addresses = full_heap(*[64] * 6)
    found = heap.cheapest(128, cost=array("d", [1e300, 1e300, 3, 2, 1, 7]))
    assert found is not None
    assert ([block.address for block in found.blocks], found.cost) == (addresses[3:5], 3.0)


def test_cost_may_call_the_heap_and_sees_each_block_once() -> None:
    heap, _ = full_heap(64, 64, 64)
    seen: list[BlockInfo] = []

    def cost(block: BlockInfo) -> int:
        seen.append(block)
        heap.free(block.address)
        return 1

    before = heap.walk()
    assert sizes(heap.cheapest(192, cost=cost)) == [64, 64, 64]
    assert seen == before
    assert len(heap) == 0


@pytest.mark.parametrize(
    ("cost", "error", "sentence"),
    [
        (lambda _: -1, ValueError, "a cost is a number from 0 upwards, or None to keep the "),
        (lambda _: math.nan, ValueError, r"and that of BlockInfo\(.*\) is NaN\."),
        (lambda _: "x", TypeError, r"cost must return a number or None, not str\."),
        (lambda _: 1 // 0, ZeroDivisionError, "division"),
        (lambda _: 10**400, OverflowError, "too large"),
        (array("d", [1]), ValueError, "cost has 1 numbers, and the heap has 2 live blocks: "),
        (array("d", [1, -1]), ValueError, "that of the block with the index 1 is negative"),
        (array("q", [1, 1]), TypeError, r"must be one row of doubles, as in array\('d'\)\."),
        (5, TypeError, "cost must be a function of a block or a buffer of doubles, not int"),
    ],
)
def test_a_wrong_cost_is_told_and_changes_nothing(cost: Any, error: type, sentence: str) -> None:
    heap, _ = full_heap(64, 64)
    before = heap.walk(), heap.stats()
    with pytest.raises(error, match=sentence):
        heap.cheapest(100, cost=cost)
    assert (heap.walk(), heap.stats()) == before


def test_a_wrong_request_is_told_as_by_malloc() -> None:
    heap, _ = full_heap(64, 64)
    with pytest.raises(InvalidSize):
        heap.cheapest(-1)
    with pytest.raises(InvalidAlignment):
        heap.cheapest(1, align=3)
    heap.close()
    with pytest.raises(HeapClosed):
        heap.cheapest(1)


def test_blocks_of_other_processes_are_candidates() -> None:
    with SharedHeap.create(size=4096, headers=False) as heap:
        other = SharedHeap.attach(heap.name)
        theirs = other.malloc(heap.largest_free())
        found = heap.cheapest(1000)
        assert found is not None
        assert [block.address for block in found.blocks] == [theirs]
        other.close()


# --- malloc(evict=...). ---------------------------------------------------------------------------


class Cache:
    """Evicts what it is told to, and remembers it."""

    def __init__(self, heap: Heap) -> None:
        self.heap = heap
        self.evicted: list[list[BlockInfo]] = []

    def __call__(self, blocks: list[BlockInfo]) -> None:
        self.evicted.append([*blocks])
        for block in blocks:
            self.heap.free(block.address)


def test_malloc_and_alloc_evict_the_cheapest_blocks(any_heap: Heap) -> None:
    with suppress(OutOfMemory):
        while any_heap.malloc(100):
            pass
    cache = Cache(any_heap)
    address = any_heap.malloc(300, evict=cache)
    assert address in any_heap
    assert len(cache.evicted) == 1
    block = any_heap.alloc(300, align=64, evict=cache)
    assert (block.size, block.address % 64) == (300, 0)


def test_evict_is_not_called_without_a_shortage(heap: Heap) -> None:
    assert heap.malloc(100, evict=Cache(heap)) == heap.walk()[0].address
    assert heap.malloc(100, align=64, evict=None) % 64 == 0


def test_a_request_that_no_eviction_serves_says_so() -> None:
    heap, addresses = full_heap(64, 64)
    cache = Cache(heap)
    with pytest.raises(
        OutOfMemory, match="No live blocks that may be freed would make room for it"
    ):
        heap.malloc(200, evict=cache)
    with heap.view(addresses[0]), pytest.raises(OutOfMemory, match="No live blocks"):
        heap.malloc(128, evict=cache)
    assert cache.evicted == []


@pytest.mark.parametrize("call", ["malloc", "alloc"])
def test_a_callback_that_frees_nothing_is_called_once(call: str) -> None:
    heap, addresses = full_heap(64, 64, 64)
    calls: list[int] = []
    with pytest.raises(
        OutOfMemory,
        match=r"evict was called once, the last time with 2 blocks, and freed none of them\.$",
    ):
        getattr(heap, call)(100, evict=lambda blocks: calls.append(len(blocks)))
    assert calls == [2]
    assert [*heap] == addresses


def test_a_callback_may_free_other_blocks() -> None:
    heap, addresses = full_heap(64, 64, 64, 64)
    assert heap.malloc(128, evict=lambda _: heap.free_many(addresses[2:])) == addresses[2]


def test_a_callback_that_frees_the_wrong_blocks_is_told_of_it() -> None:
    heap, addresses = full_heap(64, 64, 64, 64)
    with pytest.raises(OutOfMemory, match="and freed none of them") as refused:
        heap.malloc(128, evict=lambda _: heap.free(addresses[3]))
    assert refused.value.available == 64
    copy = pickle.loads(pickle.dumps(refused.value))
    assert str(copy) == str(refused.value)


def test_a_callback_that_lets_others_take_the_room_is_called_eight_times() -> None:
    heap = Heap(272)
    heap.malloc(256)
    calls: list[int] = []

    def take(blocks: list[BlockInfo]) -> None:
        calls.append(len(blocks))
        Cache(heap)(blocks)
        heap.malloc(16)

    with pytest.raises(
        OutOfMemory, match="evict was called 8 times, the last time with 1 block, and freed all of"
    ):
        heap.malloc(256, evict=take)
    assert calls == [1] * 8


def test_what_a_callback_raises_passes_through() -> None:
    heap, addresses = full_heap(64, 64)
    with pytest.raises(ZeroDivisionError):
        heap.malloc(64, evict=lambda _: 1 // 0)
    assert [*heap] == addresses


def test_a_callback_may_allocate_with_eviction_itself() -> None:
    heap, addresses = full_heap(64, 64, 64, 64)
    cache = Cache(heap)

    def evict(blocks: list[BlockInfo]) -> None:
        cache(blocks)
        if len(cache.evicted) == 1:
            assert heap.malloc(192, evict=cache) == addresses[0]

    assert heap.malloc(128, evict=evict) == addresses[0]
    assert [len(blocks) for blocks in cache.evicted] == [2, 1, 1]


def test_a_closed_heap_refuses_in_the_callback_and_after_it() -> None:
    heap, _ = full_heap(64, 64)
    with pytest.raises(HeapClosed):
        heap.malloc(64, evict=lambda _: heap.close())


@pytest.mark.parametrize("evict", [5, "x", []])
def test_evict_is_a_function(heap: Heap, evict: Any) -> None:
    with pytest.raises(TypeError, match=r"evict must be a function of a list of blocks, not "):
        heap.malloc(100, evict=evict)
    assert len(heap) == 0
