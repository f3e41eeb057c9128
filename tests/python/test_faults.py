"""Every misuse of an address, a view or a handle, as tables: how to commit it, what is raised.

For each row, on a heap that counts from its real address and on one that counts from 0: the
exception is exactly that one, it says what the row says, its attributes are the figures, and the
refused call has changed no byte of the region and no counter but that of failures; and the heap is
sound. Misused sizes and alignments are in test_arguments.py, overwritten bytes in test_damage.py.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

import glassheap
from bench import OF_AN_ADDRESS, Bench
from heap_probes import assert_sentences, assert_sound, front, overwrite, peek, refused

if TYPE_CHECKING:
    from collections.abc import Callable

every_pointer_call = pytest.mark.parametrize("call", OF_AN_ADDRESS.values(), ids=OF_AN_ADDRESS)


# --- Pointers. ------------------------------------------------------------------------------------


class Pointer(NamedTuple):
    """An address that is not that of a live block."""

    address: Callable[[Bench], int]
    error: type[glassheap.InvalidPointer]
    text: str  # {} is the address, {first} and the like are the bench's


FREE_ALREADY = "the memory at {:#x} is free already: it was freed before, or never handed out."
INSIDE = "{:#x} lies inside a live block, but is not where its payload starts."
OUTSIDE = "{:#x} is outside the heap's region. Pass an address that this heap returned."
OUT_OF_RANGE = "an address below 0 or from 2^64 - 1 upwards is outside the heap's region."
NO_BLOCK_THERE = "{:#x} is no multiple of 16 from the start of the region: no block can start"


def last_free_granule(bench: Bench) -> int:
    """Where a payload could be, in the largest free block."""
    block = max(bench.heap.free_list(), key=lambda block: block.size)
    return block.address + front(bench.heap) + block.size - 16


POINTERS = {
    "freed": Pointer(lambda b: b.freed, glassheap.DoubleFree, FREE_ALREADY),
    "merged": Pointer(lambda b: b.merged, glassheap.DoubleFree, FREE_ALREADY),
    "merged, first": Pointer(lambda b: b.gone, glassheap.DoubleFree, FREE_ALREADY),
    "merged with the top": Pointer(lambda b: b.stale.address, glassheap.DoubleFree, FREE_ALREADY),
    "never handed out": Pointer(last_free_granule, glassheap.DoubleFree, FREE_ALREADY),
    "in a payload": Pointer(lambda b: b.third + 32, glassheap.InteriorPointer, INSIDE),
    "which is meant": Pointer(
        lambda b: b.second + 96, glassheap.InteriorPointer, " Pass {second:#x}, which is."
    ),
    "in the rounding": Pointer(lambda b: b.first + 96, glassheap.InteriorPointer, INSIDE),
    "a header": Pointer(lambda b: b.second - 16, glassheap.InteriorPointer, " Pass {second:#x},"),
    "off by one": Pointer(lambda b: b.first + 1, glassheap.MisalignedPointer, NO_BLOCK_THERE),
    "off by eight": Pointer(lambda b: b.third - 8, glassheap.MisalignedPointer, NO_BLOCK_THERE),
    "free and odd": Pointer(lambda b: b.freed + 15, glassheap.MisalignedPointer, NO_BLOCK_THERE),
    "below": Pointer(lambda b: b.heap.base - 16, glassheap.ForeignPointer, "heap's region."),
    "just behind": Pointer(lambda b: b.heap.base + 4096, glassheap.ForeignPointer, OUTSIDE),
    "behind and odd": Pointer(lambda b: b.heap.base + 4097, glassheap.ForeignPointer, OUTSIDE),
    "another heap's": Pointer(
        lambda b: glassheap.Heap(base=1 << 45).malloc(8), glassheap.ForeignPointer, OUTSIDE
    ),
    "2^63": Pointer(lambda b: 2**63, glassheap.ForeignPointer, OUTSIDE),
    "2^64 - 16": Pointer(lambda b: 2**64 - 16, glassheap.ForeignPointer, OUTSIDE),
    "2^64 - 1": Pointer(lambda b: 2**64 - 1, glassheap.ForeignPointer, OUT_OF_RANGE),
    "2^64": Pointer(lambda b: 2**64, glassheap.ForeignPointer, OUT_OF_RANGE),
    "2^64 + a live one": Pointer(lambda b: 2**64 + b.first, glassheap.ForeignPointer, OUT_OF_RANGE),
    "2^200": Pointer(lambda b: 2**200, glassheap.ForeignPointer, OUT_OF_RANGE),
    "-1": Pointer(lambda b: -1, glassheap.ForeignPointer, OUT_OF_RANGE),
    "minus a live one": Pointer(lambda b: -b.first, glassheap.ForeignPointer, OUT_OF_RANGE),
}


@every_pointer_call
@pytest.mark.parametrize("row", POINTERS.values(), ids=POINTERS)
def test_an_address_without_a_live_block_is_refused(
    bench: Bench, row: Pointer, call: Callable[[glassheap.Heap, Any], object]
) -> None:
    address = row.address(bench)
    text = row.text.format(address, second=bench.second)
    with refused(bench.heap, row.error, text) as caught:
        call(bench.heap, address)
    assert_sentences(str(caught.value))
    if 0 <= address < 2**64:
        assert getattr(caught.value, "address", None) == address
    assert address not in bench.heap
    assert_sound(bench.heap)


@pytest.mark.parametrize("row", POINTERS.values(), ids=POINTERS)
def test_it_is_refused_in_every_policy_and_layout(any_bench: Bench, row: Pointer) -> None:
    """One after the other on one heap: a call that is refused changes nothing."""
    if row is POINTERS["a header"] and not any_bench.heap.headers:
        pytest.skip("there is none")
    address = row.address(any_bench)
    text = row.text.format(address, second=any_bench.second)
    for call in OF_AN_ADDRESS.values():
        with refused(any_bench.heap, row.error, text):
            call(any_bench.heap, address)
    assert_sound(any_bench.heap)


@every_pointer_call
@pytest.mark.parametrize("order", [*itertools.permutations(range(3))])
@pytest.mark.parametrize("at_the_end", [True, False])
def test_an_empty_block_that_was_merged_is_free_too(
    order: tuple[int, ...], at_the_end: bool, call: Callable[[glassheap.Heap, Any], object]
) -> None:
    """Its payload was where the next block's header stands, or the region ends."""
    heap = glassheap.Heap(96 if at_the_end else 4096)
    blocks = heap.malloc_many([32, 0, 0])
    if not at_the_end:
        heap.malloc(8)
    for i in order:
        heap.free(blocks[i])
    for address in blocks:
        with refused(heap, glassheap.DoubleFree, "is free already"):
            call(heap, address)


