"""NumPy arrays whose elements are in a heap, one by one, and all that NumPy makes."""

from __future__ import annotations

import contextvars
import gc
import inspect
import mmap
import random
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import glassheap
from heap_probes import assert_sentences, assert_sound, overwrite, refused, run_child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

np = pytest.importorskip("numpy")

KIB = 1024
PLAIN = "default_allocator"


def is_in(heap: glassheap.Heap, array: NDArray[Any]) -> bool:
    """Whether all elements are inside the region."""
    offset = int(array.__array_interface__["data"][0]) - heap.address
    return offset >= 0 and offset + array.nbytes <= heap.size


def handler_of(array: NDArray[Any] | None = None) -> str:
    """The name of the handler that the array was made with, or that the next one will be."""
    inside = np._core if hasattr(np, "_core") else np.core
    name: str = inside.multiarray.get_handler_name(*([] if array is None else [array]))
    return name


# --- One array: it is what numpy.empty would give. ------------------------------------------------

RECORD = np.dtype([("x", "<f8"), ("y", "i1"), ("z", "u2", (2, 3))], align=True)
DTYPES = [
    "f8",
    "i1",
    ">u4",
    "c16",
    "?",
    "M8[us]",
    "S5",
    "U3",
    "S",
    "U",
    "V7",
    RECORD,
    "3i2",
    ("3i2", (2, 1)),
]
SHAPES: list[Any] = [0, 7, (), (1,), [2, 3], (4, 0, 2), (2, 3, 4), (1, 1, 5, 1), np.int8(3)]


def assert_alike(array: NDArray[Any], expected: NDArray[Any]) -> None:
    """All but the address and the contents."""
    assert type(array) is np.ndarray
    assert (array.shape, array.dtype, array.nbytes) == (
        expected.shape,
        expected.dtype,
        expected.nbytes,
    )
    assert array.strides == expected.strides
    for flag in ("c_contiguous", "f_contiguous", "writeable", "aligned"):
        assert getattr(array.flags, flag) == getattr(expected.flags, flag)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_an_array_is_as_numpy_empty_makes_it(
    heap: glassheap.Heap, shape: Any, dtype: Any, order: Any
) -> None:
    array = heap.array(shape, dtype, order=order)
    assert_alike(array, np.empty(shape, dtype, order=order))
    assert len(heap) == 1
    assert is_in(heap, array)
    del array
    assert len(heap) == 0


def test_the_defaults_are_those_of_numpy(heap: glassheap.Heap) -> None:
    assert_alike(heap.array((2, 3)), np.empty((2, 3)))
    assert_alike(heap.array(shape=4, dtype=float), np.empty(4))


def test_elements_may_be_empty(heap: glassheap.Heap) -> None:
    dtypes: list[Any] = [[], "V0", "S0"]
    for dtype in dtypes:
        array = heap.array((2, 3), dtype)
        assert (array.shape, array.dtype) == ((2, 3), np.empty(0, dtype).dtype)


def test_elements_are_the_bytes_of_the_block(based_heap: glassheap.Heap) -> None:
    array = based_heap.array(10, "<u2")
    array[:] = range(10)
    [address] = based_heap
    assert based_heap.view(address).cast("H").tolist() == list(range(10))


@pytest.mark.parametrize("align", [1, 16, 64, 256, 1024])
def test_an_array_starts_at_a_multiple_of_align(based_heap: glassheap.Heap, align: int) -> None:
    based_heap.malloc(16)
    first, second = based_heap.array(3, align=align), based_heap.copy([1, 2], align=align)
    assert first.ctypes.data % max(align, 16) == second.ctypes.data % max(align, 16) == 0


def test_an_array_starts_a_cache_line_unless_told_otherwise(any_heap: glassheap.Heap) -> None:
    arrays = [any_heap.array(size, "u1") for size in (1, 64, 65, 200)]
    assert [array.ctypes.data % 64 for array in arrays] == [0] * 4


