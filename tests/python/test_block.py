"""Block: memory that frees itself. Stale blocks are tested in test_stateful.py, too."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
import weakref
from functools import partial
from typing import TYPE_CHECKING

import pytest

import glassheap
from heap_probes import assert_sound, header_at, overwrite, peek, refused

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_block_has_its_address_size_serial_and_heap(based_heap: glassheap.Heap) -> None:
    based_heap.malloc(8)
    block = based_heap.alloc(100)
    assert (block.address, block.size, block.serial) == (based_heap.base + 48, 100, 2)
    assert len(block) == 100
    assert block.heap is based_heap
    assert block.live
    assert block.address in based_heap
    assert header_at(based_heap, 32).serial == block.serial
    assert repr(block) == f"<Block of 100 bytes at {block.address:#x}, serial 2>"
    block.free()
    assert repr(block) == f"<Block of 100 bytes at {block.address:#x}, serial 2, stale>"


def test_alloc_places_a_block_where_malloc_would(heap: glassheap.Heap) -> None:
    address = heap.malloc(100)
    heap.free(address)
    assert heap.alloc(100).address == address
    block = heap.alloc(40, align=512)
    assert block.address == heap.base + 512
    assert_sound(heap)


def test_the_buffer_of_a_block_is_exactly_its_bytes(heap: glassheap.Heap) -> None:
    block = heap.alloc(5)
    with memoryview(block) as view:
        assert (view.nbytes, view.format, view.readonly) == (5, "B", False)
        view[:] = b"hello"
    assert bytes(block) == b"hello"
    assert peek(heap, block.address - heap.base, 5) == b"hello"
    assert bytes(heap.alloc(0)) == b""


# --- Freeing. -------------------------------------------------------------------------------------


def test_a_with_statement_frees_the_block_at_its_end(heap: glassheap.Heap) -> None:
    with heap.alloc(100) as block:
        assert [*heap] == [block.address]
    assert not block.live
    assert heap.free_list() == [(heap.base, 4080)]


def test_a_with_statement_frees_the_block_after_an_exception_and_propagates_it(
    any_heap: glassheap.Heap,
) -> None:
    with pytest.raises(KeyError), any_heap.alloc(100):
        raise KeyError
    assert len(any_heap) == 0


def test_a_with_statement_frees_no_second_block_after_an_explicit_free(
    any_heap: glassheap.Heap,
) -> None:
    with any_heap.alloc(100) as block:
        block.free()
        any_heap.malloc(100)
    assert len(any_heap) == 1


def test_deleting_the_last_reference_frees_the_block(any_heap: glassheap.Heap) -> None:
    block = any_heap.alloc(100)
    assert len(any_heap) == 1
    del block
    assert len(any_heap) == 0
    assert any_heap.stats().frees == 1
    assert_sound(any_heap)


def test_the_garbage_collector_frees_a_block_in_a_cycle(any_heap: glassheap.Heap) -> None:
    cycle: list[object] = [any_heap.alloc(100)]
    cycle.append(cycle)
    del cycle
    gc.collect()
    assert len(any_heap) == 0


def test_a_block_keeps_its_heap_alive() -> None:
    heap = glassheap.Heap()
    reference = weakref.ref(heap)
    block = heap.alloc(5)
    del heap
    gc.collect()
    assert reference() is block.heap
    memoryview(block)[:] = b"still"
    assert bytes(block) == b"still"
    del block
    gc.collect()
    assert reference() is None


def test_a_weak_reference_dies_with_the_block(any_heap: glassheap.Heap) -> None:
    block = any_heap.alloc(5)
    reference = weakref.ref(block)
    del block
    assert reference() is None


# --- Views. ---------------------------------------------------------------------------------------


def test_a_live_view_keeps_the_block_allocated(heap: glassheap.Heap) -> None:
    """Otherwise `memoryview(heap.alloc(n))` would be a view of freed memory."""
    view = memoryview(heap.alloc(100))[10:]
    gc.collect()
    assert len(heap) == 1
    view[:] = b"v" * 90
    other = heap.malloc(100)
    heap.view(other)[:] = b"o" * 100
    assert bytes(view) == b"v" * 90
    view.release()
    assert [*heap] == [other]


def test_freeing_or_closing_under_a_live_view_is_refused(any_heap: glassheap.Heap) -> None:
    block = any_heap.alloc(100)
    view = memoryview(block)
    for call in (
        block.free,
        lambda: block.__exit__(None, None, None),
        lambda: any_heap.free(block.address),
        any_heap.close,
    ):
        with refused(any_heap, BufferError, f"a view of the block at {block.address:#x} is"):
            call()
    assert block.live
    view.release()
    block.free()


def test_a_block_collected_while_its_address_is_viewed_stays_allocated(
    heap: glassheap.Heap,
) -> None:
    """A view taken by address does not keep the handle alive, but its bytes must stay."""
    block = heap.alloc(100)
    address = block.address
    view = heap.view(address)
    del block
    gc.collect()
    view[:] = b"v" * 100
    assert address in heap
    view.release()
    heap.free(address)
    assert_sound(heap)


# --- Closed and damaged heaps. --------------------------------------------------------------------


def test_a_block_of_a_closed_heap_refuses_use_and_is_collected_silently(
    heap: glassheap.Heap, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)
    block = heap.alloc(8)
    heap.close()
    assert not block.live
    for use in (glassheap.Block.free, memoryview, lambda block: block.__exit__(None, None, None)):
        with pytest.raises(glassheap.HeapClosed):
            use(block)
    assert (block.size, len(block), block.serial) == (8, 8, 1)
    del block
    gc.collect()
    assert reported == []


def test_corruption_found_during_collection_is_reported_and_damages_the_heap(
    heap: glassheap.Heap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No caller could catch the exception, so it goes to sys.unraisablehook."""
    reported: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda info: reported.append(info.exc_type))
    block = heap.alloc(8)
    overwrite(heap, 8, b"XXXX")
    del block
    gc.collect()
    assert reported == [glassheap.BadMagic]
    with pytest.raises(glassheap.HeapDamaged):
        heap.malloc(8)


