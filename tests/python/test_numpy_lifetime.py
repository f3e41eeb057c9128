"""The lifetime of arrays in a heap: an array pins its block and frees it at the end."""

from __future__ import annotations

import gc
import mmap
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import glassheap
from glassheap import Heap
from heap_probes import assert_sound, overwrite, refused, run_child
from numpy_helpers import DERIVED, KIB, every_maker, inside_use, is_in, np
from view_helpers import assert_pinned

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy_helpers import Maker

# --- Pins. ----------------------------------------------------------------------------------------


@every_maker
@pytest.mark.parametrize("derive", DERIVED.values(), ids=DERIVED)
def test_every_object_derived_from_an_array_pins_the_block(
    heap: Heap, make: Maker, derive: Callable[[Any], object]
) -> None:
    derived = derive(make(heap, np.zeros((4, 4))))
    gc.collect()
    assert_pinned(heap)
    del derived
    gc.collect()
    assert len(heap) == 0
    heap.close()


@every_maker
def test_an_array_pins_its_block_in_every_policy(any_heap: Heap, make: Maker) -> None:
    array = make(any_heap, np.arange(4))
    assert_pinned(any_heap)
    array[:] = 2
    del array
    assert len(any_heap) == 0
    assert_sound(any_heap)


def test_the_block_object_of_an_array_cannot_be_freed(heap: Heap) -> None:
    array = heap.array(8)
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    with pytest.raises(BufferError):
        base.obj.free()
    assert base.obj.live


def test_numpy_can_use_a_view_and_pins_the_block(heap: Heap) -> None:
    address = heap.malloc(80, align=64)
    numbers = np.frombuffer(heap.view(address), dtype="f8")
    numbers[:] = np.arange(10)
    part = numbers[2:4]
    assert numbers.ctypes.data % 64 == 0
    del numbers
    assert_pinned(heap)
    assert part.tolist() == [2.0, 3.0]
    del part
    assert heap.view(address).cast("d")[3] == 3.0
    heap.free(address)


def test_numpy_cannot_write_to_the_region(heap: Heap) -> None:
    headers = np.asarray(heap.region)
    assert not headers.flags.writeable
    with refused(heap, BufferError):
        heap.close()
    del headers
    heap.close()


# --- Freeing. -------------------------------------------------------------------------------------


@every_maker
def test_the_garbage_collector_frees_an_array_in_a_cycle(heap: Heap, make: Maker) -> None:
    cycle: list[object] = [make(heap, np.zeros(100))]
    cycle.append(cycle)
    assert_pinned(heap)
    del cycle
    gc.collect()
    assert len(heap) == 0


@every_maker
def test_an_array_keeps_the_memory_of_a_collected_heap(make: Maker) -> None:
    array = make(Heap(KIB), np.arange(10))
    gc.collect()
    if array.flags.owndata:
        array.resize(20, refcheck=False)
    assert array[:10].tolist() == list(range(10))


@every_maker
def test_arrays_can_be_freed_in_any_thread(make: Maker) -> None:
    heap = Heap(1 << 20)
    arrays = [make(heap, np.full(100, number)) for number in range(200)]

    def drop() -> None:
        while arrays:
            try:
                array = arrays.pop()
            except IndexError:
                return
            assert (array == array[0]).all()

    with ThreadPoolExecutor(4) as pool:
        for dropped in [pool.submit(drop) for _ in range(4)]:
            dropped.result()
    assert len(heap) == 0
    assert heap.check() == []


def test_the_last_array_releases_the_heap() -> None:
    """Neither the handler nor NumPy keeps a reference to the heap."""
    heap = Heap(KIB)
    held = sys.getrefcount(heap)
    array = inside_use(heap, np.arange(10))
    assert sys.getrefcount(heap) == held + 1
    del array
    assert sys.getrefcount(heap) == held


# --- Resizing. ------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", [None, 0])
def test_a_resized_array_pins_its_block_and_frees_it(base: int | None) -> None:
    heap = Heap(base=base)
    array = inside_use(heap, np.arange(4))
    array.resize(8, refcheck=False)
    assert is_in(heap, array)
    assert_pinned(heap)
    assert array.tolist() == [0, 1, 2, 3, 0, 0, 0, 0]
    del array
    assert len(heap) == 0


def test_resize_cannot_move_a_block_viewed_by_its_address(heap: Heap) -> None:
    array = inside_use(heap, np.arange(4))
    [address] = heap
    view = heap.view(address)
    with pytest.raises(MemoryError):
        array.resize(100, refcheck=False)
    del array
    assert view.cast("q").tolist() == [0, 1, 2, 3]
    view.release()
    heap.free(address)  # the view kept the block when its array was freed


# --- Damaged heaps. -------------------------------------------------------------------------------


def test_a_damaged_heap_can_be_reset_after_its_arrays_are_freed(heap: Heap) -> None:
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


def test_damage_found_when_an_array_is_freed_marks_the_heap_as_damaged(heap: Heap) -> None:
    array = inside_use(heap, np.arange(4))
    [address] = heap
    overwrite(heap, address - heap.base - 8, b"\0")
    del array
    with pytest.raises(glassheap.HeapDamaged):
        heap.malloc(1)
    heap.reset()


# --- Both kinds of arrays. ------------------------------------------------------------------------

OTHER_REGIONS: dict[str, Callable[[], Heap]] = {
    "over a buffer": lambda: Heap.over(bytearray(1 << 16)),
    "shared": lambda: glassheap.SharedHeap.create(buffer=mmap.mmap(-1, 1 << 18)),
}


@pytest.mark.parametrize("make", OTHER_REGIONS.values(), ids=OTHER_REGIONS)
def test_arrays_can_be_in_shared_heaps_and_over_buffers(make: Callable[[], Heap]) -> None:
    heap = make()
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


def test_random_arrays_of_both_kinds_keep_their_contents(any_heap: Heap) -> None:
    """Other arrays are made and freed in between."""
    chance = random.Random(3)
    kept: list[tuple[Any, int]] = []

    def make(length: int) -> Any:
        if chance.random() < 0.5:
            return any_heap.array(length, "u1", align=chance.choice([16, 64]))
        with glassheap.numpy.use(any_heap):
            return np.empty(length, "u1")

    for number in range(256):
        try:
            kept.append((make(chance.randrange(60)), number))
        except MemoryError:  # or OutOfMemory, which is one
            del kept[:: chance.choice([2, 3])]
            continue
        kept[-1][0][:] = number
        if chance.random() < 0.4:
            kept.pop(chance.randrange(len(kept)))
        assert all((array == value).all() for array, value in kept)
    assert len(any_heap) == len(kept)
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
