"""Heap.array and Heap.copy: arrays with their elements in a heap, like those of NumPy."""

from __future__ import annotations

import inspect
import sys
from math import prod
from typing import Any

import pytest

import glassheap
from command_helpers import output_of
from glassheap import Heap
from heap_probes import assert_sentences, refused
from numpy_helpers import RECORD, assert_alike, is_in, np

DTYPES: list[Any] = ["f8", "i1", ">u4", "c16", "?", "M8[us]", "S5", "U3", "S", "U", "V7", "3i2"]
DTYPES += [RECORD, ("3i2", (2, 1))]
SHAPES: list[Any] = [0, 7, (), (1,), [2, 3], (4, 0, 2), (2, 3, 4), (1, 1, 5, 1), np.int8(3)]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_an_array_is_like_that_of_numpy_empty(heap: Heap, dtype: Any, order: Any) -> None:
    for shape in SHAPES:
        array = heap.array(shape, dtype, order=order)
        assert_alike(array, np.empty(shape, dtype, order=order))
        assert len(heap) == 1
        assert is_in(heap, array)
        del array
        assert len(heap) == 0


def test_the_defaults_are_those_of_numpy(heap: Heap) -> None:
    assert_alike(heap.array((2, 3)), np.empty((2, 3)))
    assert_alike(heap.array(shape=4, dtype=float), np.empty(4))


@pytest.mark.parametrize("dtype", [[], "V0", "S0"], ids=str)
def test_elements_can_have_0_bytes(heap: Heap, dtype: Any) -> None:
    array = heap.array((2, 3), dtype)
    assert (array.shape, array.dtype) == ((2, 3), np.empty(0, dtype).dtype)


def test_elements_are_the_bytes_of_the_block_and_at_first_its_old_ones(based_heap: Heap) -> None:
    address = based_heap.malloc(64, align=64)
    based_heap.view(address)[:] = b"7" * 64
    based_heap.free(address)
    array = based_heap.array(32, "<u2")
    assert b"7" * 32 in array.tobytes()
    array[:] = range(32)
    [address] = based_heap
    assert based_heap.view(address).cast("H").tolist() == list(range(32))


@pytest.mark.parametrize("align", [1, 16, 256, 1024])
def test_an_array_starts_at_a_multiple_of_align_or_of_64(based_heap: Heap, align: int) -> None:
    based_heap.malloc(16)
    first, second = based_heap.array(3, align=align), based_heap.copy([1, 2], align=align)
    assert first.ctypes.data % max(align, 16) == second.ctypes.data % max(align, 16) == 0
    arrays = [based_heap.array(size, "u1") for size in (1, 64, 65, 200)]
    assert [array.ctypes.data % 64 for array in arrays] == [0] * 4


CUBE = np.arange(24, dtype="i4").reshape(2, 3, 4)
SOURCES: dict[str, Any] = {
    "rows first": CUBE,
    "columns first": np.asfortranarray(CUBE),
    "axes in another order": CUBE.transpose(1, 2, 0),
    "a slice": CUBE[:, ::2, 1:3],
    "backwards": CUBE[::-1, :, ::-1],
    "a broadcast": np.broadcast_to(CUBE[0], (5, 3, 4)),  # read-only; the copy is writable
    "0-d": np.array(5.0),
    "empty": np.empty((3, 0)),
    "swapped bytes": CUBE.astype(">i4"),
    "unaligned": np.frombuffer(bytes(range(33)), "u8", 4, 1),
    "records": np.zeros(3, RECORD),
    "dates": np.arange("2026-01", "2026-05", dtype="M8[M]"),
    "texts": np.array(["a", "longer"]),
}


SOURCES |= {str(one): one for one in (3, [1.5, 2], (1, True), b"bytes", memoryview(b"abc"))}
SOURCES["a subclass"] = np.ma.ones(3)


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_a_copy_is_like_that_of_numpy(heap: Heap, source: Any) -> None:
    copy = heap.copy(source)
    expected = np.array(source, order="K")
    assert_alike(copy, expected)
    assert (copy == expected).all()
    assert is_in(heap, copy)


