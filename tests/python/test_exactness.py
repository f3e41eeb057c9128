"""The exact effect of each call on the region: placement, headers and nodes, freed memory."""

from __future__ import annotations

import io
import itertools
import random

import pytest

import glassheap
from heap_probes import (
    FRONT,
    GRANULE,
    NIL,
    Node,
    assert_sound,
    header_at,
    overwrite,
    peek,
    region_bytes,
)
from reference_heap import ReferenceHeap


def printed(heap: glassheap.Heap) -> str:
    out = io.StringIO()
    heap.print_free_list(file=out)
    return out.getvalue()


def test_a_fresh_page_is_one_free_block_of_4080_bytes(based_heap: glassheap.Heap) -> None:
    assert based_heap.free_list() == [glassheap.FreeBlock(based_heap.base, 4080)]
    assert based_heap.available_memory() == based_heap.largest_free() == 4080
    assert region_bytes(based_heap) == Node(4080, NIL, NIL).pack() + bytes(4080)
    assert_sound(based_heap)


def test_malloc_100_leaves_3952(based_heap: glassheap.Heap) -> None:
    address = based_heap.malloc(100)
    assert address == based_heap.base + FRONT
    assert printed(based_heap) == "Free(3952)\n"
    assert based_heap.walk() == [
        (based_heap.base, address, 100, 128, True, 1),
        (based_heap.base + 128, based_heap.base + 144, 3952, 3968, False, 0),
    ]
    assert_sound(based_heap)


def test_the_magic_number_is_eight_bytes_before_the_payload(heap: glassheap.Heap) -> None:
    """The documented layout: size u64, magic u32, serial u16, seal u16, payload."""
    place = heap.malloc(100) - heap.base
    assert place == 16
    assert int.from_bytes(peek(heap, place - 8, 4), "little") == 0xDEADBEEF
    assert header_at(heap, 0)[:3] == (100, 0xDEADBEEF, 1)


