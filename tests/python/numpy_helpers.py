"""Helpers for the tests of NumPy arrays; without NumPy, the importing test module is skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import glassheap

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

np = pytest.importorskip("numpy")
DEFAULT_HANDLER = "default_allocator"
RECORD = np.dtype([("x", "<f8"), ("y", "i1"), ("z", "u2", (2, 3))], align=True)


def is_in(heap: glassheap.Heap, array: NDArray[Any]) -> bool:
    """True if all elements are inside the region."""
    offset = int(array.__array_interface__["data"][0]) - heap.address
    return offset >= 0 and offset + array.nbytes <= heap.size


def handler_of() -> str:
    """The name of NumPy's current memory handler."""
    core = np._core if hasattr(np, "_core") else np.core
    return str(core.multiarray.get_handler_name())


def assert_alike(array: NDArray[Any], expected: NDArray[Any]) -> None:
    """Assert that the arrays are equal in everything but address and contents."""
    assert type(array) is np.ndarray
    for name in ("shape", "dtype", "nbytes", "strides"):
        assert getattr(array, name) == getattr(expected, name)
    for flag in ("c_contiguous", "f_contiguous", "writeable", "aligned"):
        assert getattr(array.flags, flag) == getattr(expected.flags, flag)


def inside_use(heap: glassheap.Heap, values: NDArray[Any]) -> NDArray[Any]:
    """A copy that NumPy makes, in memory of the heap."""
    with glassheap.numpy.use(heap):
        return values.copy()


BYTES = np.zeros(64, "u1")
ARRAYS: dict[str, Callable[[glassheap.Heap], Any]] = {
    "an array": lambda heap: heap.array(64, "u1"),
    "a copy": lambda heap: heap.copy(BYTES),
    "an array of NumPy": lambda heap: inside_use(heap, BYTES),
}
"""Functions that make an array of 64 bytes in a heap."""
OF_ARRAYS: dict[str, Callable[[Any], object]] = {
    "itself": lambda array: array,
    "an empty slice": lambda array: array[3:3],
    "a slice of a slice": lambda array: array[1:][::2][:1],
    "0-d": lambda array: array[0, ...],
    "a reshape": lambda array: array.reshape(2, -1).T,
    "another dtype": lambda array: array.view("c8").imag,
    "a field": lambda array: array.view([("a", "f4"), ("b", "f4")])["b"],
    "a broadcast": lambda array: np.broadcast_to(array, (3, *array.shape)),
    "a memoryview": memoryview,
    "an array's iterator": lambda array: array.flat,
    "a subclass": lambda array: array.view(np.ma.MaskedArray),
    "by DLPack": np.from_dlpack,
    "an array of it": np.asarray,
}
"""Functions from an array to an object that is derived from it."""
