"""Out of memory explains itself: the numbers, the cause, and what stands in the way."""

from __future__ import annotations

import pickle

import pytest

import glassheap


def refused(heap: glassheap.Heap, size: int) -> glassheap.OutOfMemory:
    with pytest.raises(glassheap.OutOfMemory) as caught:
        heap.malloc(size)
    return caught.value


def striped(blocks: int) -> tuple[glassheap.Heap, list[int]]:
    """A heap full of blocks of 48 bytes; every second one is free."""
    heap = glassheap.Heap(64 * blocks, base=0)
    addresses = [heap.malloc(48) for _ in range(blocks)]
    for address in addresses[::2]:
        heap.free(address)
    return heap, addresses


def test_memory_that_would_do_in_one_piece_is_fragmented() -> None:
    heap, addresses = striped(6)
    error = refused(heap, 100)
    assert error.fragmentation_index == 1 - (1 + 3 * 48 / 100) / 3
    assert str(error) == (
        "no free block can hold 100 bytes: 144 are available in 3 free blocks, the largest of "
        "which offers 48. Free something, ask for less, or open a larger heap. The cause is "
        "fragmentation (fragmentation index 0.19): in one piece, the free memory would do. "
        "Between the largest two, of 48 and 48 bytes, one live block stands: 48 bytes at "
        f"{addresses[1]:#x}."
    )


def test_freeing_what_is_named_mends_it() -> None:
    heap, addresses = striped(6)
    assert f"{addresses[1]:#x}" in str(refused(heap, 100))
    heap.free(addresses[1])
    assert heap.malloc(100) == addresses[0]


def test_too_little_memory_is_said_to_be_too_little() -> None:
    heap, _ = striped(6)
    error = refused(heap, 145)
    assert str(error).endswith("The cause is a lack of memory.")


def test_an_alignment_that_no_large_block_serves_is_the_cause() -> None:
    heap = glassheap.Heap(1024, base=0)
    heap.malloc(0)
    with pytest.raises(glassheap.OutOfMemory) as caught:
        heap.malloc(900, align=256)
    error = caught.value
    assert error.largest > error.requested
    assert error.align == 256
    assert str(error) == (
        "no free block can hold 900 bytes at a multiple of 256: 992 are available in 1 free block, "
        "the largest of which offers 992. Free something, ask for less or for a smaller align, or "
        "open a larger heap. The cause is the alignment: no free block has room from a multiple of "
        "256 on."
    )
    assert refused(heap, 993).align == 16


def test_what_a_batch_asks_for_before_may_be_the_cause() -> None:
    """The numbers are of the heap as it is when the batch has been taken back."""
    heap = glassheap.Heap(4096, base=0)
    with pytest.raises(glassheap.OutOfMemory) as caught:
        heap.malloc_many([8, 4060])
    assert str(caught.value) == (
        "no free block can hold 4060 bytes beside the earlier sizes of the batch: 4080 are "
        "available in 1 free block, the largest of which offers 4080. Free something, ask for "
        "less, or open a larger heap. The cause is the batch: its earlier sizes take the room."
    )
    with pytest.raises(glassheap.OutOfMemory) as caught:
        heap.malloc_many([8, 5000])
    assert (caught.value.available, caught.value.largest) == (4080, 4080)
    assert str(caught.value).startswith("no free block can hold 5000 bytes: 4080 are available")
    assert str(caught.value).endswith("The cause is a lack of memory.")


def test_a_block_without_payload_wants_room_for_what_is_around_it() -> None:
    """A block of a debug heap has a trailer, so a free granule serves no request."""
    heap = glassheap.Heap(48, base=0, checks="debug")
    heap.malloc(0)
    error = refused(heap, 0)
    assert (error.available, error.largest, error.free_blocks) == (0, 0, 1)
    assert str(error).startswith("no free block can hold 0 bytes: 0 are available in 1 free block")
    assert str(error).endswith("The cause is a lack of memory.")


def test_many_obstacles_are_counted_and_the_first_ones_named() -> None:
    heap = glassheap.Heap(4096, base=0)
    first, *between, last, _ = [heap.malloc(size) for size in (400, *[100] * 6, 400, 16)]
    heap.malloc(heap.largest_free())
    heap.free(first)
    heap.free(last)
    text = str(refused(heap, 700))
    names = ", ".join(f"100 bytes at {address:#x}" for address in between[:3])
    assert f"of 400 and 400 bytes, 6 live blocks stand: {names}, and others." in text


def test_a_full_heap_has_no_index() -> None:
    heap = glassheap.Heap(64, base=0)
    heap.malloc(48)
    error = refused(heap, 1)
    assert error.fragmentation_index == 0
    assert (error.available, error.largest, error.free_blocks) == (0, 0, 0)
    assert "lack of memory" in str(error)


def test_the_numbers_are_of_the_call_and_the_obstacles_of_now() -> None:
    heap, addresses = striped(6)
    error = refused(heap, 100)
    heap.reset()
    assert (error.requested, error.available, error.free_blocks) == (100, 144, 3)
    assert "live block" not in str(error)
    heap.close()
    assert "fragmentation" in str(error)
    assert addresses


def test_a_size_beyond_64_bits_is_told_exactly() -> None:
    heap = glassheap.Heap(4096)
    error = refused(heap, 2**200)
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


def test_a_closed_heap_has_no_obstacles() -> None:
    heap, _ = striped(6)
    error = refused(heap, 100)
    assert "live block stands" in str(error)
    heap.close()
    assert str(error).endswith("the free memory would do.")


def test_the_text_is_made_by_the_heap_alone() -> None:
    """A subclass may override walk(): the text does not call it."""

    class Unwalkable(glassheap.Heap):
        def walk(self) -> list[glassheap.BlockInfo]:
            raise AssertionError

    heap = Unwalkable(48, base=0)
    heap.malloc(0)
    heap.free(heap.malloc(0))
    assert str(refused(heap, 100)).endswith("The cause is a lack of memory.")


def test_a_text_of_ones_own_stays() -> None:
    assert str(glassheap.OutOfMemory("no room at the inn")) == "no room at the inn"


@pytest.mark.parametrize("policy", [info.name for info in glassheap.policies()])
@pytest.mark.parametrize("headers", [True, False])
def test_every_policy_explains(policy: str, headers: bool) -> None:
    heap = glassheap.Heap(4096, policy=policy, headers=headers)
    assert "no free block can hold 9999 bytes" in str(refused(heap, 9999))