def test_the_extent_of_a_block_is_a_header_and_its_size_rounded_up() -> None:
    for size in range(130):
        with glassheap.Heap(4096) as heap:
            address = heap.malloc(size)
            assert heap.walk()[0].extent == 16 + -(-size // 16) * 16
            assert heap.usable_size(address) == -(-size // 16) * 16
            assert heap.walk()[0].size == len(heap.view(address)) == size
            assert_sound(heap)


def test_all_usable_bytes_can_be_written(any_heap: glassheap.Heap) -> None:
    addresses = any_heap.malloc_many(range(40))
    for address in addresses:
        overwrite(any_heap, address - any_heap.base, b"\xff" * any_heap.usable_size(address))
    assert any_heap.check() == []
    any_heap.free_many(addresses)
    assert_sound(any_heap)


def test_the_free_list_is_printed_in_address_order(heap: glassheap.Heap) -> None:
    addresses = heap.malloc_many([112, 8, 40, 8])
    assert printed(heap) == "Free(3824)\n"
    heap.free(addresses[2])
    assert printed(heap) == "Free(48)->Free(3824)\n"
    heap.free(addresses[0])
    assert printed(heap) == "Free(112)->Free(48)->Free(3824)\n"
    heap.malloc(heap.largest_free())
    assert printed(heap) == "Free(112)->Free(48)\n"
    heap.free(heap.malloc_many([112, 48])[0])
    assert printed(heap) == "Free(112)\n"
    heap.malloc(100)
    assert printed(heap) == "(none)\n"


def test_the_lowest_block_that_fits_is_taken(heap: glassheap.Heap) -> None:
    low, _, middle, _, high, _ = heap.malloc_many([32, 8, 64, 8, 48, 8])
    heap.free_many([high, low, middle])
    assert heap.malloc(33) == middle
    assert heap.malloc(33) == high
    assert heap.malloc(32) == low


@pytest.mark.parametrize("order", [*itertools.permutations(range(5))])
def test_freeing_all_blocks_in_any_order_restores_the_initial_state(order: tuple[int, ...]) -> None:
    """Compared byte for byte: no payload was written, and no old header may remain."""
    heap = glassheap.Heap(4096)
    first = region_bytes(heap)
    addresses = heap.malloc_many([0, 1, 16, 100, 3000])
    for i in order:
        heap.free(addresses[i])
        assert_sound(heap)
    assert heap.free_list() == [(heap.base, 4080)]
    assert region_bytes(heap) == first


@pytest.mark.parametrize("seed", range(6))
def test_emptying_a_churned_heap_restores_the_initial_state(seed: int) -> None:
    rng = random.Random(seed)
    heap = glassheap.Heap(1 << 16)
    first = region_bytes(heap)
    live = [heap.malloc(rng.randrange(300)) for _ in range(150)]
    for _ in range(400):
        heap.free(live.pop(rng.randrange(len(live))))
        live.append(heap.malloc(rng.randrange(300)))
    assert_sound(heap)
    rng.shuffle(live)
    heap.free_many(live)
    assert region_bytes(heap) == first
    assert heap.stats().live_blocks == heap.stats().requested == heap.stats().used == 0


# --- Every short sequence. ------------------------------------------------------------------------

SMALL_REGION = 7 * GRANULE
SHORT = 6


def every_sequence(length: int) -> list[tuple[int, ...]]:
    """0, 1 and 2 allocate that many granules; 3, 4 and 5 free the first, second or third block."""
    return [*itertools.product(range(6), repeat=length)]


def run(heap: glassheap.Heap, model: ReferenceHeap, steps: tuple[int, ...]) -> bool:
    """Run the steps on both; False if a step cannot be run, which makes the sequence redundant."""
    for step in steps:
        live = model.live()
        if step < 3:
            size = step * GRANULE
            fits = any(block.size >= size for block in model.free_list())
            if not fits:
                return False
            assert heap.malloc(size) == model.malloc(size)
        elif step - 3 < len(live):
            address = model.base + live[step - 3].payload
            heap.free(address)
            model.free(address)
        else:
            return False
    return True


def test_every_short_sequence_on_a_tiny_region_agrees_with_the_model() -> None:
    """The exhaustive test covers boundary cases that random sequences miss."""
    ended = 0
    heap = glassheap.Heap(SMALL_REGION)
    for steps in every_sequence(SHORT):
        heap.reset()
        model = ReferenceHeap(SMALL_REGION, heap.base)
        if run(heap, model, steps):
            ended += 1
            places = [info[:4] for info in heap.walk()]
            assert places == [info[:4] for info in model.walk()], steps
            assert_sound(heap)
    assert ended > 3000


# --- Alignment. -----------------------------------------------------------------------------------


@pytest.mark.parametrize("align", [1 << i for i in range(11)])
def test_an_alignment_holds_for_every_base_and_for_the_real_address(
    based_heap: glassheap.Heap, align: int
) -> None:
    heap = based_heap
    heap.malloc(8)
    address = heap.malloc(40, align=align)
    real = heap.address + address - heap.base
    assert address % max(align, 16) == real % max(align, 16) == 0
    assert_sound(heap)


@pytest.mark.parametrize("size", [64, 100, 1009, 4081, 65521, 1 << 20])
def test_the_largest_alignment_is_a_quarter_of_the_region(size: int) -> None:
    """A quarter of the size after rounding up; the real address is aligned, too."""
    heap = glassheap.Heap(size, base=0)
    largest = 1 << (heap.size.bit_length() - 3)
    with pytest.raises(glassheap.InvalidAlignment, match=f"up to {largest}, a quarter"):
        heap.malloc(1, align=2 * largest)
    address = heap.malloc(1, align=largest)
    assert address % largest == (heap.address + address) % largest == 0
    assert_sound(heap)


def test_the_gap_in_front_of_an_aligned_block_is_free() -> None:
    """The block is at the lowest aligned place, and the gap can be allocated."""
    heap = glassheap.Heap(4096, base=0)
    assert heap.malloc(40, align=1024) == 1024
    assert heap.free_list() == [(0, 992), (1072, 3008)]
    assert heap.malloc(8, align=1024) == 2048
    assert heap.malloc(992) == 16
    assert_sound(heap)


def test_a_free_block_without_room_for_the_gap_is_skipped() -> None:
    heap = glassheap.Heap(1024, base=0)
    addresses = heap.malloc_many([112, 16, 128, 16])
    heap.free_many([addresses[0], addresses[2]])
    assert heap.free_list() == [(0, 112), (160, 128), (336, 672)]
    assert heap.malloc(112, align=128) == 384
    assert heap.malloc(96, align=64) == 192
    assert_sound(heap)


# --- Smallest and largest regions and blocks. -----------------------------------------------------


@pytest.mark.parametrize("size", [*range(16, 66), 4095, 4097, 5000])
def test_a_region_is_rounded_up_to_a_granule(size: int) -> None:
    with glassheap.Heap(size) as heap:
        assert heap.size == -(-size // 16) * 16
        assert heap.free_list() == [(heap.base, heap.size - 16)]
        heap.free(heap.malloc(heap.size - 16))
        with pytest.raises(glassheap.OutOfMemory):
            heap.malloc(heap.size - 15)
        assert_sound(heap)


def test_a_region_of_sixteen_bytes_holds_one_empty_block() -> None:
    with glassheap.Heap(16) as heap:
        assert heap.largest_free() == heap.available_memory() == 0
        address = heap.malloc(0)
        assert heap.free_list() == []
        assert_sound(heap)
        with pytest.raises(glassheap.OutOfMemory):
            heap.malloc(0)
        heap.free(address)
        assert_sound(heap)


def test_malloc_0_returns_distinct_blocks_without_payload(heap: glassheap.Heap) -> None:
    addresses = [heap.malloc(0) for _ in range(256)]
    assert len(set(addresses)) == 256
    assert len(heap) == 256
    assert heap.free_list() == []
    assert heap.stats().requested == 0
    assert len(heap.view(addresses[7])) == 0
    heap.free_many(addresses)
    assert_sound(heap)


def test_a_remainder_of_sixteen_bytes_is_a_free_block_of_size_0() -> None:
    """A remainder is never added to the extent of the allocated block."""
    heap = glassheap.Heap(64)
    heap.malloc(32)
    assert heap.free_list() == [(heap.base + 48, 0)]
    heap.malloc(0)
    assert heap.free_list() == []
    assert_sound(heap)


@pytest.mark.parametrize("seed", range(4))
def test_the_largest_free_size_can_be_allocated_and_one_byte_more_cannot(seed: int) -> None:
    """OutOfMemory if and only if no free block can serve the request."""
    rng = random.Random(seed)
    heap = glassheap.Heap(4096)
    live: list[int] = []
    for _ in range(200):
        largest = heap.largest_free()
        with pytest.raises(glassheap.OutOfMemory):
            heap.malloc(largest + 1)
        if heap.free_list():
            heap.free(heap.malloc(largest))
            live.append(heap.malloc(rng.randrange(min(largest, 200) + 1)))
        if live and rng.random() < 0.6:
            heap.free(live.pop(rng.randrange(len(live))))
    assert_sound(heap)