def test_contents_are_those_of_the_block(heap: glassheap.Heap) -> None:
    address = heap.malloc(64, align=64)
    heap.view(address)[:] = b"7" * 64
    heap.free(address)
    assert b"7" * 32 in heap.array(64, "u1").tobytes()


# --- One array: it holds its block. ---------------------------------------------------------------

DERIVED: dict[str, Callable[[Any], object]] = {
    "itself": lambda array: array,
    "a slice": lambda array: array[1:2],
    "an empty slice": lambda array: array[3:3],
    "a slice of a slice": lambda array: array[1:][::2][:1],
    "a row": lambda array: array[0],
    "0-d": lambda array: array[0, 0, ...],
    "a transpose": lambda array: array.T,
    "a reshape": lambda array: array.reshape(2, -1),
    "another dtype": lambda array: array.view("u1"),
    "a field": lambda array: array.view([("a", "f4"), ("b", "f4")])["b"],
    "a real part": lambda array: array.view("c8").imag,
    "a broadcast": lambda array: np.broadcast_to(array, (3, *array.shape)),
    "a memoryview": memoryview,
    "an iterator": lambda array: array.flat,
    "a subclass": lambda array: array.view(np.ma.MaskedArray),
    "by DLPack": np.from_dlpack,
    "an array of it": np.asarray,
}


def ways_to_lose(heap: glassheap.Heap, address: int) -> Iterator[Callable[[], object]]:
    yield lambda: heap.free(address)
    yield lambda: heap.free_many([address])
    yield lambda: heap.realloc(address, 1)
    yield heap.reset
    yield heap.close


def assert_held(heap: glassheap.Heap) -> None:
    """Its one block cannot be lost."""
    [address] = heap
    for lose in ways_to_lose(heap, address):
        with refused(heap, BufferError, "is still alive."):
            lose()


@pytest.mark.parametrize("derive", DERIVED.values(), ids=DERIVED)
def test_whatever_is_made_of_an_array_holds_the_block(
    heap: glassheap.Heap, derive: Callable[[Any], object]
) -> None:
    derived = derive(heap.array((4, 4)))
    gc.collect()
    assert_held(heap)
    del derived
    gc.collect()
    assert len(heap) == 0
    heap.close()


@pytest.mark.parametrize(
    "make", [lambda heap: heap.array(8), lambda heap: heap.copy(np.ones(8))], ids=["array", "copy"]
)
def test_in_every_heap_an_array_holds_its_block(
    any_heap: glassheap.Heap, make: Callable[[glassheap.Heap], Any]
) -> None:
    array = make(any_heap)
    assert_held(any_heap)
    array[:] = 2
    del array
    assert len(any_heap) == 0
    assert_sound(any_heap)


def test_the_block_behind_an_array_cannot_be_freed_either(heap: glassheap.Heap) -> None:
    array = heap.array(8)
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    with pytest.raises(BufferError):
        base.obj.free()
    assert base.obj.live


def test_arrays_that_fill_the_heap_free_themselves(any_heap: glassheap.Heap) -> None:
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


def test_the_garbage_collector_frees_arrays_too(heap: glassheap.Heap) -> None:
    cycle: list[object] = [heap.array(100)]
    cycle.append(cycle)
    assert_held(heap)
    del cycle
    gc.collect()
    assert len(heap) == 0


def test_an_array_keeps_the_memory_of_a_heap_that_is_gone() -> None:
    array = glassheap.Heap(KIB).copy(np.arange(10))
    gc.collect()
    assert array.tolist() == list(range(10))


def test_an_array_that_dies_in_another_thread_is_freed(heap: glassheap.Heap) -> None:
    arrays = [heap.array(100)]
    thread = threading.Thread(target=arrays.clear)
    thread.start()
    thread.join()
    assert len(heap) == 0


def test_a_heap_of_another_class_has_arrays() -> None:
    class Named(glassheap.Heap):
        name = "of the family"

    heap = Named(KIB)
    assert is_in(heap, heap.array(4))


