"""glassheap.numpy.use: NumPy allocates its own arrays in a heap; and the lifetime of all arrays.

test_views.py has the pins of arrays.
"""

from __future__ import annotations

import contextvars
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import glassheap
from command_helpers import output_of
from fault_fixture import REGIONS
from glassheap import Heap
from heap_probes import assert_sound, overwrite
from numpy_helpers import DEFAULT_HANDLER, handler_of, inside_use, is_in, np

if TYPE_CHECKING:
    from numpy.typing import NDArray

use: Any = glassheap.numpy.use


def test_arrays_made_inside_use_are_in_the_heap(any_heap: Heap) -> None:
    with use(any_heap) as inside:
        assert inside is any_heap
        numbers = np.arange(10.0)
        made = [np.ones(3), numbers * 2, np.concatenate([numbers, numbers]), numbers.astype("i4")]
    for array in [numbers, *made]:
        assert is_in(any_heap, array)
        assert array.ctypes.data % 64 == 0
        assert array.flags.owndata
    assert not is_in(any_heap, np.arange(10.0))
    assert (numbers * 2).tolist() == made[1].tolist()
    del array, numbers, made
    assert len(any_heap) == 0
    assert_sound(any_heap)


def test_numpy_clears_and_grows_memory_in_the_heap(heap: Heap) -> None:
    with use(heap):
        np.full(450, -1.0)
        assert len(heap) == 0
        assert not np.zeros(450).any()
        array = np.fromiter((number * number for number in range(100)), "i4")
    assert array.tolist() == [number * number for number in range(100)]
    assert is_in(heap, array)


def test_a_small_heap_uses_its_largest_alignment() -> None:
    array = inside_use(Heap(128), np.arange(4))
    assert array.ctypes.data % 32 == 0


def test_resize_grows_and_shrinks_in_place_or_moves(any_heap: Heap) -> None:
    array, hindrance = (inside_use(any_heap, np.arange(16)) for _ in range(2))
    for size in (8, 30, 0, 100, 16):
        kept = array[:size].tolist()
        array.resize(size, refcheck=False)
        assert is_in(any_heap, array)
        assert array.ctypes.data % 64 == 0
        assert array[: len(kept)].tolist() == kept
        with pytest.raises(BufferError):
            any_heap.close()
    with pytest.raises(MemoryError):
        array.resize(4096, refcheck=False)
    assert hindrance.tolist() == list(range(16))
    del array, hindrance
    assert len(any_heap) == 0
    assert_sound(any_heap)


@pytest.mark.parametrize("region", ["a buffer", "shared"])
def test_arrays_can_be_in_shared_heaps_and_over_buffers(region: str) -> None:
    heap = REGIONS[region](1 << 16)
    array = heap.copy(np.arange(10))
    with use(heap):
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


# --- The handler. ---------------------------------------------------------------------------------


def test_the_previous_handler_is_restored(heap: Heap) -> None:
    with use(heap):
        assert handler_of() == "glassheap"
    assert handler_of() == DEFAULT_HANDLER
    with pytest.raises(KeyError), use(heap):
        raise KeyError
    assert handler_of() == DEFAULT_HANDLER


def test_use_can_be_nested_and_a_decorator() -> None:
    outer, inner = Heap(4096), Heap(4096, policy="tlsf", headers=False)
    ones_inside = use(inner)(np.ones)
    with use(outer):
        first = np.ones(3)
        with use(inner), use(inner):
            second = np.ones(3)
        made = [first, second, ones_inside(3), np.ones(3), second + first]
    assert [is_in(outer, array) for array in made] == [True, False, False, True, True]
    assert [is_in(inner, array) for array in made] == [False, True, True, False, False]
    del first, second, made
    assert (len(outer), len(inner)) == (0, 0)


def test_use_does_not_affect_other_threads_and_contexts(heap: Heap) -> None:
    with use(heap), ThreadPoolExecutor(1) as pool:
        in_thread = pool.submit(handler_of).result()
        assert in_thread in (DEFAULT_HANDLER, "glassheap")  # Python 3.14 can pass the context on
        inside = contextvars.copy_context()
    assert handler_of() == DEFAULT_HANDLER
    assert inside.run(handler_of) == "glassheap"
    assert handler_of() == DEFAULT_HANDLER