def test_collecting_a_block_keeps_the_exception_in_flight(heap: glassheap.Heap) -> None:
    def fail() -> None:
        block = heap.alloc(8)
        overwrite(heap, block.address - heap.base - 8, bytes(4))
        heap.reset()
        raise KeyError(block.size)

    with pytest.raises(KeyError):
        fail()


def test_a_block_with_a_damaged_header_is_reported_as_damaged_and_not_as_stale(
    heap: glassheap.Heap,
) -> None:
    block = heap.alloc(8)
    overwrite(heap, 8, b"XXXX")
    with refused(heap, glassheap.BadMagic):
        memoryview(block)
    with refused(heap, glassheap.HeapDamaged):
        block.free()
    heap.reset()
    with refused(heap, glassheap.StaleHandle):
        block.free()


# --- A Block in the place of its address. ---------------------------------------------------------


def test_free_frees_a_block_as_the_block_does(heap: glassheap.Heap) -> None:
    block = heap.alloc(100)
    heap.free(block)
    assert not block.live
    assert_sound(heap)
    with refused(heap, glassheap.StaleHandle):
        heap.free(block)
    heap.malloc(100)
    del block
    assert len(heap) == 1


def test_a_block_freed_by_its_heap_may_end_its_with_statement(heap: glassheap.Heap) -> None:
    with heap.alloc(100) as block:
        heap.free(address=block)
    assert len(heap) == 0


def test_view_takes_a_block(heap: glassheap.Heap) -> None:
    block = heap.alloc(5)
    with heap.view(block) as view:
        view[:] = b"hello"
        with pytest.raises(BufferError):
            heap.free(block)
    assert bytes(block) == b"hello"
    heap.free(block)
    with refused(heap, glassheap.StaleHandle):
        heap.view(block)


@pytest.mark.parametrize("base", [None, 0])
def test_a_block_of_another_heap_is_foreign(base: int | None) -> None:
    heap, other = (glassheap.Heap(4096, base=base) for _ in range(2))
    block = other.alloc(100)
    heap.malloc(100)
    sentence = f"the Block at {block.address:#x} belongs to another heap: use block.heap, or "
    for call in (heap.free, heap.view):
        with refused(heap, glassheap.ForeignPointer, sentence) as caught:
            call(block)
        assert getattr(caught.value, "address", None) == block.address
    assert block.live


# --- The bytes by index and by slice. -------------------------------------------------------------


def test_the_bytes_of_a_block_have_indices_and_slices(heap: glassheap.Heap) -> None:
    block, same = heap.alloc(8), bytearray(8)
    for one in (block, same):
        one[:] = bytes(8)
        one[:4] = b"four"
        one[-1] = 7
        one[4:7:2] = memoryview(b"ab")
    assert (block[0], block[-1], block[:4]) == (ord("f"), 7, b"four")
    assert block[::-1] == bytes(same[::-1])
    assert bytes(block) == bytes(block[:]) == bytes(same)
    assert [*iter(block)] == [*same]
    block.free()


def test_a_slice_of_a_block_is_a_copy(heap: glassheap.Heap) -> None:
    block = heap.alloc(4)
    block[:] = b"four"
    part = block[:2]
    block.free()
    assert part == b"fo"


def test_no_byte_behind_a_block_is_written(heap: glassheap.Heap) -> None:
    block = heap.alloc(4)
    block[:] = b"four"
    for key in (4, -5):
        with refused(heap, IndexError):
            block[key]
        with refused(heap, IndexError):
            block[key] = 0
    for value in (b"", b"five5"):
        with refused(heap, ValueError):
            block[:4] = value
    with refused(heap, ValueError):
        block[0] = 256
    with refused(heap, TypeError):
        block["0"]  # type: ignore[call-overload]


def test_a_stale_block_has_no_bytes(heap: glassheap.Heap) -> None:
    block = heap.alloc(4)
    block.free()
    with refused(heap, glassheap.StaleHandle):
        block[0]
    with refused(heap, glassheap.StaleHandle):
        block[:1] = b"x"


# --- Unsupported uses. ----------------------------------------------------------------------------


def test_only_alloc_makes_a_block() -> None:
    with pytest.raises(TypeError):
        glassheap.Block()
    with pytest.raises(TypeError):
        type("Mine", (glassheap.Block,), {})


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, pickle.dumps, partial(pickle.dumps, protocol=0)]
)
def test_a_block_cannot_be_copied_or_pickled(
    heap: glassheap.Heap, duplicate: Callable[[glassheap.Block], object]
) -> None:
    """Two handles would free the same memory twice."""
    with pytest.raises(TypeError, match="cannot pickle"):
        duplicate(heap.alloc(8))


def test_the_attributes_of_a_block_are_read_only(heap: glassheap.Heap) -> None:
    block = heap.alloc(8)
    for name in ("address", "size", "serial", "live", "heap", "more"):
        with pytest.raises(AttributeError):
            setattr(block, name, 0)
