"""Arrays of a SharedHeap, which travel to other processes without their elements.

    array = heap.array(1_000_000)                 # of a SharedHeap
    pool.submit(work, array[:1000])               # sends some hundred bytes

What an array sends is decided by the place of its elements, and not by a mark on it: its bases lead
to the memoryview that pins its block. An array in a block travels as that block, shared, and as its
place there. An array with memory of its own travels as an ndarray does, with its elements.

Views of a SharedArray are of its type: slices, transposes, reshapes. Everything with memory of its
own is an ordinary ndarray: results of arithmetic, selections by a list or a mask, copies.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

import numpy as np

from glassheap import _core, shared

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Literal, SupportsIndex

    from numpy.typing import NDArray

Place = tuple[int, tuple[int, ...], tuple[int, ...], "np.dtype[Any]", bool]
"""Bytes from the block's first to the first element; shape; strides; dtype; True if writable."""


class SharedArray(np.ndarray[Any, Any]):
    """An array whose elements are a block of a SharedHeap; made by its array and copy.

    It is an ndarray in every respect but these. Pickled, it sends its block's place, some hundred
    bytes, and arrives as an array over the same memory; so do its slices and other views. Its block
    is shared when it is first pickled: the last array that goes, in whatever process, frees it. An
    operation that needs memory of its own gives an ordinary ndarray, a copy too.
    """

    __slots__ = ()
    __array_priority__ = -100.0  # with another array, the result is of the other's type

    def __array_wrap__(
        self,
        array: NDArray[Any],
        context: object = None,
        return_scalar: bool | None = None,  # NumPy 1 passes none
    ) -> Any:
        """The result of a universal function: ordinary, unless this array was passed as out."""
        if array is self:
            return array
        scalar = array.ndim == 0 if return_scalar is None else return_scalar
        return array[()] if scalar else _plain(array)

    def __array_function__(self, *call: Any) -> Any:
        """The result of a function of NumPy: ordinary, unless it is a view."""
        return _ordinary(super().__array_function__(*call))

    def __getitem__(self, index: Any) -> Any:
        """An element, a view, or a selection, which is ordinary."""
        return _ordinary(super().__getitem__(index))

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        """Pickle the place of the elements; their values only if they are in no block."""
        block = _block_under(self)
        if block is None:
            return _plain(self).__reduce_ex__(protocol)
        place = _place_in(block, self)
        return _received, (type(self), place, *shared.sent(block, block._share_and_send()))


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """The array itself if it is an ordinary one; otherwise an ordinary view of it."""
    return array if type(array) is np.ndarray else array.view(np.ndarray)


def _ordinary(result: Any) -> Any:
    """The result itself; an ordinary array in its place if it has memory of its own."""
    if type(result) is SharedArray and _block_under(result) is None:
        return _plain(result)
    if type(result) in (list, tuple):
        return type(result)(map(_ordinary, result))
    return result


# The methods of an ndarray whose result is a view, or has memory of its own and yet the type of the
# array. They are called on an ordinary view, so that what has memory of its own also owns it.
_MAY_COPY: tuple[str, ...]
_MAY_COPY = ("__copy__", "__deepcopy__", "argmax", "argmin", "argpartition")
_MAY_COPY += ("argsort", "astype", "byteswap", "choose", "compress", "copy", "dot", "flatten")
_MAY_COPY += ("ravel", "repeat", "reshape", "take")


def _on_ordinary_view(name: str) -> Callable[..., Any]:
    method = getattr(np.ndarray, name)

    @wraps(method)
    def call(self: SharedArray, *arguments: Any, **options: Any) -> Any:
        result = method(self.view(np.ndarray), *arguments, **options)
        is_view = type(result) is np.ndarray and _block_under(result) is not None
        return result.view(type(self)) if is_view else result

    return call


for _name in _MAY_COPY:
    setattr(SharedArray, _name, _on_ordinary_view(_name))


def _block_under(array: object) -> _core.Block | None:
    """The Block of a SharedHeap that has the elements; None if there is none."""
    while isinstance(array, np.ndarray):
        array = array.base
    try:
        block = array.obj if isinstance(array, memoryview) else None
    except ValueError:  # the program has released it
        return None
    if isinstance(block, _core.Block) and isinstance(block.heap, _core.SharedHeap):
        return block
    return None


# --- Making arrays over blocks. ------------------------------------------------------------------


def over(
    block: _core.Block,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    strides: Sequence[int] | None = None,
    *,
    offset: int = 0,
    order: Literal["C", "F"] = "C",
) -> NDArray[Any]:
    """An array over bytes of the block, which it pins: a SharedArray if the heap is shared."""
    cls = SharedArray if isinstance(block.heap, _core.SharedHeap) else np.ndarray
    # ndarray() does not keep a buffer alive, frombuffer() does.
    elements = np.frombuffer(memoryview(block), np.uint8)
    return cls(shape, dtype, elements, offset, strides, order)


def _place_in(block: _core.Block, array: NDArray[Any]) -> Place:
    # Addresses of a shared heap count from 0, those of elements are real.
    element = array.__array_interface__["data"][0] - block.heap.address
    offset = element - block.address
    return offset, array.shape, array.strides, array.dtype, array.flags.writeable


def _received(cls: type[SharedArray], place: Place, *sent: Any) -> SharedArray:
    """The array of a pickled copy, over the same memory."""
    offset, shape, strides, dtype, writeable = place
    array = over(shared.received(*sent), shape, dtype, strides, offset=offset).view(cls)
    array.flags.writeable = writeable
    return array
