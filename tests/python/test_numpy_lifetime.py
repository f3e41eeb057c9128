"""The lifetime of arrays in a heap: an array pins its block and frees it at the end."""

from __future__ import annotations

import gc
import mmap
import random
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

import glassheap
from heap_probes import assert_sound, overwrite, refused, run_child
from numpy_helpers import DERIVED, KIB, assert_pinned, is_in, np

if TYPE_CHECKING:
    from collections.abc import Callable


# --- Arrays of Heap.array and Heap.copy. ----------------------------------------------------------


@pytest.mark.parametrize("derive", DERIVED.values(), ids=DERIVED)
def test_every_object_derived_from_an_array_pins_the_block(
    heap: glassheap.Heap, derive: Callable[[Any], object]
) -> None:
    derived = derive(heap.array((4, 4)))
    gc.collect()
    assert_pinned(heap)
    del derived
    gc.collect()
    assert len(heap) == 0
    heap.close()


@pytest.mark.parametrize(
    "make", [lambda heap: heap.array(8), lambda heap: heap.copy(np.ones(8))], ids=["array", "copy"]
)
def test_an_array_pins_its_block_in_every_policy(
    any_heap: glassheap.Heap, make: Callable[[glassheap.Heap], Any]
) -> None:
    array = make(any_heap)
    assert_pinned(any_heap)
    array[:] = 2
    del array
    assert len(any_heap) == 0
    assert_sound(any_heap)


def test_the_block_object_of_an_array_cannot_be_freed(heap: glassheap.Heap) -> None:
    array = heap.array(8)
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    with pytest.raises(BufferError):
        base.obj.free()
    assert base.obj.live


def test_arrays_that_fill_the_heap_free_their_blocks(any_heap: glassheap.Heap) -> None:
    arrays = []
    while any_heap.largest_free() >= 64:
        arrays.append(any_heap.array(8, align=16))
    with refused(any_heap, glassheap.OutOfMemory):
        any_heap.array(8, align=16)
    random.Random(1).shuffle(arrays)
    while arrays:
        arrays.pop()
    assert len(any_heap) == 0
    assert_sound(any_heap)


def test_the_garbage_collector_frees_an_array_in_a_cycle(heap: glassheap.Heap) -> None:
    cycle: list[object] = [heap.array(100)]
    cycle.append(cycle)
    assert_pinned(heap)
    del cycle
    gc.collect()
    assert len(heap) == 0


def test_an_array_keeps_the_memory_of_a_collected_heap() -> None:
    array = glassheap.Heap(KIB).copy(np.arange(10))
    gc.collect()
    assert array.tolist() == list(range(10))


def test_an_array_freed_in_another_thread_frees_its_block(heap: glassheap.Heap) -> None:
    arrays = [heap.array(100)]
    thread = threading.Thread(target=arrays.clear)
    thread.start()
    thread.join()
    assert len(heap) == 0


# --- Arrays made inside glassheap.numpy.use. ------------------------------------------------------


@pytest.mark.parametrize("derive", DERIVED.values(), ids=DERIVED)
def test_every_object_derived_from_an_array_made_inside_use_pins_the_block(
    heap: glassheap.Heap, derive: Callable[[Any], object]
) -> None:
    with glassheap.numpy.use(heap):
        array = np.zeros((4, 4))
    derived = derive(array)
    del array
    gc.collect()
    assert_pinned(heap)
    del derived
    gc.collect()
    heap.close()


def test_an_array_made_inside_use_pins_its_block(any_heap: glassheap.Heap) -> None:
    with glassheap.numpy.use(any_heap):
        array = np.arange(4)
    assert_pinned(any_heap)
    array.resize(8, refcheck=False)
    assert_pinned(any_heap)
    assert array.tolist() == [0, 1, 2, 3, 0, 0, 0, 0]


def test_resize_cannot_move_a_block_viewed_by_its_address(heap: glassheap.Heap) -> None:
    with glassheap.numpy.use(heap):
        array = np.arange(4)
    [address] = heap
    view = heap.view(address)
    with pytest.raises(MemoryError):
        array.resize(100, refcheck=False)
    del array
    assert view.cast("q").tolist() == [0, 1, 2, 3]
    view.release()
    heap.free(address)  # the view kept the block when its array was freed


def test_an_array_made_inside_use_is_freed_with_any_base(based_heap: glassheap.Heap) -> None:
    with glassheap.numpy.use(based_heap):
        array = np.arange(10)
        array.resize(20, refcheck=False)
    assert is_in(based_heap, array)
    assert_pinned(based_heap)
    del array
    assert len(based_heap) == 0


