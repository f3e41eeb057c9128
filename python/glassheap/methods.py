"""The methods of Heap, SharedHeap and Block that are written in Python.

Each is a thin function: it imports the module that does the work when it is called, because
`import glassheap` must stay light. `install()` puts them on the compiled types, whose C++ code
imports nothing of the package.
"""

from glassheap._core import Block, Heap, SharedHeap, SharedOffsetHeap

TYPE_CHECKING = False  # not typing's: that module alone takes longer to import than the package
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from os import PathLike
    from typing import Any, Literal, SupportsIndex, TextIO

    from _typeshed import WriteableBuffer
    from numpy.typing import ArrayLike, DTypeLike, NDArray

    from glassheap.report import Report


def install() -> None:
    """Make the functions below methods of the types. The package calls it once."""
    _put(Heap, show=show, hexdump=hexdump, _repr_html_=repr_html, array=array, copy=copy)
    _put(Heap, tagged=tagged, report=report)
    _put(Heap, amalloc=amalloc)
    _put(SharedHeap, create=staticmethod(create), attach=staticmethod(attach))
    _put(SharedHeap, backup=backup)
    _put(SharedOffsetHeap, create=staticmethod(create_offsets), attach=staticmethod(attach_offsets))
    _put(SharedHeap, __exit__=exit_shared_heap, __reduce__=reduce_shared_heap)
    _put(Block, __reduce__=reduce_block, numpy=numpy)


def _put(cls: type, **methods: "Any") -> None:
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


# --- Sharing. ------------------------------------------------------------------------------------


def create(
    name: str | None = None,
    size: "SupportsIndex | None" = None,
    *,
    path: "str | bytes | PathLike[str] | PathLike[bytes] | None" = None,
    buffer: "WriteableBuffer | None" = None,
    timeout: float = 10.0,
    **options: "Any",
) -> SharedHeap:
    """Make a heap of size bytes in a new segment, and return it.

    The segment is POSIX shared memory of that name (by default an unused one), or the file at
    path, or the mapped bytes of buffer, which have a size of their own. timeout is the longest
    wait for another process, in seconds. Options are those of Heap but threads and base. Used
    in a with statement, shared memory is unlinked when its creator leaves it; a file stays.
    O(1), and with checks='debug' O(size).

    Raises FileExistsError if and only if there is one already, OSError where there is no room
    or no permission, ValueError for a name or a path that no file can have, RegionInUse if an
    open heap of this process overlaps buffer, and what Heap raises.
    """
    from glassheap import shared

    return shared.create(name, size, path, buffer, timeout, options)


def attach(
    name: str | None = None,
    *,
    path: "str | bytes | PathLike[str] | PathLike[bytes] | None" = None,
    buffer: "WriteableBuffer | None" = None,
    policy: str | None = None,
    timeout: float = 10.0,
) -> SharedHeap:
    """Return the heap of that name, at that path, or in that buffer.

    timeout is the longest wait for another process, in seconds. If no living process has the
    heap, every block is verified: O(n).

    The space of a sparse file is reserved.

    Raises FileNotFoundError if and only if there is none, BadImage if it is no heap, is
    damaged, or has another policy than asked for, AttachTimeout if the creator of a heap in a
    buffer has not finished within the timeout, TypeError without a place, ValueError for a path
    that no file can have, OSError if the system refuses or there is no space, RegionInUse if
    buffer overlaps an open heap of this process other than an attachment to the same bytes.
    """
    from glassheap import shared

    found: SharedHeap = shared.attach(name, path, buffer, policy, timeout, offsets=False)
    return found


def create_offsets(
    name: str | None = None,
    size: "SupportsIndex | None" = None,
    *,
    path: "str | bytes | PathLike[str] | PathLike[bytes] | None" = None,
    buffer: "WriteableBuffer | None" = None,
    timeout: float = 10.0,
    **options: "Any",
) -> SharedOffsetHeap:
    """Make a heap over size bytes of memory, its own data in a new segment, and return it.

    The segment is POSIX shared memory of that name (by default an unused one), or the file at
    path, or the mapped bytes of buffer, which must be enough. timeout is the longest wait for
    another process, in seconds. Options are those of OffsetHeap but threads, thread_cache and
    align. Used in a with statement, shared memory is unlinked when its creator leaves it; a
    file stays. O(1).

    Raises FileExistsError if and only if there is one already, OSError where there is no room
    or no permission, ValueError for a name or a path that no file can have, RegionInUse if an
    open heap of this process overlaps buffer, InvalidSize if size is out of range or buffer too
    small for it, and what OffsetHeap raises.
    """
    from glassheap import shared

    return shared.create_offsets(name, size, path, buffer, timeout, options)


def attach_offsets(
    name: str | None = None,
    *,
    path: "str | bytes | PathLike[str] | PathLike[bytes] | None" = None,
    buffer: "WriteableBuffer | None" = None,
    policy: str | None = None,
    timeout: float = 10.0,
) -> SharedOffsetHeap:
    """Return the heap of offsets of that name, at that path, or in that buffer.

    As SharedHeap.attach; each class raises BadImage for a heap of the other.
    """
    from glassheap import shared

    found: SharedOffsetHeap = shared.attach(name, path, buffer, policy, timeout, offsets=True)
    return found


def backup(self: SharedHeap, path: "str | bytes | PathLike[str] | PathLike[bytes]") -> None:
    """Write the heap of one moment to a new file at path, while other processes use it.

    The file is a heap of its own, which can be attached to, and is on the disk when backup
    returns. It gets its name when it is complete. The heap's lock is held while the bytes are
    copied to memory, and not while the disk writes. Until then backup takes as much memory as
    the heap has. O(size).

    Raises FileExistsError if and only if there is a file already, OSError where there is no
    room, no memory or no permission, ValueError for a path that no file can have; LockTimeout,
    HeapClosed.
    """
    from glassheap import shared

    self._backup(shared.checked_path(path))


def exit_shared_heap(
    self: SharedHeap,
    kind: object,  # noqa: ARG001
    error: object,  # noqa: ARG001
    traceback: object,  # noqa: ARG001
    /,
) -> None:
    """Close the heap; its creator unlinks shared memory first, and a file stays.

    Raises what close and unlink raise.
    """
    from glassheap import shared

    shared.leave(self)


def reduce_shared_heap(self: SharedHeap) -> "tuple[Callable[..., SharedHeap], tuple[Any, ...]]":
    """Pickle the heap as the way to attach to it.

    Unpickling raises AttachError if and only if it cannot be attached to.
    """
    from glassheap import shared

    return shared.reduce_heap(self)


def reduce_block(self: Block) -> "tuple[Callable[..., Block], tuple[Any, ...]]":
    """Pickle the block as its place in its heap. Raises TypeError if the heap is not shared."""
    from glassheap import shared

    return shared.reduce_block(self)
