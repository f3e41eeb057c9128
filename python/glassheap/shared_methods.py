"""The methods of SharedHeap, SharedOffsetHeap and their blocks that are written in Python.

They are thin functions, as in methods.py.
"""

from glassheap._core import Block, SharedHeap, SharedOffsetHeap

TYPE_CHECKING = False  # not typing's: that module alone takes longer to import than the package
if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike
    from typing import Any, SupportsIndex

    from _typeshed import WriteableBuffer


def install(put: "Callable[..., None]") -> None:
    """Make the functions below methods of the types. methods.install() calls it once."""
    put(SharedHeap, create=staticmethod(create), attach=staticmethod(attach))
    put(SharedHeap, backup=backup)
    put(SharedOffsetHeap, create=staticmethod(create_offsets), attach=staticmethod(attach_offsets))
    put(SharedHeap, __exit__=exit_shared_heap, __reduce__=reduce_shared_heap)
    put(Block, __reduce__=reduce_block)


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
    wait for another process, in seconds. Options are those of Heap that concern its blocks:
    policy, headers, checks, magic, zero_on_free, fit, order, coalesce; and record, for the
    calls of this process. Used in a with statement, shared memory is unlinked when its creator
    leaves it; a file stays. O(1), and with checks='debug' O(size).

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
    record: "str | bytes | PathLike[str] | PathLike[bytes] | None" = None,
) -> SharedHeap:
    """Return the heap of that name, at that path, or in that buffer.

    timeout is the longest wait for another process, in seconds. If no living process has the
    heap, every block is verified: O(n). record is as in create.

    The space of a sparse file is reserved.

    Raises FileNotFoundError if and only if there is none, BadImage if it is no heap, is
    damaged, or has another policy than asked for, AttachTimeout if the creator of a heap in a
    buffer has not finished within the timeout, TypeError without a place, ValueError for a path
    that no file can have, OSError if the system refuses or there is no space, RegionInUse if
    buffer overlaps an open heap of this process other than an attachment to the same bytes.
    """
    from glassheap import shared

    found: SharedHeap = shared.attach(name, path, buffer, policy, timeout, record, offsets=False)
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
    another process, in seconds. Options are those of OffsetHeap but threads, thread_cache, tags
    and align. Used in a with statement, shared memory is unlinked when its creator leaves it; a
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
    record: "str | bytes | PathLike[str] | PathLike[bytes] | None" = None,
) -> SharedOffsetHeap:
    """Return the heap of offsets of that name, at that path, or in that buffer.

    As SharedHeap.attach; each class raises BadImage for a heap of the other.
    """
    from glassheap import shared

    found: SharedOffsetHeap = shared.attach(
        name, path, buffer, policy, timeout, record, offsets=True
    )
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