@every_pointer_call
@pytest.mark.parametrize("address", [2**64, 2**200, -1])
def test_the_exception_has_the_address_exactly_as_it_was_given(
    heap: glassheap.Heap, address: int, call: Callable[[glassheap.Heap, Any], object]
) -> None:
    with pytest.raises(glassheap.ForeignPointer) as caught:
        call(heap, address)
    assert caught.value.address == address


@every_pointer_call
def test_what_is_no_whole_number_is_no_address(
    bench: Bench, call: Callable[[glassheap.Heap, Any], object]
) -> None:
    for nonsense in (1.5, "8", b"", [], object(), 8j):
        name = type(nonsense).__name__
        with refused(bench.heap, TypeError, f"address must be a whole number, not {name}."):
            call(bench.heap, nonsense)
    assert_sound(bench.heap)


def test_freeing_nothing_does_nothing(any_bench: Bench) -> None:
    before = any_bench.heap.stats()
    any_bench.heap.free(None)
    any_bench.heap.free(0)
    any_bench.heap.free_many([None, 0, None])
    assert any_bench.heap.stats() == before


# --- Headers that users forge in their own bytes. -------------------------------------------------


def forge_magic(bench: Bench) -> int:
    """0xDEADBEEF where it would stand in front of a payload inside of `third`."""
    overwrite(bench.heap, bench.offset(bench.third) + 16 + 64 + 8, b"\xef\xbe\xad\xde")
    return bench.third + 64 + 16