# --- One array: what is refused. ------------------------------------------------------------------

WITH_OBJECTS = [object, "O", [("a", "i4"), ("b", "O")], ("O", (2,))]
if int(np.__version__.partition(".")[0]) >= 2:
    WITH_OBJECTS.append(np.dtypes.StringDType())


@pytest.mark.parametrize("dtype", WITH_OBJECTS, ids=str)
def test_pointers_to_objects_have_no_place_in_a_heap(heap: glassheap.Heap, dtype: Any) -> None:
    with refused(heap, TypeError, "its elements are pointers") as caught:
        heap.array(3, dtype)
    assert_sentences(str(caught.value))


def test_objects_are_not_copied_into_a_heap(heap: glassheap.Heap) -> None:
    sources: list[Any] = [[None], np.array([[], [1]], object)]
    for source in sources:
        with refused(heap, TypeError, "cannot have the dtype object"):
            heap.copy(source)


HUGE = [2**61, 2**62, 2**63, 2**64, 2**200, (2**32, 2**32), (2**31, 2**31, 2**31), [2**63, 2]]


@pytest.mark.parametrize("shape", HUGE, ids=str)
@pytest.mark.parametrize("dtype", ["u1", "f8", "S100"])
def test_a_size_never_wraps(heap: glassheap.Heap, shape: Any, dtype: str) -> None:
    with refused(heap, glassheap.OutOfMemory) as caught:
        heap.array(shape, dtype)
    expected = np.dtype(dtype).itemsize
    for length in [shape] if isinstance(shape, int) else shape:
        expected *= length
    assert isinstance(caught.value, glassheap.OutOfMemory)
    assert caught.value.requested == expected


@pytest.mark.parametrize(
    "shape", [(0, 2**62, 2**62), (0, 2**64), (2**200, 0), (1,) * 65, -1, (2, -3), (-1, -1), (0, -1)]
)
def test_what_no_shape_can_be_is_a_value_error(heap: glassheap.Heap, shape: Any) -> None:
    with pytest.raises(ValueError, match=r"too big|dimension|negative"):
        heap.array(shape)
    assert len(heap) == 0


@pytest.mark.parametrize("shape", [None, 2.0, "3", (2, 1.5), object()], ids=str)
def test_what_is_no_shape_is_a_type_error(heap: glassheap.Heap, shape: Any) -> None:
    with refused(heap, TypeError):
        heap.array(shape)


@pytest.mark.parametrize("order", ["K", "A", "c", "", None, 1])
def test_an_order_is_c_or_f(heap: glassheap.Heap, order: Any) -> None:
    with refused(heap, ValueError, "order must be 'C' (rows first) or 'F' (columns first), not"):
        heap.array(3, order=order)


def test_the_heap_refuses_what_it_always_refuses(heap: glassheap.Heap) -> None:
    with refused(heap, glassheap.InvalidAlignment):
        heap.array(3, align=48)
    with refused(heap, glassheap.InvalidAlignment):
        heap.copy([3], align=4096)
    with refused(heap, TypeError):
        heap.array(3, dtype="no such type")
    with refused(heap, glassheap.OutOfMemory):
        heap.copy(np.zeros(4096))
    heap.close()
    calls: list[Callable[[], object]] = [lambda: heap.array(3), lambda: heap.copy([3])]
    for call in calls:
        with pytest.raises(glassheap.HeapClosed):
            call()


def test_arguments_have_the_names_that_are_documented(heap: glassheap.Heap) -> None:
    functions: list[Callable[..., Any]] = [glassheap.numpy.array, glassheap.numpy.copy]
    for function in functions:
        method = getattr(glassheap.Heap, function.__name__)
        _, *ours = inspect.signature(function).parameters.values()
        _, *told = inspect.signature(method).parameters.values()
        assert [(one.name, one.kind, one.default) for one in ours] == [
            (one.name, one.kind, one.default) for one in told
        ]
    with pytest.raises(TypeError, match="shape"):
        heap.array()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        heap.array(3, "f8", 64)  # type: ignore[call-arg]


