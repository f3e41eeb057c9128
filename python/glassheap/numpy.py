"""NumPy arrays in a heap.

    scores = heap.array(1000)                     # an ndarray; its elements are a block of the heap
    table = heap.copy(other)                      # the same, with the elements of another array
    with glassheap.numpy.use(heap):               # NumPy itself takes its memory from the heap
        product = left @ right

An array's block is pinned while the array, or any view of it, lives, and is freed with the last of
them: in both ways, and from whatever thread.
"""

from __future__ import annotations

import math
import operator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from glassheap import _core

try:
    import numpy as np
except ImportError as error:
    raise ImportError(
        "arrays in a heap need NumPy, which cannot be imported: pip install 'glassheap[numpy]'."
    ) from error

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Literal, SupportsIndex

    from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = ["array", "copy", "use"]

AnyHeap = TypeVar("AnyHeap", bound=_core.Heap)


# --- Arrays, one by one. -------------------------------------------------------------------------


def array(
    heap: _core.Heap,
    shape: SupportsIndex | Sequence[SupportsIndex],
    dtype: DTypeLike = float,
    *,
    align: SupportsIndex = 64,
    order: Literal["C", "F"] = "C",
) -> NDArray[Any]:
    """Return a new ndarray whose elements are a block of the heap; what `Heap.array` calls."""
    if order not in ("C", "F"):
        raise ValueError(f"order must be 'C' (rows first) or 'F' (columns first), not {order!r}.")
    kind, axes = _element(np.dtype(dtype))
    lengths = _lengths(shape) + axes
    # A product of Python's numbers: what no heap can hold is refused by the heap, and never wraps.
    size = math.prod(lengths) * kind.itemsize
    block = heap.alloc(size, align=align)
    # Without elements, strides mean nothing, and each version of NumPy has others: those, then.
    strides = None if size else np.empty(lengths, kind, order).strides
    # ndarray() does not hold on to a buffer that it is given, frombuffer() does; so it comes first.
    return np.ndarray(lengths, kind, np.frombuffer(memoryview(block), np.uint8), 0, strides, order)


def copy(heap: _core.Heap, array: ArrayLike, *, align: SupportsIndex = 64) -> NDArray[Any]:
    """Return a copy of an array in a block of the heap; what `Heap.copy` calls."""
    source = np.asarray(array)
    made = _like(heap, source, align)
    np.copyto(made, source)
    return made


def _element(dtype: np.dtype[Any]) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """What an element is, and the axes that it adds to the array's, if it is an array itself.

    What holds pointers is refused: bytes of a heap may be read, written and copied by anybody.
    """
    if dtype.hasobject:
        raise TypeError(
            f"an array in a heap cannot have the dtype {dtype}: its elements are pointers to "
            f"Python's or NumPy's own memory. Take numbers, fixed-length strings, or structures of "
            f"them."
        )
    if dtype.itemsize and dtype.subdtype is None:
        return dtype, ()
    one = np.empty((), dtype)  # NumPy knows how long "S" is, and what an array of arrays comes to
    return one.dtype, one.shape


def _lengths(shape: Any) -> tuple[int, ...]:
    """The length of each axis; a single number is one axis."""
    lengths = tuple(map(operator.index, shape if hasattr(shape, "__iter__") else (shape,)))
    if min(lengths, default=0) < 0:
        raise ValueError(f"a shape has no negative lengths, but this one is {lengths}.")
    return lengths


def _like(heap: _core.Heap, source: NDArray[Any], align: SupportsIndex) -> NDArray[Any]:
    """An array of the same shape and dtype, its axes nested in memory as they are in `source`."""
    if source.flags.forc:
        order: Literal["C", "F"] = "F" if source.flags.fnc else "C"
        return array(heap, source.shape, source.dtype, align=align, order=order)
    outermost_first = sorted(range(source.ndim), key=lambda axis: -abs(source.strides[axis]))
    lengths = [source.shape[axis] for axis in outermost_first]
    nested = array(heap, lengths, source.dtype, align=align)
    return nested.transpose(np.argsort(outermost_first))


# --- NumPy's own memory. -------------------------------------------------------------------------


@contextmanager
def use(heap: AnyHeap) -> Iterator[AnyHeap]:
    """Inside a with statement, let NumPy keep the elements of all that it makes in `heap`.

    What was in use before comes back at its end, whatever ends it; with statements may be nested,
    each with a heap of its own. It holds for the thread, or the asyncio task, that entered it: new
    threads begin with NumPy's own memory.

    Arrays that were made inside stay what they are afterwards. Each pins its block while it or a
    view of it lives: the heap cannot be reset or closed meanwhile (BufferError). Whenever it dies,
    in any thread, its block is freed. Arrays start at a multiple of 64 bytes (of a quarter of the
    region, where that is less), and keep their heap's memory alive.

    NumPy raises its MemoryError where the heap has no room, is damaged, or was closed inside. This
    raises HeapClosed if it is closed already.
    """
    before = _core._set_numpy_handler(_array_api(), _core._numpy_handler(heap))
    try:
        yield heap
    finally:
        _core._set_numpy_handler(_array_api(), before)


def _array_api() -> object:
    """NumPy's table of C functions, under the name that it has since 2.0, or had before."""
    inside = "_core" if int(np.__version__.partition(".")[0]) >= 2 else "core"
    return import_module(f"numpy.{inside}._multiarray_umath")._ARRAY_API
