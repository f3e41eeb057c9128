"""Helpers for the tests of NumPy arrays; without NumPy, the importing test module is skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import glassheap

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from numpy.typing import NDArray

    Maker: TypeAlias = Callable[[glassheap.Heap, NDArray[Any]], NDArray[Any]]

np = pytest.importorskip("numpy")
KIB = 1024
DEFAULT_HANDLER = "default_allocator"
RECORD = np.dtype([("x", "<f8"), ("y", "i1"), ("z", "u2", (2, 3))], align=True)


def is_in(heap: glassheap.Heap, array: NDArray[Any]) -> bool:
    """True if all elements are inside the region."""
    offset = int(array.__array_interface__["data"][0]) - heap.address
    return offset >= 0 and offset + array.nbytes <= heap.size


def handler_of(array: NDArray[Any] | None = None) -> str:
    """The name of the memory handler of the array, or of the current one."""
    core = np._core if hasattr(np, "_core") else np.core
    name: str = core.multiarray.get_handler_name(*([] if array is None else [array]))
    return name


def assert_alike(array: NDArray[Any], expected: NDArray[Any]) -> None:
    """Assert that the arrays are equal in everything but address and contents."""
    assert type(array) is np.ndarray
    for name in ("shape", "dtype", "nbytes", "strides"):
        assert getattr(array, name) == getattr(expected, name)
    for flag in ("c_contiguous", "f_contiguous", "writeable", "aligned"):
        assert getattr(array.flags, flag) == getattr(expected.flags, flag)


# --- Ways to an array in a heap. ------------------------------------------------------------------


def by_array(heap: glassheap.Heap, values: NDArray[Any]) -> NDArray[Any]:
    array = heap.array(values.shape, values.dtype)
    array[...] = values
    return array


def by_copy(heap: glassheap.Heap, values: NDArray[Any]) -> NDArray[Any]:
    return heap.copy(values)


def inside_use(heap: glassheap.Heap, values: NDArray[Any]) -> NDArray[Any]:
    with glassheap.numpy.use(heap):
        return values.copy()


every_maker = pytest.mark.parametrize("make", [by_array, by_copy, inside_use])
"""Each makes an array with these values in the heap."""
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
"""Objects derived from an array of at least two rows, by name."""
