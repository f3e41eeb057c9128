"""Views and arrays: a block's bytes without a copy, and the pin that keeps the block in place."""

from __future__ import annotations

import ctypes
import gc
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

import glassheap
from glassheap import Heap
from heap_probes import assert_sound, peek, refused

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


# --- Objects that pin a block. --------------------------------------------------------------------

SOURCES: dict[str, Callable[[Heap], Any]] = {
    "a view": lambda heap: heap.view(heap.malloc(64)),
    "a Block's view": lambda heap: memoryview(heap.alloc(64)),
}
"""Functions that make an object over a new block of 64 bytes."""
DERIVED: dict[str, Callable[[Any], object]] = {
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
"""Functions from an object to one that is derived from it."""
PINS = [(source, derive) for source in SOURCES for derive in DERIVED]
if find_spec("numpy"):
    from numpy_helpers import ARRAYS, OF_ARRAYS, np

    PINS += [(source, derive) for source in ARRAYS for derive in OF_ARRAYS]
    PINS.append(("a view", "an array over it"))
    SOURCES |= ARRAYS
    DERIVED |= {**OF_ARRAYS, "an array over it": np.frombuffer}
every_source = pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)


def assert_pinned(heap: Heap) -> None:
    """Assert that the heap's only block cannot be freed, moved, reset or closed."""
    [address] = heap
    for call in (
        lambda: heap.free(address),
        lambda: heap.free_many([address]),
        lambda: heap.realloc(address, 1),
        heap.reset,
        heap.close,
    ):
        with refused(heap, BufferError, f"a view of the block at {address:#x} is still alive."):
            call()


@pytest.mark.parametrize(("source", "derive"), PINS)
def test_every_derived_object_pins_the_block(heap: Heap, source: str, derive: str) -> None:
    """The block is unpinned when the last of them is gone. A Block and an array free it then."""
    derived = DERIVED[derive](SOURCES[source](heap))
    gc.collect()
    assert_pinned(heap)
    del derived
    gc.collect()
    assert len(heap) == (source == "a view")
    heap.close()


@every_source
def test_an_object_pins_its_block_alone(any_heap: Heap, source: Callable[[Heap], Any]) -> None:
    kept = source(any_heap)
    assert_pinned(any_heap)
    memoryview(kept)[:] = b"v" * 64
    other = any_heap.malloc(64)
    any_heap.view(other)[:] = b"o" * 64
    any_heap.free(other)
    assert bytes(kept) == b"v" * 64
    del kept
    any_heap.free_many([*any_heap])
    assert_sound(any_heap)


@every_source
def test_the_garbage_collector_unpins_a_block_in_a_cycle(
    heap: Heap, source: Callable[[Heap], Any]
) -> None:
    cycle: list[object] = [source(heap)]
    cycle.append(cycle)
    assert_pinned(heap)
    del cycle
    gc.collect()
    heap.close()


@every_source
def test_an_object_keeps_the_memory_of_a_collected_heap(source: Callable[[Heap], Any]) -> None:
    kept = memoryview(source(Heap(1024)))
    gc.collect()
    kept[:] = b"k" * 64
    assert bytes(kept) == b"k" * 64


@every_source
def test_objects_can_be_dropped_in_any_thread(source: Callable[[Heap], Any]) -> None:
    heap = Heap(1 << 18)
    kept = [source(heap) for _ in range(200)]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(200):
            pool.submit(kept.pop)
    heap.free_many([*heap])
    assert_sound(heap)


# --- Release. -------------------------------------------------------------------------------------


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


def test_the_region_is_a_read_only_view_of_every_byte_at_every_moment(any_heap: Heap) -> None:
    """It pins no block."""
    region = any_heap.region
    fresh = bytes(region)
    assert (region.nbytes, region.format, region.readonly) == (4096, "B", True)
    with pytest.raises(TypeError):
        region[0] = 1
    with pytest.raises(TypeError):
        (ctypes.c_char * 8).from_buffer(region)
    with any_heap.view(any_heap.malloc(16)) as view:
        view[:] = b"sixteen letters!"
    assert b"sixteen letters!" in bytes(region)
    assert ctypes.string_at(any_heap.address, 4096) == region
    assert region != fresh
    any_heap.free_many([*any_heap])
    any_heap.reset()


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