def test_an_array_made_inside_use_keeps_the_memory_of_a_collected_heap() -> None:
    with glassheap.numpy.use(glassheap.Heap(KIB)):
        array = np.arange(10)
    gc.collect()
    array.resize(20, refcheck=False)
    assert array[:10].tolist() == list(range(10))


def test_the_last_array_releases_the_heap() -> None:
    """Neither the handler nor NumPy keeps a reference to the heap."""
    heap = glassheap.Heap(KIB)
    held = sys.getrefcount(heap)
    with glassheap.numpy.use(heap):
        array = np.arange(10)
    assert sys.getrefcount(heap) == held + 1
    del array
    assert sys.getrefcount(heap) == held


def test_arrays_can_be_freed_in_any_thread() -> None:
    heap = glassheap.Heap(1 << 20)
    with glassheap.numpy.use(heap):
        arrays = [np.full(100, number) for number in range(200)]

    def drop() -> None:
        while arrays:
            try:
                array = arrays.pop()
            except IndexError:
                return
            assert (array == array[0]).all()

    threads = [threading.Thread(target=drop) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(heap) == 0
    assert heap.check() == []


def test_a_damaged_heap_can_be_reset_after_its_arrays_are_freed(heap: glassheap.Heap) -> None:
    with glassheap.numpy.use(heap):
        array = np.arange(4)
        [address] = heap
        overwrite(heap, address - heap.base - 8, b"\0")
        assert heap.check() != []
        with pytest.raises(MemoryError):
            np.ones(3)
    with pytest.raises(BufferError):
        heap.reset()
    assert array.tolist() == [0, 1, 2, 3]
    del array
    heap.reset()
    assert_sound(heap)


def test_damage_found_when_an_array_is_freed_marks_the_heap_as_damaged(
    heap: glassheap.Heap,
) -> None:
    with glassheap.numpy.use(heap):
        array = np.arange(4)
    [address] = heap
    overwrite(heap, address - heap.base - 8, b"\0")
    del array
    with pytest.raises(glassheap.HeapDamaged):
        heap.malloc(1)
    heap.reset()


# --- Both kinds of arrays. ------------------------------------------------------------------------

OTHER_REGIONS: dict[str, Callable[[Any], Any]] = {
    "over a buffer": lambda package: package.Heap.over(bytearray(1 << 16)),
    "shared": lambda package: package.SharedHeap.create(buffer=mmap.mmap(-1, 1 << 18)),
}


@pytest.mark.parametrize("make", OTHER_REGIONS.values(), ids=OTHER_REGIONS)
def test_arrays_can_be_in_shared_heaps_and_over_buffers(make: Callable[[Any], Any]) -> None:
    heap = make(glassheap)
    array = heap.copy(np.arange(10))
    with glassheap.numpy.use(heap):
        other = array * 2
        other.resize(1000, refcheck=False)
    part = other[5:10]
    assert is_in(heap, array)
    assert is_in(heap, other)
    del other
    with pytest.raises(BufferError):
        heap.close()
    assert part.tolist() == [10, 12, 14, 16, 18]
    del array, part
    assert (len(heap), heap.check()) == (0, [])
    heap.close()


def test_random_arrays_of_both_kinds_keep_their_contents(any_heap: glassheap.Heap) -> None:
    """Other arrays are made and freed in between."""
    chance = random.Random(3)
    kept: list[tuple[Any, int]] = []

    def make(length: int) -> Any:
        if chance.random() < 0.5:
            return any_heap.array(length, "u1", align=chance.choice([16, 64]))
        with glassheap.numpy.use(any_heap):
            return np.empty(length, "u1")

    for number in range(300):
        try:
            kept.append((make(chance.randrange(60)), number % 256))
        except MemoryError:
            del kept[:: chance.choice([2, 3])]
            continue
        kept[-1][0][:] = number % 256
        if chance.random() < 0.4:
            kept.pop(chance.randrange(len(kept)))
        assert all((array == value).all() for array, value in kept)
    assert len(any_heap) == len(kept)
    assert any_heap.check() == []
    kept.clear()
    assert len(any_heap) == 0
    assert_sound(any_heap)


def test_a_program_can_end_with_live_arrays() -> None:
    program = """
import glassheap, numpy, glassheap.numpy
heap = glassheap.Heap(1 << 20)
manager = glassheap.numpy.use(heap)
manager.__enter__()
array = numpy.arange(1000)
cycle = [numpy.ones(3)]
cycle.append(cycle)
numpy.kept = heap.array(10)
"""
    done = run_child(program)
    assert (done.returncode, done.stderr) == (0, "")
