"""Views: a block's bytes without a copy, and the pin that keeps the block in place."""

from __future__ import annotations

import array
import ctypes
import gc
import io
import random
from typing import TYPE_CHECKING

import pytest

import glassheap
from heap_probes import assert_sound, peek, refused, region_bytes

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_view_is_writable_and_has_exactly_the_requested_size(heap: glassheap.Heap) -> None:
    address = heap.malloc(100)
    view = heap.view(address)
    assert isinstance(view, memoryview)
    assert (view.nbytes, view.format, view.itemsize, view.ndim) == (100, "B", 1, 1)
    assert view.contiguous
    assert not view.readonly
    view[:5] = b"hello"
    assert peek(heap, address - heap.base, 5) == b"hello"


def test_a_view_is_the_memory_itself_and_not_a_copy(based_heap: glassheap.Heap) -> None:
    address = based_heap.malloc(8)
    one, other = based_heap.view(address), based_heap.view(address)
    one[3] = 7
    assert other[3] == 7
    ctypes.memset(based_heap.address + address - based_heap.base, 9, 1)
    assert one[0] == other[0] == 9


def test_bytes_outside_the_requested_size_are_out_of_reach(heap: glassheap.Heap) -> None:
    """A view excludes the rounding, which belongs to the `usable_size`."""
    view = heap.view(heap.malloc(100))
    for index in (100, -101):
        with pytest.raises(IndexError):
            view[index] = 1
    with pytest.raises(ValueError, match="structures"):
        view[:] = bytes(101)


def test_an_empty_block_has_an_empty_view(heap: glassheap.Heap) -> None:
    view = heap.view(heap.malloc(0))
    assert (len(view), bytes(view)) == (0, b"")


# --- Pins. ----------------------------------------------------------------------------------------

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


@pytest.mark.parametrize("derive", DERIVED.values(), ids=DERIVED)
def test_every_object_derived_from_a_view_pins_the_block(
    any_heap: glassheap.Heap, derive: Callable[[memoryview], object]
) -> None:
    """The block is unpinned when the last of them is gone."""
    address = any_heap.malloc(64)
    derived = derive(any_heap.view(address))
    gc.collect()
    for call in (
        lambda: any_heap.free(address),
        lambda: any_heap.free_many([address]),
        lambda: any_heap.realloc(address, 1),
        any_heap.reset,
        any_heap.close,
    ):
        with refused(any_heap, BufferError, f"a view of the block at {address:#x} is still alive."):
            call()
    del derived
    any_heap.free(address)
    assert_sound(any_heap)


def test_release_and_a_with_statement_end_the_pin(any_heap: glassheap.Heap) -> None:
    address = any_heap.malloc(64)
    view = any_heap.view(address)
    view.release()
    with any_heap.view(address):
        pass
    with pytest.raises(ValueError, match="released"):
        view[0]
    any_heap.free(address)


def test_a_pin_ends_with_the_last_of_many_views(any_heap: glassheap.Heap) -> None:
    address = any_heap.malloc(64)
    views = [any_heap.view(address) for _ in range(100)]
    random.Random(1).shuffle(views)
    while views:
        with pytest.raises(BufferError):
            any_heap.free(address)
        views.pop().release()
    any_heap.free(address)


def test_a_pinned_block_does_not_affect_other_blocks(any_heap: glassheap.Heap) -> None:
    first, second, third = any_heap.malloc_many([64] * 3)
    with any_heap.view(second) as view:
        view[:] = b"x" * 64
        any_heap.free(first)
        any_heap.free(third)
        any_heap.malloc(2000)
        assert bytes(view) == b"x" * 64
    assert_sound(any_heap)


def test_a_view_of_a_bad_address_pins_nothing(any_heap: glassheap.Heap) -> None:
    address = any_heap.malloc(64)
    with pytest.raises(glassheap.InteriorPointer):
        any_heap.view(address + 16)
    any_heap.free(address)
    with pytest.raises(glassheap.DoubleFree):
        any_heap.view(address)
    any_heap.reset()
    any_heap.close()


def test_the_exporter_of_a_released_view_cannot_reach_a_freed_block(
    any_heap: glassheap.Heap,
) -> None:
    address = any_heap.malloc(64)
    view = any_heap.view(address)
    exporter = view.obj
    view.release()
    any_heap.free(address)
    with pytest.raises(glassheap.DoubleFree):
        memoryview(exporter)
    any_heap.close()
    with pytest.raises(glassheap.HeapClosed):
        memoryview(exporter)


# --- Views outlive their heap. --------------------------------------------------------------------


def test_a_view_keeps_the_memory_of_a_collected_heap() -> None:
    heap = glassheap.Heap(1 << 20)
    view = heap.view(heap.malloc(1000))
    view[:] = b"k" * 1000
    part = view[500:]
    del heap, view
    gc.collect()
    assert bytes(part) == b"k" * 500
    part[0] = 0


def test_a_view_of_the_region_keeps_the_memory_of_a_collected_heap() -> None:
    region = glassheap.Heap(4096).region
    gc.collect()
    assert bytes(region[:2]) == b"\xf0\x0f"


# --- The region. ----------------------------------------------------------------------------------


def test_the_region_is_a_read_only_view_of_every_byte(based_heap: glassheap.Heap) -> None:
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


def test_a_view_of_the_region_shows_changes_and_pins_no_block(any_heap: glassheap.Heap) -> None:
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
    any_heap: glassheap.Heap, derive: Callable[[memoryview], memoryview]
) -> None:
    kept = derive(any_heap.region)
    with refused(any_heap, BufferError, "a view of the heap's region is still alive."):
        any_heap.close()
    kept.release()
    any_heap.close()
    with pytest.raises(glassheap.HeapClosed):
        _ = any_heap.region


def test_a_with_statement_does_not_close_the_heap_under_a_live_view() -> None:
    """The caller can still use every block, and close the heap after releasing the view."""
    with pytest.raises(BufferError), glassheap.Heap() as heap:
        view = heap.view(heap.malloc(8))
    assert not heap.closed
    view.release()
    heap.close()


# --- Other users of the buffer protocol. ----------------------------------------------------------


def test_the_standard_library_reads_and_writes_a_view(heap: glassheap.Heap) -> None:
    address = heap.malloc(64)
    with heap.view(address) as view:
        assert io.BytesIO(b"q" * 64).readinto(view) == 64
        assert array.array("B", view).tobytes() == b"q" * 64
        assert bytearray(view) == b"q" * 64
        assert view.cast("Q")[0] == 0x7171717171717171
    assert region_bytes(heap)[16:80] == b"q" * 64
    heap.free(address)


def test_numpy_can_use_a_view_and_pins_the_block(heap: glassheap.Heap) -> None:
    np = pytest.importorskip("numpy")
    address = heap.malloc(80, align=64)
    numbers = np.frombuffer(heap.view(address), dtype="f8")
    numbers[:] = np.arange(10)
    part = numbers[2:4]
    assert numbers.ctypes.data % 64 == 0
    del numbers
    with refused(heap, BufferError):
        heap.free(address)
    assert part.tolist() == [2.0, 3.0]
    del part
    assert heap.view(address).cast("d")[3] == 3.0
    heap.free(address)


def test_numpy_cannot_write_to_the_region(heap: glassheap.Heap) -> None:
    np = pytest.importorskip("numpy")
    headers = np.asarray(heap.region)
    assert not headers.flags.writeable
    with refused(heap, BufferError):
        heap.close()
    del headers
    heap.close()
