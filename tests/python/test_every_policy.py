"""What holds for every placement policy, with headers and without: the contract, run on each.

Which block is handed out is the policy's own affair, and is tested elsewhere. That it is whole,
that nothing else is in it, that it comes back, and that a refused call leaves no trace, is not.
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
from bench import KINDS, Bench, Kind
from heap_probes import (
    IN_ADDRESS_ORDER,
    assert_sound,
    extent_for,
    first_place,
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
    """A heap that was worked on, and the addresses of its live blocks."""
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
def test_a_worked_heap_is_sound_and_comes_back_to_its_first_state(kind: Kind, seed: int) -> None:
    """To the byte: nobody wrote a payload."""
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
def test_freed_in_any_order_blocks_become_one_again(kind: Kind) -> None:
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
def test_the_largest_free_size_can_always_be_had_and_one_more_never(kind: Kind, seed: int) -> None:
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
def test_blocks_are_distinct_have_their_size_and_keep_what_is_written(kind: Kind) -> None:
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
def test_an_alignment_holds_for_the_address_and_for_the_real_place(kind: Kind, align: int) -> None:
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
def test_a_new_block_shows_none_of_the_heaps_own_bytes(kind: Kind) -> None:
    """Nobody writes here but the heap: so every payload is zero, whatever was there before."""
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
def test_calloc_clears_what_was_there(kind: Kind) -> None:
    heap = kind.heap(4096)
    overwrite(heap, (address := heap.malloc(1800)) - heap.base, b"x" * 1800)
    heap.free(address)
    address = heap.calloc(19, 90)
    assert not any(peek(heap, address - heap.base, heap.usable_size(address)))


@pytest.mark.parametrize("zero_on_free", [True, False])
@every_kind
def test_freed_bytes_are_cleared_if_asked_for(kind: Kind, zero_on_free: bool) -> None:
    """Freed alone, in a batch, by a shrinking and a moving realloc, by its handle, and by reset."""
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
def test_contents_survive_any_sequence_of_reallocs(kind: Kind) -> None:
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
def test_shrinking_stays_and_gives_back_the_tail(kind: Kind) -> None:
    heap = kind.heap(4096)
    address = heap.malloc(1000)
    behind = heap.malloc(8)
    for size in (1000, 500, 499, 100, 17, 16, 0):
        before = heap.available_memory() + front(heap) * len(heap.free_list())
        extent = extent_for(heap, size)
        given_back = next(i.extent for i in heap.walk() if i.address == address) - extent
        assert heap.realloc(address, size) == address
        assert next(i.extent for i in heap.walk() if i.address == address) == extent
        after = heap.available_memory() + front(heap) * len(heap.free_list())
        assert after - before == given_back
        assert behind in heap
        assert_sound(heap)


@every_kind
def test_growing_into_the_free_neighbour_stays(kind: Kind) -> None:
    """The upper half of a buddy is its neighbour, too."""
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
def test_a_batch_is_what_single_calls_are_or_nothing(
    kind: Kind, seed: int, sizes: list[int]
) -> None:
    """Byte for byte, but for the seals: each heap has a key of its own."""
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
def test_a_batch_that_failed_leaves_the_next_call_as_it_was(kind: Kind) -> None:
    """Next fit's rover, the order in a bin, the serial: all that decides about the next block."""
    kind = kind._replace(base=4096 if kind.base is None else kind.base)
    for seed in range(6):
        heap, same = (churned(kind, 4096, seed)[0] for _ in range(2))
        with refused(heap, glassheap.OutOfMemory):
            heap.malloc_many([8, 100, 40, 8, 200, 16, 5000])
        for size in (8, 30, 100, 8, 16, 200):
            assert heap.malloc(size) == same.malloc(size)
        assert heap.walk() == same.walk()


def test_free_many_frees_all_or_none(any_bench: Bench) -> None:
    b = any_bench
    for bad in (b.freed, b.merged, b.first, b.second + 16, b.third + 1, 1 << 60, 2**200, -1):
        with refused(b.heap, glassheap.InvalidPointer):
            b.heap.free_many([b.first, b.second, bad, b.third])
    with b.heap.view(b.second), refused(b.heap, BufferError):
        b.heap.free_many([b.first, b.second])
    b.heap.free_many([None, b.third, 0, b.first, b.twin, b.second])
    assert len(b.heap) == 0
    assert_sound(b.heap)


# --- What it says of itself. ----------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(2))
@every_kind
def test_stats_are_by_the_formulas(kind: Kind, seed: int) -> None:
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
def test_the_free_list_is_printed_in_its_order(kind: Kind) -> None:
    heap, _ = churned(kind, 8192, 2)
    out = io.StringIO()
    heap.print_free_list(file=out)
    assert out.getvalue() == "->".join(f"Free({size})" for _, size in heap.free_list()) + "\n"
    if kind.policy in IN_ADDRESS_ORDER:
        assert heap.free_list() == sorted(heap.free_list())


@every_kind
def test_reset_gives_back_a_fresh_heap(kind: Kind) -> None:
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


# --- Damage: the faults themselves are in test_fault_table.py. ------------------------------------
@pytest.mark.parametrize("which", [0, -1])
def test_a_broken_node_does_not_hide_where_blocks_are(any_bench: Bench, which: int) -> None:
    heap = any_bench.heap
    places = [(info.start, info.extent, info.live) for info in heap.walk()]
    block = heap.free_list()[which]
    overwrite(heap, block.address - heap.base, (block.size ^ 16).to_bytes(8, "little"))
    assert [(info.start, info.extent, info.live) for info in heap.walk()] == places
    assert len(heap.free_list()) < heap.stats().free_blocks
    assert len(heap.check()) == 1
    heap.reset()
    assert sum(info.extent for info in heap.walk()) == heap.base + heap.size - first_place(heap)


def test_without_headers_what_stands_before_a_payload_is_another_payload() -> None:
    """There is no header to break."""
    for kind in KINDS:
        if not kind.headers:
            bench = kind.bench()
            room = bench.heap.usable_size(bench.first)
            overwrite(bench.heap, bench.offset(bench.first), b"x" * room)
            bench.heap.free(bench.second)
            assert_sound(bench.heap)