def test_without_numpy_it_is_said_what_to_install() -> None:
    program = """
import sys
sys.modules["numpy"] = None
import glassheap
heap = glassheap.Heap()
for call in (lambda: heap.array(3), lambda: heap.copy([3]), lambda: glassheap.numpy):
    try:
        call()
    except ImportError as error:
        assert "pip install 'glassheap[numpy]'" in str(error), error
    else:
        raise SystemExit(1)
assert len(heap) == 0
"""
    done = run_child(program)
    assert (done.returncode, done.stderr) == (0, "")


# --- Copies. --------------------------------------------------------------------------------------

CUBE = np.arange(24, dtype="i4").reshape(2, 3, 4)
SOURCES: dict[str, Any] = {
    "rows first": CUBE,
    "columns first": np.asfortranarray(CUBE),
    "axes in another order": CUBE.transpose(1, 2, 0),
    "a slice": CUBE[:, ::2, 1:3],
    "backwards": CUBE[::-1, :, ::-1],
    "a broadcast": np.broadcast_to(CUBE[0], (5, 3, 4)),
    "0-d": np.array(5.0),
    "empty": np.empty((3, 0)),
    "swapped bytes": CUBE.astype(">i4"),
    "unaligned": np.frombuffer(bytes(range(33)), "u8", 4, 1),
    "records": np.zeros(3, RECORD),
    "dates": np.arange("2026-01", "2026-05", dtype="M8[M]"),
    "texts": np.array(["a", "longer"]),
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_a_copy_is_as_numpy_makes_it(heap: glassheap.Heap, source: Any) -> None:
    copy = heap.copy(source)
    expected = source.copy(order="K")
    assert_alike(copy, expected)
    assert (copy == expected).all()
    assert is_in(heap, copy)
    assert not np.shares_memory(copy, source)


def test_a_copy_is_made_of_whatever_makes_an_array(heap: glassheap.Heap) -> None:
    for source in (3, [1.5, 2], (1, True), b"bytes", memoryview(b"abc"), np.ma.ones(3)):
        assert_alike(heap.copy(source), np.array(source))
        assert heap.copy(source).tolist() == np.array(source).tolist()


def test_a_copy_of_what_is_read_only_is_writable(heap: glassheap.Heap) -> None:
    source = np.arange(3)
    source.flags.writeable = False
    copy = heap.copy(source)
    copy[0] = 9
    assert source[0] == 0


# --- NumPy's own memory. --------------------------------------------------------------------------


def test_what_numpy_makes_inside_is_in_the_heap(any_heap: glassheap.Heap) -> None:
    with glassheap.numpy.use(any_heap) as inside:
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


def test_addresses_from_any_base_come_back(based_heap: glassheap.Heap) -> None:
    with glassheap.numpy.use(based_heap):
        array = np.arange(10)
        array.resize(20, refcheck=False)
    assert is_in(based_heap, array)
    assert_held(based_heap)
    del array
    assert len(based_heap) == 0


@pytest.mark.parametrize("derive", DERIVED.values(), ids=DERIVED)
def test_what_is_made_of_numpys_array_holds_its_block(
    heap: glassheap.Heap, derive: Callable[[Any], object]
) -> None:
    with glassheap.numpy.use(heap):
        array = np.zeros((4, 4))
    derived = derive(array)
    del array
    gc.collect()
    assert_held(heap)
    del derived
    gc.collect()
    heap.close()


def test_zeros_are_zeros_whatever_was_there(heap: glassheap.Heap) -> None:
    with glassheap.numpy.use(heap):
        np.full(450, -1.0)
        assert len(heap) == 0
        assert not np.zeros(450).any()


def test_the_handler_before_comes_back(heap: glassheap.Heap) -> None:
    with glassheap.numpy.use(heap):
        assert handler_of() == "glassheap"
    assert handler_of() == PLAIN
    with pytest.raises(ZeroDivisionError), glassheap.numpy.use(heap):
        _ = 1 // 0
    assert handler_of() == PLAIN


def test_heaps_may_be_nested() -> None:
    outer, inner = glassheap.Heap(4096), glassheap.Heap(4096, policy="tlsf", headers=False)
    with glassheap.numpy.use(outer):
        first = np.ones(3)
        with glassheap.numpy.use(inner), glassheap.numpy.use(inner):
            second = np.ones(3)
        third = np.ones(3)
        sum_in_outer = second + first
    assert [is_in(outer, array) for array in (first, second, third)] == [True, False, True]
    assert is_in(inner, second)
    assert is_in(outer, sum_in_outer)
    del first, second, third, sum_in_outer
    assert (len(outer), len(inner)) == (0, 0)


def test_it_can_be_a_decorator(heap: glassheap.Heap) -> None:
    @glassheap.numpy.use(heap)
    def ones() -> Any:
        return np.ones(3)

    assert is_in(heap, ones())
    assert is_in(heap, ones())


def test_a_full_heap_is_numpys_memory_error(any_heap: glassheap.Heap) -> None:
    kept: list[NDArray[Any]] = []
    with glassheap.numpy.use(any_heap):
        with pytest.raises(MemoryError, match="Unable to allocate"):  # noqa: PT012
            while True:
                kept.append(np.full(20, len(kept)))
        with pytest.raises(MemoryError):
            np.zeros(2**40)
    assert 5 < len(kept) < 100
    assert [array[19] for array in kept] == list(range(len(kept)))
    kept.clear()
    assert len(any_heap) == 0
    assert_sound(any_heap)


def test_an_array_grows_and_shrinks_where_it_is_or_elsewhere(any_heap: glassheap.Heap) -> None:
    with glassheap.numpy.use(any_heap):
        array = np.arange(16)
        hindrance = np.arange(16)
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


def test_an_array_that_grows_while_it_is_made(heap: glassheap.Heap) -> None:
    with glassheap.numpy.use(heap):
        array = np.fromiter((number * number for number in range(100)), "i4")
    assert array.tolist() == [number * number for number in range(100)]
    assert is_in(heap, array)


def test_a_block_that_is_viewed_by_its_address_does_not_move(heap: glassheap.Heap) -> None:
    with glassheap.numpy.use(heap):
        array = np.arange(4)
    [address] = heap
    view = heap.view(address)
    with pytest.raises(MemoryError):
        array.resize(100, refcheck=False)
    del array
    assert view.cast("q").tolist() == [0, 1, 2, 3]
    view.release()
    heap.free(address)  # it had outlived its array, and so was left to its address


def test_numpys_blocks_cannot_be_lost(any_heap: glassheap.Heap) -> None:
    with glassheap.numpy.use(any_heap):
        array = np.arange(4)
    assert_held(any_heap)
    array.resize(8, refcheck=False)
    assert_held(any_heap)
    assert array.tolist() == [0, 1, 2, 3, 0, 0, 0, 0]


def test_arrays_keep_the_memory_of_a_heap_that_is_gone() -> None:
    with glassheap.numpy.use(glassheap.Heap(KIB)):
        array = np.arange(10)
    gc.collect()
    array.resize(20, refcheck=False)
    assert array[:10].tolist() == list(range(10))


def test_a_heap_goes_with_its_last_array() -> None:
    """Nothing is left that holds it: neither the handler, nor what NumPy remembers of it."""
    heap = glassheap.Heap(KIB)
    held = sys.getrefcount(heap)
    with glassheap.numpy.use(heap):
        array = np.arange(10)
    assert sys.getrefcount(heap) == held + 1
    del array
    assert sys.getrefcount(heap) == held


def test_a_small_heap_aligns_as_well_as_it_can() -> None:
    heap = glassheap.Heap(128)
    with glassheap.numpy.use(heap):
        array = np.arange(4)
    assert array.ctypes.data % 32 == 0


def test_a_closed_heap_serves_nobody(heap: glassheap.Heap) -> None:
    with glassheap.numpy.use(heap):
        heap.close()
        with pytest.raises(MemoryError):
            np.ones(3)
    with pytest.raises(glassheap.HeapClosed), glassheap.numpy.use(heap):
        pass
    assert handler_of() == PLAIN


@pytest.mark.parametrize("wrong", [None, 4096, "heap", glassheap.Heap, bytearray(4096)], ids=str)
def test_what_is_no_heap_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"can come from a Heap, not from"):
        glassheap.numpy.use(wrong).__enter__()
    with pytest.raises(TypeError, match="never opened"):
        glassheap.numpy.use(glassheap.Heap.__new__(glassheap.Heap)).__enter__()
    assert handler_of() == PLAIN


