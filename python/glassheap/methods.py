"""The methods of Heap, SharedHeap and Block that are written in Python.

Each is a thin function: it imports the module that does the work when it is called, because
`import glassheap` must stay light. `install()` puts them on the compiled types, whose C++ code
imports nothing of the package.
"""

from glassheap import shared_methods
from glassheap._core import Block, Heap

TYPE_CHECKING = False  # not typing's: that module alone takes longer to import than the package
if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from typing import Any, Literal, SupportsIndex, TextIO

    from numpy.typing import ArrayLike, DTypeLike, NDArray

    from glassheap.report import Report


def install() -> None:
    """Make the functions below methods of the types. The package calls it once."""
    put(Heap, show=show, hexdump=hexdump, _repr_html_=repr_html, array=array, copy=copy)
    put(Heap, tagged=tagged, report=report)
    put(Heap, amalloc=amalloc)
    put(Block, numpy=numpy)
    shared_methods.install(put)


def put(cls: type, **methods: "Any") -> None:
    """Make functions methods of a type, under these names."""
    for name, method in methods.items():
        function = getattr(method, "__func__", method)
        function.__name__, function.__qualname__ = name, f"{cls.__name__}.{name}"
        function.__module__ = cls.__module__
        function.__annotations__.pop("self", None)  # as in a method that is written in its class
        setattr(cls, name, method)


# --- Pictures. -----------------------------------------------------------------------------------


def show(self: Heap, *, file: "TextIO | None" = None, width: int | None = None) -> None:
    """Print a map of the region, to scale: headers, payloads, rounding and free bytes.

    To file, or standard output; width in columns, at least 24, or that of the terminal. O(n).

    Raises HeapClosed if and only if the heap is closed.
    """
    from glassheap import pictures

    pictures.show(self, file=file, width=width)


def hexdump(self: Heap, address: int, *, file: "TextIO | None" = None) -> None:
    """Print the bytes of the block at address, header or node and payload marked.

    address is that of a payload, or of the first byte of a block. To file, or standard output.
    O(n).

    Raises InvalidPointer if and only if no block has that address: ForeignPointer outside the
    region, MisalignedPointer between two granules of 16 bytes, InteriorPointer otherwise;
    HeapClosed.
    """
    from glassheap import pictures

    pictures.hexdump(self, address, file=file)


def repr_html(self: Heap) -> str:
    """Return the map as an inline SVG, for notebooks; of a closed heap, its repr. O(n)."""
    from glassheap import pictures

    return pictures.to_html(self)


# --- Owners. -------------------------------------------------------------------------------------


def tagged(self: Heap, tag: str) -> "AbstractContextManager[Heap]":
    """Give a tag to each block that is allocated in this heap inside a with statement.

    The tag is set for the thread, or the asyncio task, that entered the statement, by a
    ContextVar, and for this heap alone. Statements may be nested: the innermost counts, and the
    argument tag of a call before it. A block that is reallocated keeps its own. O(1); now and
    then O(n), to drop tags that no block has any more.

    Raises ValueError if and only if the tag is empty or has more than 200 bytes of UTF-8,
    TypeError if it is no string; HeapClosed.
    """
    from glassheap import owners

    return owners.tagged(self, tag)


def report(self: Heap) -> "Report":
    """Return a Report: sizes in bytes, tags, the oldest blocks, and refused calls by reason.

    str(report) is a text of one screen, report.to_json() the same as JSON. Its parts are read
    one after the other, each of one moment. O(n log n).

    Raises HeapClosed if and only if the heap is closed.
    """
    from glassheap.report import report

    return report(self)


# --- NumPy arrays. -------------------------------------------------------------------------------


def array(
    self: Heap,
    shape: "SupportsIndex | Sequence[SupportsIndex]",
    dtype: "DTypeLike" = float,
    *,
    align: "SupportsIndex" = 64,
    order: "Literal['C', 'F']" = "C",
    tag: str | None = None,
) -> "NDArray[Any]":
    """Return a new ndarray whose elements are a block of the heap, as numpy.empty would.

    It starts at a multiple of align bytes, a power of two up to a quarter of the region, and
    its elements are not initialised; tag is that of malloc. While it lives, or any view of it,
    the block is pinned as by Heap.view; with the last of them it is freed. It takes as long as
    malloc.

    In a SharedHeap it is a SharedArray, which travels to other processes as a handle: the block
    is freed with the last array over it, in whatever process.

    Raises ImportError if and only if numpy is missing (pip install numpy), ValueError for an
    invalid shape or order, TypeError for a dtype that holds Python objects, and what malloc
    raises.
    """
    from glassheap import numpy

    return numpy.array(self, shape, dtype, align=align, order=order, tag=tag)


def copy(
    self: Heap, array: "ArrayLike", *, align: "SupportsIndex" = 64, tag: str | None = None
) -> "NDArray[Any]":
    """Return a copy of an array, or of anything that makes one, in a block of the heap.

    Shape, dtype and layout are those of numpy.copy(array); align is in bytes, tag that of
    malloc. O(size).

    Raises what array raises.
    """
    from glassheap import numpy

    return numpy.copy(self, array, align=align, tag=tag)


def numpy(
    self: Block,
    dtype: "DTypeLike" = "u1",
    shape: "SupportsIndex | Sequence[SupportsIndex] | None" = None,
) -> "NDArray[Any]":
    """Return an ndarray over the bytes of the block, without a copy.

    Without a shape it has one axis, and all bytes of the block. While it lives, or any view of
    it, the block is pinned as by Heap.view. In a SharedHeap it is a SharedArray. O(log n).

    Raises ImportError if and only if numpy is missing (pip install numpy), ValueError for a
    shape that needs more bytes than the block has, and without a shape if they are no whole
    number of elements, TypeError for a dtype that holds Python objects, and what Heap.view
    raises.
    """
    from glassheap import numpy

    return numpy.of_block(self, dtype, shape)


# --- Event loops. --------------------------------------------------------------------------------


async def amalloc(
    self: Heap,
    size: "SupportsIndex",
    *,
    align: "SupportsIndex | None" = None,
    tag: str | None = None,
    timeout: float | None = None,
) -> int:
    """Allocate as malloc does, and wait in an event loop until others free enough.

    align and tag are as in malloc. timeout is in seconds; None waits without end. The coroutine
    waits in the same line as the threads that wait in malloc, of all processes that share the
    heap, and is served in order of arrival. No thread is blocked. A coroutine that is cancelled
    takes nothing. It takes as long as malloc if it need not wait, and else O(1) for each time
    that it may be its turn.

    Raises what malloc raises: OutOfMemory if and only if no free block can serve the request at
    the end of the time; ValueError for a timeout that is negative or NaN.
    """
    from glassheap import waiting

    if tag is None:
        return await waiting.amalloc(self, size, align, timeout)
    with self.tagged(tag):
        return await waiting.amalloc(self, size, align, timeout)
