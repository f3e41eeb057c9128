"""Shared heaps of this process, and how a heap and its blocks travel to another process.

A heap is identified by a random number, drawn when it is made. A block that arrives is opened on
the heap of that identity: one that this process has attached to, or attaches to now, by its name or
path. So a pickled block is some hundred bytes, whatever its size.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary, WeakValueDictionary

from glassheap import _core
from glassheap.errors import AttachError

if TYPE_CHECKING:
    from collections.abc import Callable

    from glassheap._core import Block, SharedHeap, SharedOffsetHeap

AnySharedHeap = TypeVar("AnySharedHeap", bound=_core.SharedHeap)
Identity = tuple[int, int]
Place = tuple[bytes, bytes, Any]
"""Name, path and buffer of a heap: at most one is given, the others are empty, and None."""

_attached: WeakValueDictionary[Identity, SharedHeap] = WeakValueDictionary()
_creators: WeakKeyDictionary[SharedHeap, int] = WeakKeyDictionary()

LONGEST_NAME = 200
TIMEOUT = 10.0
"""Seconds; the default of create and attach."""


# --- Making a heap, attaching to one, and leaving it. --------------------------------------------


def create(
    name: object, size: Any, path: Any, buffer: Any, timeout: float, options: dict[str, Any]
) -> SharedHeap:
    """Implementation of `SharedHeap.create`."""
    place = _place(name, path, buffer)
    if (size is None) == (buffer is None):
        raise TypeError("a shared heap needs its size in bytes, unless a buffer has one.")
    return _created(_core._create_shared(*place, size, timeout, options, offsets=False))


def create_offsets(
    name: object, size: Any, path: Any, buffer: Any, timeout: float, options: dict[str, Any]
) -> SharedOffsetHeap:
    """Implementation of `SharedOffsetHeap.create`: a buffer has no size of the memory."""
    place = _place(name, path, buffer)
    if size is None:
        raise TypeError("a shared heap of offsets needs the size of the memory, in bytes.")
    return _created(_core._create_shared(*place, size, timeout, options, offsets=True))


def _created(heap: AnySharedHeap) -> AnySharedHeap:
    _attached[heap._identity] = heap
    _creators[heap] = os.getpid()
    return heap


def attach(
    name: object,
    path: Any,
    buffer: Any,
    policy: object,
    timeout: float,
    record: Any = None,
    offsets: bool | None = None,
) -> Any:
    """Implementation of `SharedHeap.attach`, with offsets of `SharedOffsetHeap.attach`.

    With None it is a heap of either class, as the segment has it.
    """
    if name is None and path is None and buffer is None:
        raise TypeError("attach needs a name, a path or a buffer.")
    place = _place(name, path, buffer)
    wanted = "" if policy is None else str(policy)
    heap = _core._attach_shared(
        *place, timeout=timeout, policy=wanted, offsets=offsets, record=record
    )
    _attached[heap._identity] = heap
    return heap


def leave(heap: SharedHeap) -> None:
    """Implementation of `SharedHeap.__exit__`: close the heap.

    Its creator unlinks shared memory first, which nobody would remove later. A file stays.
    """
    if heap.name and _creators.get(heap) == os.getpid():
        with suppress(FileNotFoundError):  # another process may have unlinked it before
            heap.unlink()
    heap.close()


def _place(name: object, path: Any, buffer: Any) -> Place:
    if sum(place is not None for place in (name, path, buffer)) > 1:
        raise TypeError("a shared heap has a name, a path or a buffer: give one of them.")
    if path is not None:
        return b"", checked_path(path), None
    if buffer is not None:
        return b"", b"", buffer
    return os.fsencode(_checked_name(name)), b"", None


def checked_path(path: Any) -> bytes:
    """The path as the system takes it. Raises ValueError if no file can have it."""
    place = os.fsencode(path)
    if not place or b"\0" in place:
        raise ValueError(
            f"path must have at least one byte, and no zero byte; {path!r} will not do."
        )
    return place


def _checked_name(name: object) -> str:
    """The name itself, or an unused one for None.

    Raises TypeError if it is no string, ValueError if shared memory cannot have it.
    """
    if name is None:
        return f"glassheap-{os.getpid()}-{secrets.token_hex(6)}"
    if not isinstance(name, str):
        raise TypeError(f"name must be a string, not {type(name).__name__}.")
    long = not 0 < len(os.fsencode(name)) <= LONGEST_NAME
    if long or "/" in name or "\0" in name or name in {".", ".."}:
        raise ValueError(
            f"name must have 1 to {LONGEST_NAME} bytes, none of them a slash or a zero, and be "
            f"neither '.' nor '..'; {name!r} will not do."
        )
    return name


# --- Pickling. -----------------------------------------------------------------------------------


def reduce_heap(heap: SharedHeap) -> tuple[Callable[..., SharedHeap], tuple[Any, ...]]:
    """Implementation of `SharedHeap.__reduce__`: a heap travels as the way to attach to it."""
    return found, (heap._identity, heap.name, heap.path)


def found(identity: Identity, name: str | None, path: str | None) -> SharedHeap:
    """The heap of that identity, attached to if it was not yet.

    Raises AttachError if this process has not attached to it, and cannot.
    """
    heap = _attached.get(identity)
    if heap is not None and not heap.closed:
        return heap
    return attached_now(identity, name, path)


def attached_now(identity: Identity, name: str | None, path: str | None) -> SharedHeap:
    """The heap of that identity, after attaching to it. Raises AttachError if that fails."""
    if not (name or path):
        raise AttachError(
            "this process has not attached to the shared heap in a buffer: do so first."
        )
    where = repr(path or name)
    try:
        heap: SharedHeap = attach(name, path, None, None, TIMEOUT)
    except OSError as error:
        raise AttachError(f"the shared heap {where} cannot be attached to: {error}") from error
    if heap._identity != identity:
        raise AttachError(f"the shared heap {where} is another one than when the block was sent.")
    return heap


def reduce_block(block: Block) -> tuple[Callable[..., Block], tuple[Any, ...]]:
    """Implementation of `Block.__reduce__`: a block travels as its place; a shared one is counted.

    Raises TypeError for a block of a heap that no other process has.
    """
    if not isinstance(block.heap, _core.SharedHeap):
        raise TypeError(
            "cannot pickle a block that no other process has: only one of a SharedHeap can travel."
        )
    return received, sent(block, block._send() if block.shared else 0)


def sent(block: Block, ticket: int) -> tuple[Any, ...]:
    """What a block that is sent consists of: the arguments of `received`."""
    return block.heap, block.address, block.size, block._epoch, block.serial, ticket


def received(
    heap: SharedHeap, address: int, size: int, epoch: int, serial: int, ticket: int
) -> Block:
    """The Block of a pickled copy."""
    return heap._receive(address, size, epoch, serial, ticket)