def test_a_damaged_heap_can_be_reset_when_its_arrays_are_gone(heap: glassheap.Heap) -> None:
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


def test_damage_that_an_array_finds_when_it_dies_is_remembered(heap: glassheap.Heap) -> None:
    with glassheap.numpy.use(heap):
        array = np.arange(4)
    [address] = heap
    overwrite(heap, address - heap.base - 8, b"\0")
    del array
    with pytest.raises(glassheap.HeapDamaged):
        heap.malloc(1)
    heap.reset()


def test_a_program_may_end_while_arrays_live() -> None:
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


OTHER_GROUNDS: dict[str, Callable[[Any], Any]] = {
    "over a buffer": lambda package: package.Heap.over(bytearray(1 << 16)),
    "shared": lambda package: package.SharedHeap.create(buffer=mmap.mmap(-1, 1 << 18)),
}


@pytest.mark.parametrize("make", OTHER_GROUNDS.values(), ids=OTHER_GROUNDS)
def test_arrays_may_be_in_a_heap_of_any_kind(make: Callable[[Any], Any]) -> None:
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


# --- Threads, and contexts. -----------------------------------------------------------------------


def test_other_threads_and_contexts_are_not_concerned(heap: glassheap.Heap) -> None:
    with glassheap.numpy.use(heap), ThreadPoolExecutor(1) as pool:
        assert pool.submit(handler_of).result() in (PLAIN, "glassheap")  # 3.14 may hand it over
        inside = contextvars.copy_context()
    assert handler_of() == PLAIN
    assert inside.run(handler_of) == "glassheap"
    assert handler_of() == PLAIN