@pytest.mark.parametrize("shared", [True, False], ids=["one heap", "a heap each"])
def test_threads_can_compute_in_heaps_at_the_same_time(shared: bool) -> None:
    """Each sort allocates and frees its buffer while other threads run."""
    common = Heap(1 << 24)
    np.random.default_rng(0)  # memory that it keeps for good must not be in the heap

    def compute(seed: int) -> Heap:
        heap = common if shared else Heap(1 << 22)
        with use(heap):
            generator = np.random.default_rng(seed)
            for _ in range(20):
                values = generator.random((50, 60))
                values.sort(axis=0, kind="stable")
                values.sort(axis=1, kind="stable")
                assert is_in(heap, values)
                assert (np.diff(values, axis=1) >= 0).all()
        return heap

    with ThreadPoolExecutor(4) as pool:
        for heap in pool.map(compute, range(8)):
            assert heap.check() == []
    assert [len(heap) for heap in (heap, common)] == [0, 0]


# --- Errors. --------------------------------------------------------------------------------------


def test_a_full_heap_raises_memory_error_in_numpy(any_heap: Heap) -> None:
    kept: list[NDArray[Any]] = []
    with use(any_heap):
        with pytest.raises(MemoryError, match="Unable to allocate"):  # noqa: PT012
            while True:
                kept.append(np.full(20, len(kept)))
        with pytest.raises(MemoryError):
            np.zeros(2**40)
    assert 5 < len(kept) < 100
    assert [array[19] for array in kept] == list(range(len(kept)))
    kept.clear()
    assert len(any_heap) == 0


def test_a_closed_heap_cannot_allocate_arrays(heap: Heap) -> None:
    with use(heap):
        heap.close()
        with pytest.raises(MemoryError):
            np.ones(3)
    with pytest.raises(glassheap.HeapClosed), use(heap):
        pass
    assert handler_of() == DEFAULT_HANDLER


@pytest.mark.parametrize("wrong", [None, 4096, "heap", Heap, bytearray(4096)], ids=str)
def test_use_of_another_object_than_a_heap_is_a_type_error(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"can come from a Heap, not from"):
        use(wrong).__enter__()
    with pytest.raises(TypeError, match="never opened"):
        use(Heap.__new__(Heap)).__enter__()
    assert handler_of() == DEFAULT_HANDLER


def test_damage_found_when_an_array_is_freed_damages_the_heap_until_a_reset(heap: Heap) -> None:
    """The other arrays stay valid, and the heap can be reset when they are gone."""
    with use(heap):
        array, other = np.arange(4), np.arange(4)
        overwrite(heap, next(iter(heap)) - heap.base - 8, b"\0")
        del array
        with pytest.raises(MemoryError):
            np.ones(3)
    with pytest.raises(glassheap.HeapDamaged):
        heap.malloc(1)
    with pytest.raises(BufferError):
        heap.reset()
    assert other.tolist() == [0, 1, 2, 3]
    del other
    heap.reset()
    assert_sound(heap)


# --- Lifetime. ------------------------------------------------------------------------------------


def test_the_block_object_of_an_array_cannot_be_freed(heap: Heap) -> None:
    array = heap.array(8)
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    with pytest.raises(BufferError):
        base.obj.free()
    assert base.obj.live


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


def test_the_last_array_releases_the_heap() -> None:
    """Neither the handler nor NumPy keeps a reference to the heap."""
    heap = Heap(1024)
    held = sys.getrefcount(heap)
    array = inside_use(heap, np.arange(10))
    assert sys.getrefcount(heap) == held + 1
    del array
    assert sys.getrefcount(heap) == held


def test_random_arrays_of_both_kinds_keep_their_contents(any_heap: Heap) -> None:
    """Other arrays are made and freed in between."""
    chance = random.Random(3)
    kept: list[tuple[Any, int]] = []

    def make(length: int) -> Any:
        if chance.random() < 0.5:
            return any_heap.array(length, "u1", align=chance.choice([16, 64]))
        with use(any_heap):
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


def test_a_program_can_end_with_live_arrays_while_numpy_uses_a_heap() -> None:
    program = """
import glassheap, numpy, glassheap.numpy
heap = glassheap.Heap(1 << 20)
manager = glassheap.numpy.use(heap)
manager.__enter__()
array = numpy.arange(1000)
cycle = [numpy.ones(3)]
cycle.append(cycle)
numpy.kept = heap.array(10)
vars(glassheap.numpy).update(dict.fromkeys(vars(glassheap.numpy)))  # as Python clears a module
"""
    assert output_of(sys.executable, "-c", program) == ""