WITH_OBJECTS: list[Any] = [object, "O", [("a", "i4"), ("b", "O")], ("O", (2,))]
if int(np.__version__.partition(".")[0]) >= 2:
    WITH_OBJECTS.append(np.dtypes.StringDType())


@pytest.mark.parametrize("dtype", WITH_OBJECTS, ids=str)
def test_a_dtype_with_object_pointers_is_refused(heap: Heap, dtype: Any) -> None:
    with refused(heap, TypeError, "its elements are pointers") as caught:
        heap.array(3, dtype)
    assert_sentences(str(caught.value))
    sources: list[Any] = [[None], np.array([[], [1]], object)]
    for source in sources:
        with refused(heap, TypeError, "cannot have the dtype object"):
            heap.copy(source)


HUGE: list[Any] = [2**61, 2**62, 2**63, 2**64, 2**200, (2**32, 2**32), (2**31, 2**31, 2**31)]


@pytest.mark.parametrize("shape", [*HUGE, [2**63, 2]], ids=str)
@pytest.mark.parametrize("dtype", ["u1", "f8", "S100"])
def test_the_size_in_bytes_does_not_wrap(heap: Heap, shape: Any, dtype: str) -> None:
    with refused(heap, glassheap.OutOfMemory) as caught:
        heap.array(shape, dtype)
    lengths = [shape] if isinstance(shape, int) else shape
    assert vars(caught.value)["requested"] == prod(lengths) * np.dtype(dtype).itemsize


NEGATIVE: list[Any] = [-1, (2, -3), (-1, -1), (0, -1)]


@pytest.mark.parametrize(
    "shape", [(0, 2**62, 2**62), (0, 2**64), (2**200, 0), (1,) * 65, *NEGATIVE]
)
def test_an_impossible_shape_is_a_value_error(heap: Heap, shape: Any) -> None:
    with pytest.raises(ValueError, match=r"too big|dimension|negative"):
        heap.array(shape)
    assert len(heap) == 0


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        *((f"array({shape})", TypeError, "") for shape in ("None", "2.0", "'3'", "(2, 1.5)")),
        *(
            (f"array(3, order={order!r})", ValueError, "order must be 'C' (rows first) or 'F'")
            for order in ("K", "A", "c", "", None, 1)
        ),
        ("array()", TypeError, "shape"),
        ("array(3, 'f8', 64)", TypeError, ""),
        ("array(3, 'no such type')", TypeError, ""),
        ("array(3, align=48)", glassheap.InvalidAlignment, "48"),
        ("copy([3], align=4096)", glassheap.InvalidAlignment, "4096"),
        ("copy(bytes(8192))", glassheap.OutOfMemory, ""),
    ],
)
def test_invalid_arguments_and_a_full_heap_are_refused(
    heap: Heap, call: str, error: type[Exception], text: str
) -> None:
    with refused(heap, error, text):
        eval(f"heap.{call}")


@pytest.mark.parametrize("name", ["array", "copy"])
def test_the_documented_arguments_are_those_of_the_function(name: str) -> None:
    _, *ours = inspect.signature(getattr(glassheap.numpy, name)).parameters.values()
    _, *documented = inspect.signature(getattr(Heap, name)).parameters.values()
    assert [(one.name, one.kind, one.default) for one in ours] == [
        (one.name, one.kind, one.default) for one in documented
    ]


def test_without_numpy_the_error_says_how_to_install_it() -> None:
    program = """
import sys
sys.modules["numpy"] = None
import glassheap
heap = glassheap.Heap()
for call in (lambda: heap.array(3), lambda: heap.copy([3]), lambda: glassheap.numpy):
    try:
        call()
    except ImportError as error:
        assert str(error).endswith("which cannot be imported: pip install numpy."), error
    else:
        raise SystemExit(1)
assert len(heap) == 0
"""
    assert output_of(sys.executable, "-c", program) == ""