def forge_whole_header(bench: Bench) -> int:
    """All sixteen bytes of a real header, with its right seal for another place."""
    header = peek(bench.heap, bench.offset(bench.second), 16)
    overwrite(bench.heap, bench.offset(bench.third) + 16 + 64, header)
    return bench.third + 64 + 16


def replay_old_header(bench: Bench) -> int:
    """The header that a block had, put back where it stood; the place is inside another block."""
    heap = bench.heap
    blocks = heap.malloc_many([32, 32])
    header = peek(heap, bench.offset(blocks[1]), 16)
    heap.free_many(blocks)
    larger = heap.malloc(50)
    assert larger == bench.freed
    blocks = heap.malloc_many([600, 600])
    heap.free_many(blocks)
    old = heap.malloc(1500)
    overwrite(heap, bench.offset(blocks[1]), header)
    assert old < blocks[1] < old + 1500
    return blocks[1]


@every_pointer_call
@pytest.mark.parametrize("forge", [forge_magic, forge_whole_header, replay_old_header])
def test_a_header_in_user_data_makes_no_block(
    bench: Bench,
    forge: Callable[[Bench], int],
    call: Callable[[glassheap.Heap, Any], object],
) -> None:
    """Where blocks start is known outside of the region, which nobody can write."""
    address = forge(bench)
    with refused(bench.heap, glassheap.InteriorPointer, "lies inside a live block"):
        call(bench.heap, address)
    assert_sound(bench.heap)


# --- Views and handles. ---------------------------------------------------------------------------

WHILE_VIEWED: dict[str, Callable[[Bench], object]] = {
    "free": lambda b: b.heap.free(b.first),
    "realloc": lambda b: b.heap.realloc(b.first, 10),
    "realloc to the same size": lambda b: b.heap.realloc(b.first, 100),
    "free_many": lambda b: b.heap.free_many([b.second, b.first]),
    "reset": lambda b: b.heap.reset(),
    "close": lambda b: b.heap.close(),
    "with": lambda b: b.heap.__exit__(None, None, None),
}


@pytest.mark.parametrize("call", WHILE_VIEWED.values(), ids=WHILE_VIEWED)
def test_a_live_view_is_in_the_way(any_bench: Bench, call: Callable[[Bench], object]) -> None:
    text = f"a view of the block at {any_bench.first:#x} is still alive. Release it first."
    with any_bench.heap.view(any_bench.first), refused(any_bench.heap, BufferError, text):
        call(any_bench)
    assert_sound(any_bench.heap)
    call(any_bench)


def test_a_view_of_the_region_is_in_the_way_of_close_alone(any_bench: Bench) -> None:
    region = any_bench.heap.region
    with refused(any_bench.heap, BufferError, "a view of the heap's region is still alive."):
        any_bench.heap.close()
    any_bench.heap.free(any_bench.first)
    any_bench.heap.reset()
    region.release()
    any_bench.heap.close()


OF_A_HANDLE: dict[str, Callable[[glassheap.Block], object]] = {
    "free": lambda block: block.free(),
    "memoryview": memoryview,
    "bytes": bytes,
}


@pytest.mark.parametrize("call", OF_A_HANDLE.values(), ids=OF_A_HANDLE)
def test_a_stale_handle_is_refused(bench: Bench, call: Callable[[glassheap.Block], object]) -> None:
    """Also where its memory has been handed out again, and looks just like its own."""
    heap, block = bench.heap, bench.stale
    text = f"this Block is stale: its memory at {block.address:#x} was freed,"
    for now_there in (None, heap.malloc(500)):
        with refused(heap, glassheap.StaleHandle, text) as caught:
            call(block)
        assert getattr(caught.value, "address", None) == block.address
        assert not block.live
        assert_sound(heap)
        heap.free(now_there)
    assert now_there == block.address


def test_a_stale_handle_is_refused_in_every_policy_and_layout(any_bench: Bench) -> None:
    """Without headers there is no serial: until the address has been handed out again."""
    heap, block = any_bench.heap, any_bench.stale
    for call in OF_A_HANDLE.values():
        with refused(heap, glassheap.StaleHandle, "this Block is stale"):
            call(block)
    assert not block.live
    again = heap.malloc(500)
    if again == block.address:
        assert block.live == (not heap.headers)
