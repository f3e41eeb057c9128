"""The contract of every placement policy, with and without headers.

The choice of a block is specific to the policy and is tested elsewhere. These tests protect the
common promises: blocks are complete and do not overlap, freed memory is reusable, and a refused
call changes nothing.
"""

from __future__ import annotations

import io
import itertools
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import glassheap
from fault_fixture import KINDS, Kind, PreparedHeap
from heap_probes import (
    ADDRESS_ORDERED_POLICIES,
    assert_sound,
    extent_for,
    first_block_address,
    front,
    overwrite,
    peek,
    refused,
    region_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Callable

every_kind = pytest.mark.parametrize("kind", KINDS, ids=str)


def churned(kind: Kind, size: int, seed: int, **options: bool) -> tuple[glassheap.Heap, list[int]]:
    """A heap after random operations, and the addresses of its live blocks."""
    rng = random.Random(seed)
    heap = kind.heap(size, **options)
    live: list[int] = []
    for _ in range(200):
        if live and rng.random() < 0.45:
            heap.free(live.pop(rng.randrange(len(live))))
        elif heap.largest_free() > size // 8:
            align = rng.choice([16] * 9 + [64])
            live.append(heap.malloc(rng.randrange(size // 24), align=align))
    return heap, live


# --- Blocks. --------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(3))
@every_kind
def test_freeing_every_block_restores_the_initial_state(kind: Kind, seed: int) -> None:
    """Compared byte for byte, because no payload was written."""
    first = kind.heap(8192)
    heap, live = churned(kind, 8192, seed)
    assert_sound(heap)
    random.Random(seed).shuffle(live)
    heap.free_many(live[::2])
    for address in live[1::2]:
        heap.free(address)
    assert_sound(heap)
    assert region_bytes(heap) == region_bytes(first)
    assert heap.walk() == [
        info._replace(
            start=info.start - first.base + heap.base, address=info.address - first.base + heap.base
        )
        for info in first.walk()
    ]


@every_kind
def test_blocks_freed_in_any_order_merge_completely(kind: Kind) -> None:
    heap = kind.heap(4096)
    first = region_bytes(heap), heap.free_list()
    for order in itertools.permutations(range(4)):
        addresses = heap.malloc_many([0, 16, 100, 1900])
        for i in order:
            heap.free(addresses[i])
            assert_sound(heap)
        assert (region_bytes(heap), heap.free_list()) == first


@pytest.mark.parametrize("seed", range(3))
@every_kind
def test_the_largest_free_size_can_be_allocated_and_one_byte_more_cannot(
    kind: Kind, seed: int
) -> None:
    """OutOfMemory if and only if no free block can serve the request."""
    heap, live = churned(kind, 4096, seed)
    rng = random.Random(seed)
    while heap.free_list():
        largest = heap.largest_free()
        with refused(heap, glassheap.OutOfMemory):
            heap.malloc(largest + 1)
        address = heap.malloc(largest)
        assert heap.usable_size(address) >= largest
        if live and rng.random() < 0.7:
            heap.free(address)
            heap.free(live.pop(rng.randrange(len(live))))
    assert heap.available_memory() == heap.largest_free() == 0
    assert_sound(heap)


@every_kind
def test_blocks_are_disjoint_have_their_size_and_keep_their_contents(kind: Kind) -> None:
    heap = kind.heap(1 << 16)
    addresses = heap.malloc_many(range(0, 200, 3))
    for address, size in zip(addresses, range(0, 200, 3), strict=True):
        usable = heap.usable_size(address)
        assert size <= usable == extent_for(heap, size) - front(heap)
        assert len(heap.view(address)) == (size if heap.headers else usable)
        overwrite(heap, address - heap.base, bytes([address // 16 % 251]) * usable)
    for address in addresses:
        assert set(peek(heap, address - heap.base, heap.usable_size(address))) <= {
            address // 16 % 251
        }
    assert_sound(heap)


@pytest.mark.parametrize("align", [1, 16, 32, 64, 256, 1024])
@every_kind
def test_an_alignment_holds_for_the_address_and_for_the_real_address(
    kind: Kind, align: int
) -> None:
    heap = kind.heap(1 << 14)
    before = heap.walk()
    addresses = [heap.malloc(8), heap.malloc(40, align=align), heap.malloc(0, align=align)]
    for address in addresses[1:]:
        real = heap.address + address - heap.base
        assert address % max(align, 16) == real % max(align, 16) == 0
    assert_sound(heap)
    moved = heap.realloc(addresses[0], 100, align=align)
    assert moved % align == 0
    heap.free_many([moved, *addresses[1:]])
    assert heap.walk() == before


@every_kind
def test_a_new_block_contains_none_of_the_heaps_own_bytes(kind: Kind) -> None:
    """Only the heap writes to the region here, so every new payload must be zero."""
    rng = random.Random(3)
    heap, live = churned(kind, 8192, 3)
    for _ in range(100):
        heap.free(live.pop(rng.randrange(len(live))))
        if rng.random() < 0.5 and heap.largest_free() > 200:
            place = rng.randrange(len(live))
            live[place] = heap.realloc(live[place], rng.randrange(200))
        live.append(heap.malloc(rng.randrange(heap.largest_free() // 2)))
        for address in live:
            assert not any(peek(heap, address - heap.base, heap.usable_size(address)))


@every_kind
def test_calloc_clears_the_old_contents(kind: Kind) -> None:
    heap = kind.heap(4096)
    overwrite(heap, (address := heap.malloc(1800)) - heap.base, b"x" * 1800)
    heap.free(address)
    address = heap.calloc(19, 90)
    assert not any(peek(heap, address - heap.base, heap.usable_size(address)))


@pytest.mark.parametrize("zero_on_free", [True, False])
@every_kind
def test_freed_bytes_are_cleared_if_and_only_if_zero_on_free_is_set(
    kind: Kind, zero_on_free: bool
) -> None:
    """By free, a batch, a shrinking and a moving realloc, a handle, and reset."""
    heap = kind.heap(8192, zero_on_free=zero_on_free)
    addresses = heap.malloc_many([200] * 6)
    block = heap.alloc(200)
    for address in heap:
        overwrite(heap, address - heap.base, b"\xaa" * heap.usable_size(address))
    ways_to_free: list[Callable[[], object]] = [
        lambda: heap.free(addresses[0]),
        lambda: heap.free_many(addresses[1:2]),
        lambda: heap.realloc(addresses[2], 16),
        lambda: heap.realloc(addresses[4], 2000),
        block.free,
        heap.reset,
    ]
    for free in ways_to_free:
        free()
        free_bytes = [
            peek(heap, info.start - heap.base, info.extent) for info in heap.walk() if not info.live
        ]
        assert (b"\xaa" not in b"".join(free_bytes)) == zero_on_free
        assert_sound(heap)


# --- realloc. -------------------------------------------------------------------------------------
@every_kind
def test_contents_survive_any_sequence_of_reallocs_in_every_policy(kind: Kind) -> None:
    rng = random.Random(1)
    heap = kind.heap(1 << 18)
    contents = dict.fromkeys(heap.malloc_many([50] * 30), b"")
    for _ in range(300):
        address = rng.choice([*contents])
        size = rng.choice([0, rng.randrange(100), rng.randrange(700)])
        now = heap.realloc(address, size, align=rng.choice([16, 16, 64, 512]))
        kept = contents.pop(address)[:size]
        assert peek(heap, now - heap.base, len(kept)) == kept
        contents[now] = rng.randbytes(size)
        overwrite(heap, now - heap.base, contents[now])
    for address, expected in contents.items():
        assert peek(heap, address - heap.base, len(expected)) == expected
    assert_sound(heap)


@every_kind
def test_shrinking_in_place_frees_the_tail(kind: Kind) -> None:
    heap = kind.heap(4096)
    address = heap.malloc(1000)
    behind = heap.malloc(8)
    for size in (1000, 500, 499, 100, 17, 16, 0):
        before = heap.available_memory() + front(heap) * len(heap.free_list())
        extent = extent_for(heap, size)
        freed = next(i.extent for i in heap.walk() if i.address == address) - extent
        assert heap.realloc(address, size) == address
        assert next(i.extent for i in heap.walk() if i.address == address) == extent
        after = heap.available_memory() + front(heap) * len(heap.free_list())
        assert after - before == freed
        assert behind in heap
        assert_sound(heap)


@every_kind
def test_growing_into_a_free_neighbour_keeps_the_address(kind: Kind) -> None:
    """For the buddy policy, the neighbour is the upper buddy."""
    heap = kind.heap(4096)
    address = heap.malloc(2000)
    heap.realloc(address, 100)
    overwrite(heap, address - heap.base, b"x" * 100)
    for size in (101, 200, 400, 900, 2000):
        assert heap.realloc(address, size) == address
        assert peek(heap, address - heap.base, 100) == b"x" * 100
        assert_sound(heap)
    assert not any(peek(heap, address - heap.base + 112, 2000 - 112))


# --- Batches. -------------------------------------------------------------------------------------
@every_kind
@settings(max_examples=25)
@given(
    seed=st.integers(0, 3),
    sizes=st.lists(st.one_of(st.integers(0, 200), st.integers(0, 3000)), max_size=12),
)
def test_a_batch_is_equivalent_to_single_calls_or_changes_nothing(
    kind: Kind, seed: int, sizes: list[int]
) -> None:
    """Everything but the seals is compared, because each heap has its own key."""
    kind = kind._replace(base=4096 if kind.base is None else kind.base)
    batch, single = (churned(kind, 4096, seed)[0] for _ in range(2))
    before = region_bytes(batch), batch.walk(), batch.free_list()
    try:
        addresses = [*batch.malloc_many(sizes)]
    except glassheap.OutOfMemory:
        assert (region_bytes(batch), batch.walk(), batch.free_list()) == before
        with pytest.raises(glassheap.OutOfMemory):
            [*map(single.malloc, sizes)]
    else:
        assert addresses == [single.malloc(size) for size in sizes]
        assert batch.free_list() == single.free_list()
        assert batch.walk() == single.walk()
        assert batch.stats() == single.stats()
    assert_sound(batch)


@every_kind
def test_a_failed_batch_does_not_affect_the_next_call(kind: Kind) -> None:
    """It restores next fit's rover, the order in a bin, and the serial."""
    kind = kind._replace(base=4096 if kind.base is None else kind.base)
    for seed in range(6):
        heap, same = (churned(kind, 4096, seed)[0] for _ in range(2))
        with refused(heap, glassheap.OutOfMemory):
            heap.malloc_many([8, 100, 40, 8, 200, 16, 5000])
        for size in (8, 30, 100, 8, 16, 200):
            assert heap.malloc(size) == same.malloc(size)
        assert heap.walk() == same.walk()


def test_free_many_frees_all_or_none(any_prepared: PreparedHeap) -> None:
    p = any_prepared
    for bad in (p.freed, p.merged, p.first, p.second + 16, p.third + 1, 1 << 60, 2**200, -1):
        with refused(p.heap, glassheap.InvalidPointer):
            p.heap.free_many([p.first, p.second, bad, p.third])
    with p.heap.view(p.second), refused(p.heap, BufferError):
        p.heap.free_many([p.first, p.second])
    p.heap.free_many([None, p.third, 0, p.first, p.twin, p.second])
    assert len(p.heap) == 0
    assert_sound(p.heap)


# --- Queries. -------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(2))
@every_kind
def test_the_statistics_follow_from_the_walk(kind: Kind, seed: int) -> None:
    heap, live = churned(kind, 8192, seed)
    walk = heap.walk()
    taken = [info for info in walk if info.live]
    offers = [info.size for info in walk if not info.live]
    stats = heap.stats()
    assert (stats.size, stats.live_blocks, stats.free_blocks) == (8192, len(live), len(offers))
    assert stats.requested == sum(info.size for info in taken)
    assert stats.overhead == sum(info.extent - info.size for info in taken)
    assert stats.used == max(info.start + info.extent for info in taken) - heap.base
    assert (stats.available, stats.largest_free) == (sum(offers), max(offers))
    assert stats.external_fragmentation == pytest.approx(1 - max(offers) / sum(offers))
    assert stats.mallocs - stats.frees == len(live)
    assert stats.peak_used >= stats.used
    assert stats.peak_requested >= stats.requested


@every_kind
def test_the_free_list_is_printed_in_list_order(kind: Kind) -> None:
    heap, _ = churned(kind, 8192, 2)
    out = io.StringIO()
    heap.print_free_list(file=out)
    assert out.getvalue() == "->".join(f"Free({size})" for _, size in heap.free_list()) + "\n"
    if kind.policy in ADDRESS_ORDERED_POLICIES:
        assert heap.free_list() == sorted(heap.free_list())


@every_kind
def test_reset_restores_a_fresh_heap(kind: Kind) -> None:
    heap, live = churned(kind, 4096, 1)
    fresh = kind.heap(4096)
    heap.reset()
    assert region_bytes(heap) == region_bytes(fresh)
    assert [b.size for b in heap.free_list()] == [b.size for b in fresh.free_list()]
    for address in live:
        with refused(heap, glassheap.DoubleFree):
            heap.free(address)
    assert heap.malloc(10) - heap.base == fresh.malloc(10) - fresh.base
    assert_sound(heap)


# --- Damage: each fault has its test in test_fault_table.py. --------------------------------------
@pytest.mark.parametrize("which", [0, -1])
def test_a_damaged_node_does_not_affect_the_walk(any_prepared: PreparedHeap, which: int) -> None:
    heap = any_prepared.heap
    places = [(info.start, info.extent, info.live) for info in heap.walk()]
    block = heap.free_list()[which]
    overwrite(heap, block.address - heap.base, (block.size ^ 16).to_bytes(8, "little"))
    assert [(info.start, info.extent, info.live) for info in heap.walk()] == places
    assert len(heap.free_list()) < heap.stats().free_blocks
    assert len(heap.check()) == 1
    heap.reset()
    assert sum(info.extent for info in heap.walk()) == heap.base + heap.size - first_block_address(
        heap
    )


def test_without_headers_a_full_payload_damages_no_neighbour() -> None:
    """The bytes before a payload belong to another payload, and not to a header."""
    for kind in KINDS:
        if not kind.headers:
            prepared = kind.prepared()
            room = prepared.heap.usable_size(prepared.first)
            overwrite(prepared.heap, prepared.offset(prepared.first), b"x" * room)
            prepared.heap.free(prepared.second)
            assert_sound(prepared.heap)