def test_arrays_die_in_whatever_thread() -> None:
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


@pytest.mark.parametrize("shared", [True, False], ids=["one heap", "a heap each"])
def test_threads_compute_in_heaps_at_the_same_time(shared: bool) -> None:
    """A sort takes its buffer, and gives it back, while others run."""
    common = glassheap.Heap(1 << 24)
    np.random.default_rng(0)  # what it keeps for good is not to be in the heap

    def sort(values: NDArray[Any], heap: glassheap.Heap) -> None:
        values.sort(axis=0, kind="stable")
        values.sort(axis=1, kind="stable")
        assert is_in(heap, values)
        assert (np.diff(values, axis=1) >= 0).all()

    def compute(seed: int) -> glassheap.Heap:
        heap = common if shared else glassheap.Heap(1 << 22)
        with glassheap.numpy.use(heap):
            generator = np.random.default_rng(seed)
            for _ in range(20):
                sort(generator.random((50, 60)), heap)
        return heap

    with ThreadPoolExecutor(4) as pool:
        for heap in pool.map(compute, range(8)):
            assert heap.check() == []
    assert [len(heap) for heap in (heap, common)] == [0, 0]


def test_arrays_of_all_kinds_come_and_go(any_heap: glassheap.Heap) -> None:
    """Each keeps its contents, whatever happens to the others."""
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
