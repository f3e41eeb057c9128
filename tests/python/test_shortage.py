"""OutOfMemory explains itself when it is read: its numbers, and what then stands in the way.

The sentences for each cause are compared in tests/cpp/explain_test.cpp.
"""

from __future__ import annotations

import pickle

import pytest

import glassheap


def refused(heap: glassheap.Heap, size: int, align: int = 16) -> glassheap.OutOfMemory:
    with pytest.raises(glassheap.OutOfMemory) as caught:
        heap.malloc(size, align=align)
    return caught.value


def striped(blocks: int) -> tuple[glassheap.Heap, list[int]]:
    """A heap full of blocks of 48 bytes; every second one is free."""
    heap = glassheap.Heap(64 * blocks, base=0)
    addresses = [heap.malloc(48) for _ in range(blocks)]
    for address in addresses[::2]:
        heap.free(address)
    return heap, addresses


def test_freeing_the_named_blocks_mends_fragmentation() -> None:
    heap, addresses = striped(6)
    error = refused(heap, 100)
    assert error.fragmentation_index == 1 - (1 + 3 * 48 / 100) / 3
    assert str(error).startswith("fragmented: no free block can hold 100 bytes: ")
    assert "(fragmentation index 0.19)" in str(error)
    assert f"one live block stands: 48 bytes at {addresses[1]:#x}." in str(error)
    heap.free(addresses[1])
    assert heap.malloc(100) == addresses[0]


def test_what_a_batch_asks_for_before_may_be_the_cause() -> None:
    """The numbers are of the heap as it is when the batch has been taken back."""
    heap = glassheap.Heap(4096, base=0)
    for sizes, cause in (
        ([8, 4060], "beside the earlier sizes of the batch"),
        ([8, 5000], ": 4080"),
    ):
        with pytest.raises(glassheap.OutOfMemory) as caught:
            heap.malloc_many(sizes)
        error = caught.value
        assert (error.requested, error.available, error.largest) == (sizes[1], 4080, 4080)
        assert str(error).startswith(f"exhausted: no free block can hold {sizes[1]} bytes")
        assert cause in str(error)
        assert error.diagnosis.cause == "exhausted"


def test_the_numbers_are_of_the_call_and_the_obstacles_of_now() -> None:
    heap, _ = striped(6)
    error = refused(heap, 100)
    assert "live block stands" in str(error)
    heap.reset()
    assert (error.requested, error.available, error.free_blocks) == (100, 144, 3)
    assert "the free memory would do. Free something" in str(error)
    heap.close()
    assert "the free memory would do. Free something" in str(error)


def test_a_size_beyond_64_bits_is_told_exactly() -> None:
    error = refused(glassheap.Heap(4096), 2**200)
    assert error.requested == 2**200
    assert "2^64 - 1 bytes or more" in str(error)


def test_a_copy_from_another_process_keeps_text_and_numbers() -> None:
    heap, _ = striped(6)
    error = refused(heap, 100)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is glassheap.OutOfMemory
    assert str(copy) == str(error)
    assert copy.fragmentation_index == error.fragmentation_index
    assert not hasattr(copy, "heap")


def test_the_text_is_made_by_the_heap_alone() -> None:
    """A subclass may override walk(): the text does not call it."""

    class Unwalkable(glassheap.Heap):
        def walk(self) -> list[glassheap.BlockInfo]:
            raise AssertionError

    heap = Unwalkable(48, base=0)
    heap.malloc(0)
    heap.free(heap.malloc(0))
    assert str(refused(heap, 100)).startswith("exhausted: ")


def test_a_text_of_ones_own_stays() -> None:
    assert str(glassheap.OutOfMemory("no room at the inn")) == "no room at the inn"
