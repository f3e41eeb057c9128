"""NumPy arrays in a heap.

    scores = heap.array(1000)                     # an ndarray; its elements are a block of the heap
    table = heap.copy(other)                      # the same, with the elements of another array
    rows = block.numpy("f4", (10, 3))             # an ndarray over a Block
    with glassheap.numpy.use(heap):               # NumPy itself takes its memory from the heap
        product = left @ right

In every way an array's block is pinned while the array, or any view of it, lives, and is freed with
the last of them, in any thread. Arrays of a SharedHeap travel (glassheap.shared_arrays).
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
        "arrays in a heap need NumPy, which cannot be imported: pip install numpy."
    ) from error

from glassheap.shared_arrays import SharedArray, over

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Literal, SupportsIndex

    from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = ["SharedArray", "array", "copy", "of_block", "use"]

AnyHeap = TypeVar("AnyHeap", bound=_core.Heap)


# --- Single arrays. ------------------------------------------------------------------------------


def array(
    heap: _core.Heap,
    shape: SupportsIndex | Sequence[SupportsIndex],
    dtype: DTypeLike = float,
    *,
    align: SupportsIndex = 64,
    order: Literal["C", "F"] = "C",
    tag: str | None = None,
) -> NDArray[Any]:
    """Implementation of `Heap.array`: a new ndarray whose elements are a block of the heap."""
    _check_bytes(heap)
    if order not in ("C", "F"):
        raise ValueError(f"order must be 'C' (rows first) or 'F' (columns first), not {order!r}.")
    kind, axes = _element(_dtype(dtype))
    lengths = _lengths(shape) + axes
    # A product of Python's integers never wraps; the heap refuses one that is too large.
    size = math.prod(lengths) * kind.itemsize
    block = heap.alloc(size, align=align, tag=tag)
    # Without elements, strides have no meaning, and depend on the version of NumPy: take NumPy's.
    strides = None if size else np.empty(lengths, kind, order).strides
    return over(block, lengths, kind, strides, order=order)


def copy(
    heap: _core.Heap, array: ArrayLike, *, align: SupportsIndex = 64, tag: str | None = None
) -> NDArray[Any]:
    """Implementation of `Heap.copy`: a copy of an array in a block of the heap."""
    source = np.asarray(array)
    made = _like(heap, source, align, tag)
    np.copyto(made, source)
    return made


def of_block(
    block: _core.Block,
    dtype: DTypeLike = "u1",
    shape: SupportsIndex | Sequence[SupportsIndex] | None = None,
) -> NDArray[Any]:
    """Implementation of `Block.numpy`: an ndarray over the bytes of a block."""
    kind, axes = _element(_dtype(dtype))
    lengths = (_as_many(block, kind, axes) if shape is None else _lengths(shape)) + axes
    size = math.prod(lengths) * kind.itemsize
    if size > block.size:
        raise ValueError(
            f"an array of shape {lengths} and dtype {kind} takes {size} bytes, and the block has "
            f"{block.size}."
        )
    strides = None if size else np.empty(lengths, kind).strides
    return over(block, lengths, kind, strides)


def _as_many(block: _core.Block, kind: np.dtype[Any], axes: tuple[int, ...]) -> tuple[int]:
    """The length of the one axis of an array that has all bytes of the block."""
    each = math.prod(axes) * kind.itemsize
    if each == 0 or block.size % each:
        raise ValueError(
            f"the {block.size} bytes of the block are no whole number of elements of {each} bytes: "
            f"give the shape."
        )
    return (block.size // each,)


def _check_bytes(heap: _core.Heap) -> None:
    """Raise TypeError if the heap describes memory that it never touches."""
    _ = heap.address


def _dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """NumPy's sentence about what is no dtype repeats it, in a buffer's case byte by byte."""
    try:
        return np.dtype(dtype)
    except TypeError:
        if isinstance(dtype, (str, list, tuple, dict)):
            raise
        raise TypeError(f"dtype must be one of NumPy's, not {type(dtype).__name__}.") from None


def _element(dtype: np.dtype[Any]) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """The dtype of an element, and the axes that it adds to the array's, if it is an array itself.

    A dtype with pointers is refused: any code may read, write and copy the bytes of a heap.
    """
    if dtype.hasobject:
        raise TypeError(
            f"an array in a heap cannot have the dtype {dtype}: its elements are pointers to "
            f"Python's or NumPy's own memory. Take numbers, fixed-length strings, or structures of "
            f"them."
        )
    if dtype.itemsize and dtype.subdtype is None:
        return dtype, ()
    one = np.empty((), dtype)  # resolves the length of "S", and the shape of an array of arrays
    return one.dtype, one.shape


def _lengths(shape: Any) -> tuple[int, ...]:
    """The length of each axis; a single number is one axis."""
    lengths = tuple(map(operator.index, shape if hasattr(shape, "__iter__") else (shape,)))
    if min(lengths, default=0) < 0:
        raise ValueError(f"a shape has no negative lengths, but this one is {lengths}.")
    return lengths


def _like(
    heap: _core.Heap, source: NDArray[Any], align: SupportsIndex, tag: str | None
) -> NDArray[Any]:
    """An array of the same shape and dtype, with the axes in the same order in memory."""
    if source.flags.forc:
        order: Literal["C", "F"] = "F" if source.flags.fnc else "C"
        return array(heap, source.shape, source.dtype, align=align, order=order, tag=tag)
    outermost_first = sorted(range(source.ndim), key=lambda axis: -abs(source.strides[axis]))
    lengths = [source.shape[axis] for axis in outermost_first]
    nested = array(heap, lengths, source.dtype, align=align, tag=tag)
    return nested.transpose(np.argsort(outermost_first))


# --- NumPy's own memory. -------------------------------------------------------------------------


@contextmanager
def use(heap: AnyHeap) -> Iterator[AnyHeap]:
    """Inside a with statement, make NumPy allocate the elements of all its arrays in `heap`.

    The previous handler is restored at the end, also after an exception; with statements may be
    nested, each with a heap of its own. The handler is set for the thread, or the asyncio task,
    that entered the statement: new threads begin with NumPy's own memory.

    Arrays that were made inside stay valid afterwards. Each pins its block while it or a view of it
    lives: the heap cannot be reset or closed meanwhile (BufferError). When the last of them dies,
    in any thread, the block is freed. Arrays start at a multiple of 64 bytes (of a quarter of the
    region, if that is less), and keep their heap's memory alive.

    NumPy raises its MemoryError if the heap has no room, is damaged, or was closed inside. This
    raises HeapClosed if it is closed already.
    """
    # Kept: if Python ends inside, nothing can be imported, and the names of modules may be None.
    api, set_handler = _array_api(), _core._set_numpy_handler
    before = set_handler(api, _core._numpy_handler(heap))
    try:
        yield heap
    finally:
        set_handler(api, before)


def _array_api() -> object:
    """NumPy's table of C functions, under its name since 2.0, or the one before."""
    inside = "_core" if int(np.__version__.partition(".")[0]) >= 2 else "core"
    return import_module(f"numpy.{inside}._multiarray_umath")._ARRAY_API
