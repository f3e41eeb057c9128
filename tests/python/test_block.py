"""Block: memory that frees itself. Stale blocks are tested in test_stateful.py."""

from __future__ import annotations

import gc
import sys
import weakref
from typing import TYPE_CHECKING, Any

import pytest

import glassheap
from glassheap import Block, Heap
from heap_probes import assert_sound, header_at, overwrite, peek, refused

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_block_has_its_address_size_serial_and_heap(based_heap: Heap) -> None:
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


def test_the_buffer_of_a_block_is_exactly_its_bytes(heap: Heap) -> None:
    block = heap.alloc(5)
    with memoryview(block) as view:
        assert (view.nbytes, view.format, view.readonly) == (5, "B", False)
        view[:] = b"hello"
    assert bytes(block) == b"hello"
    assert peek(heap, block.address - heap.base, 5) == b"hello"
    assert bytes(heap.alloc(0)) == b""


def test_a_with_statement_frees_the_block_also_after_an_exception(any_heap: Heap) -> None:
    fresh = any_heap.free_list()
    with any_heap.alloc(100) as block:
        assert [*any_heap] == [block.address]
    assert not block.live
    with pytest.raises(KeyError), any_heap.alloc(100):
        raise KeyError
    assert [*any_heap] == []
    assert any_heap.check() == []
    if any_heap.policy != "quick_fit":  # which joins free blocks later
        assert any_heap.free_list() == fresh


@pytest.mark.parametrize("free", [Block.free, lambda block: block.heap.free(address=block)])
def test_a_with_statement_frees_no_second_block_after_an_explicit_free(
    heap: Heap, free: Callable[[Block], None]
) -> None:
    with heap.alloc(100) as block:
        free(block)
        assert heap.malloc(100) == block.address
    assert len(heap) == 1


def test_a_with_statement_raises_at_its_end_if_the_block_is_stale(any_heap: Heap) -> None:
    with pytest.raises(glassheap.StaleHandle), any_heap.alloc(8) as block:
        any_heap.free(block.address)


def test_deleting_the_last_reference_frees_the_block(any_heap: Heap) -> None:
    block = any_heap.alloc(100)
    reference = weakref.ref(block)
    assert len(any_heap) == 1
    del block
    assert reference() is None
    assert len(any_heap) == 0
    assert any_heap.stats().frees == 1
    assert_sound(any_heap)


def test_a_block_keeps_its_heap_alive() -> None:
    heap = Heap()
    reference = weakref.ref(heap)
    cycle: list[object] = [heap.alloc(5)]
    cycle.append(cycle)
    del heap
    gc.collect()
    assert reference() is not None
    del cycle
    gc.collect()
    assert reference() is None


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The classes of the exceptions that no caller could catch."""
    classes: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda info: classes.append(info.exc_type))
    return classes


def test_a_block_of_a_closed_heap_refuses_use_and_is_collected_silently(
    heap: Heap, reported: list[object]
) -> None:
    block = heap.alloc(8)
    heap.close()
    assert not block.live
    for use in (Block.free, memoryview, lambda block: block.__exit__(None, None, None)):
        with pytest.raises(glassheap.HeapClosed):
            use(block)
    assert (block.size, len(block), block.serial) == (8, 8, 1)
    del block
    gc.collect()
    assert reported == []


def test_corruption_found_during_collection_is_reported_and_damages_the_heap(
    heap: Heap, reported: list[object]
) -> None:
    block = heap.alloc(8)
    overwrite(heap, 8, b"XXXX")
    del block
    gc.collect()
    assert reported == [glassheap.BadMagic]
    with pytest.raises(glassheap.HeapDamaged):
        heap.malloc(8)


def test_collecting_a_block_keeps_the_exception_in_flight(heap: Heap) -> None:
    def fail() -> None:
        block = heap.alloc(8)
        overwrite(heap, block.address - heap.base - 8, bytes(4))
        heap.reset()
        raise KeyError(block.size)

    with pytest.raises(KeyError):
        fail()


def test_free_and_view_take_a_block(heap: Heap) -> None:
    block = heap.alloc(5)
    with heap.view(block) as view:
        view[:] = b"hello"
        with pytest.raises(BufferError):
            heap.free(block)
    assert bytes(block) == b"hello"
    heap.free(block)
    assert not block.live
    for call in (heap.free, heap.view):
        with refused(heap, glassheap.StaleHandle):
            call(block)
    heap.malloc(5)
    del block
    assert len(heap) == 1


@pytest.mark.parametrize("base", [None, 0])
def test_a_block_of_another_heap_is_foreign(base: int | None) -> None:
    heap, other = (Heap(4096, base=base) for _ in range(2))
    block = other.alloc(100)
    heap.malloc(100)
    sentence = f"the Block at {block.address:#x} belongs to another heap: use block.heap, or "
    for call in (heap.free, heap.view):
        with refused(heap, glassheap.ForeignPointer, sentence) as caught:
            call(block)
        assert getattr(caught.value, "address", None) == block.address
    assert block.live


def test_the_bytes_of_a_block_have_indices_and_slices(heap: Heap) -> None:
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
    part = block[:2]
    block.free()
    assert part == b"fo", "a slice is a copy"


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        (4, 0, IndexError),
        (-5, 0, IndexError),
        (slice(4), b"", ValueError),
        (slice(4), b"five5", ValueError),
        (0, 256, ValueError),
        ("0", 0, TypeError),
    ],
    ids=str,
)
def test_no_byte_behind_a_block_is_written(
    heap: Heap, key: Any, value: Any, error: type[Exception]
) -> None:
    block = heap.alloc(4)
    block[:] = b"four"
    with refused(heap, error):
        block[key] = value
    if error is not ValueError:
        with refused(heap, error):
            block[key]


def test_a_stale_block_has_no_bytes(heap: Heap) -> None:
    block = heap.alloc(4)
    block.free()
    with refused(heap, glassheap.StaleHandle):
        block[0]
    with refused(heap, glassheap.StaleHandle):
        block[:1] = b"x"
