"""glassheap.numpy.use: NumPy allocates the memory of its own arrays in a heap."""

from __future__ import annotations

import contextvars
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import glassheap
from glassheap import Heap
from heap_probes import assert_sound
from numpy_helpers import DEFAULT_HANDLER, handler_of, is_in, np

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


def test_zeros_are_zero_in_a_reused_block(heap: Heap) -> None:
    with use(heap):
        np.full(450, -1.0)
        assert len(heap) == 0
        assert not np.zeros(450).any()


def test_fromiter_grows_its_array_in_the_heap(heap: Heap) -> None:
    with use(heap):
        array = np.fromiter((number * number for number in range(100)), "i4")
    assert array.tolist() == [number * number for number in range(100)]
    assert is_in(heap, array)


def test_a_small_heap_uses_its_largest_alignment() -> None:
    heap = Heap(128)
    with use(heap):
        array = np.arange(4)
    assert array.ctypes.data % 32 == 0


def test_resize_grows_and_shrinks_in_place_or_moves(any_heap: Heap) -> None:
    with use(any_heap):
        array = np.arange(16)
        hindrance = np.arange(16)
    for size in (8, 30, 0, 100, 16):
        kept = array[:size].tolist()
        array.resize(size, refcheck=False)
        assert is_in(any_heap, array)
        assert array.ctypes.data % 64 == 0
        assert array[: len(kept)].tolist() == kept
    with pytest.raises(MemoryError):
        array.resize(4096, refcheck=False)
    assert hindrance.tolist() == list(range(16))
    del array, hindrance
    assert len(any_heap) == 0
    assert_sound(any_heap)


# --- The handler. ---------------------------------------------------------------------------------


def test_the_previous_handler_is_restored(heap: Heap) -> None:
    with use(heap):
        assert handler_of() == "glassheap"
    assert handler_of() == DEFAULT_HANDLER
    with pytest.raises(ZeroDivisionError), use(heap):
        _ = 1 // 0
    assert handler_of() == DEFAULT_HANDLER


def test_use_can_be_nested() -> None:
    outer, inner = Heap(4096), Heap(4096, policy="tlsf", headers=False)
    with use(outer):
        first = np.ones(3)
        with use(inner), use(inner):
            second = np.ones(3)
        third = np.ones(3)
        total = second + first
    assert [is_in(outer, array) for array in (first, second, third, total)] == [1, 0, 1, 1]
    assert is_in(inner, second)
    del first, second, third, total
    assert (len(outer), len(inner)) == (0, 0)


def test_use_can_be_a_decorator(heap: Heap) -> None:
    @glassheap.numpy.use(heap)
    def ones() -> Any:
        return np.ones(3)

    assert is_in(heap, ones())
    assert is_in(heap, ones())


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


# --- Threads and contexts. ------------------------------------------------------------------------


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
