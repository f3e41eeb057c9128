"""Views: a block's bytes without a copy, and the pin that keeps the block in place.

The same for NumPy's arrays is in test_numpy_lifetime.py.
"""

from __future__ import annotations

import array
import ctypes
import gc
import io
from typing import TYPE_CHECKING

import pytest

import glassheap
from glassheap import Heap
from heap_probes import assert_sound, peek, refused, region_bytes
from view_helpers import assert_pinned

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_view_is_writable_and_has_exactly_the_requested_size(heap: Heap) -> None:
    address = heap.malloc(100)
    view = heap.view(address)
    assert isinstance(view, memoryview)
    assert (view.nbytes, view.format, view.itemsize, view.ndim) == (100, "B", 1, 1)
    assert view.contiguous
    assert not view.readonly
    view[:5] = b"hello"
    assert peek(heap, address - heap.base, 5) == b"hello"
    assert bytes(heap.view(heap.malloc(0))) == b""


def test_a_view_is_the_memory_itself_and_not_a_copy(based_heap: Heap) -> None:
    address = based_heap.malloc(8)
    one, other = based_heap.view(address), based_heap.view(address)
    one[3] = 7
    assert other[3] == 7
    ctypes.memset(based_heap.address + address - based_heap.base, 9, 1)
    assert one[0] == other[0] == 9


def test_bytes_outside_the_requested_size_are_out_of_reach(heap: Heap) -> None:
    """A view excludes the rounding, which belongs to the `usable_size`."""
    view = heap.view(heap.malloc(100))
    for index in (100, -101):
        with pytest.raises(IndexError):
            view[index] = 1
    with pytest.raises(ValueError, match="structures"):
        view[:] = bytes(101)


def test_the_standard_library_reads_and_writes_a_view(heap: Heap) -> None:
    address = heap.malloc(64)
    with heap.view(address) as view:
        assert io.BytesIO(b"q" * 64).readinto(view) == 64
        assert array.array("B", view).tobytes() == b"q" * 64
        assert bytearray(view) == b"q" * 64
        assert view.cast("Q")[0] == 0x7171717171717171
    assert region_bytes(heap)[16:80] == b"q" * 64


# --- Pins. ----------------------------------------------------------------------------------------

SOURCES: dict[str, Callable[[Heap], memoryview]] = {
    "a view": lambda heap: heap.view(heap.malloc(64)),
    "a Block": lambda heap: memoryview(heap.alloc(64)),
}
every_source = pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
DERIVED: dict[str, Callable[[memoryview], object]] = {
    "itself": lambda view: view,
    "a slice": lambda view: view[10:20],
    "a slice of a slice": lambda view: view[10:20][::2],
    "an empty slice": lambda view: view[5:5],
    "a cast": lambda view: view.cast("I"),
    "read-only": lambda view: view.toreadonly(),
    "another view": memoryview,
    "a ctypes array": (ctypes.c_char * 64).from_buffer,
    "an iterator": iter,
}


@every_source
@pytest.mark.parametrize("derive", DERIVED.values(), ids=DERIVED)
def test_every_object_derived_from_a_view_pins_the_block(
    heap: Heap, source: Callable[[Heap], memoryview], derive: Callable[[memoryview], object]
) -> None:
    """The block is unpinned when the last of them is gone, and a Block frees it then."""
    derived = derive(source(heap))
    gc.collect()
    assert_pinned(heap)
    del derived
    heap.free_many([*heap])
    assert_sound(heap)


@every_source
def test_a_view_pins_its_block_alone(any_heap: Heap, source: Callable[[Heap], memoryview]) -> None:
    view = source(any_heap)
    assert_pinned(any_heap)
    view[:] = b"v" * 64
    other = any_heap.malloc(64)
    any_heap.view(other)[:] = b"o" * 64
    any_heap.free(other)
    assert bytes(view) == b"v" * 64
    view.release()
    any_heap.close()


def test_release_and_a_with_statement_end_the_pin(heap: Heap) -> None:
    address = heap.malloc(64)
    views = [heap.view(address) for _ in range(10)]
    with heap.view(address):
        pass
    while views:
        with pytest.raises(BufferError):
            heap.free(address)
        views.pop().release()
    heap.free(address)


def test_a_block_is_not_freed_under_its_view(heap: Heap) -> None:
    block = heap.alloc(100)
    with memoryview(block):
        for free in (block.free, lambda: block.__exit__(None, None, None)):
            with refused(heap, BufferError, f"a view of the block at {block.address:#x} is"):
                free()
        assert block.live
    block.free()


def test_a_block_collected_while_its_address_is_viewed_stays_allocated(heap: Heap) -> None:
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


def test_the_exporter_of_a_released_view_cannot_reach_a_freed_block(any_heap: Heap) -> None:
    """Nor does the attempt pin anything."""
    address = any_heap.malloc(64)
    view = any_heap.view(address)
    exporter = view.obj
    view.release()
    any_heap.free(address)
    with pytest.raises(glassheap.DoubleFree):
        memoryview(exporter)
    any_heap.reset()
    any_heap.close()
    with pytest.raises(glassheap.HeapClosed):
        memoryview(exporter)


def test_a_view_keeps_the_memory_of_a_collected_heap() -> None:
    heap = Heap(1 << 20)
    view = heap.view(heap.malloc(1000))
    view[:] = b"k" * 1000
    part = view[500:]
    region = Heap(4096).region
    del heap, view
    gc.collect()
    assert bytes(part) == b"k" * 500
    part[0] = 0
    assert bytes(region[:2]) == b"\xf0\x0f"


# --- The region. ----------------------------------------------------------------------------------


def test_the_region_is_a_read_only_view_of_every_byte(based_heap: Heap) -> None:
    region = based_heap.region
    assert (region.nbytes, region.format, region.readonly) == (4096, "B", True)
    with pytest.raises(TypeError):
        region[0] = 1
    with pytest.raises(TypeError):
        (ctypes.c_char * 8).from_buffer(region)
    with based_heap.view(based_heap.malloc(8)) as view:
        view[:] = b"12345678"
    assert bytes(region[16:24]) == b"12345678"
    assert ctypes.string_at(based_heap.address, 4096) == region


def test_a_view_of_the_region_shows_changes_and_pins_no_block(any_heap: Heap) -> None:
    region = any_heap.region
    fresh = bytes(region)
    address = any_heap.malloc(8)
    assert region != fresh
    any_heap.free(address)
    any_heap.malloc(100)
    any_heap.reset()
    assert region == fresh


@pytest.mark.parametrize("derive", [lambda view: view, lambda view: view[:0], memoryview])
def test_close_is_refused_under_any_view_of_the_region(
    heap: Heap, derive: Callable[[memoryview], memoryview]
) -> None:
    kept = derive(heap.region)
    with refused(heap, BufferError, "a view of the heap's region is still alive."):
        heap.close()
    kept.release()
    heap.close()


def test_a_with_statement_does_not_close_the_heap_under_a_live_view() -> None:
    """The caller can still use every block, and close the heap after releasing the view."""
    with pytest.raises(BufferError), Heap() as heap:
        view = heap.view(heap.malloc(8))
    assert not heap.closed
    view.release()
    heap.close()
