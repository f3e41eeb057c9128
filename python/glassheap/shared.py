"""Which shared heaps this process has, and how a heap and its blocks travel to another.

A heap is told by its identity, a number that is drawn when it is made: a block that arrives is
opened on the heap of that identity, which this process has attached, or now attaches to by its name
or path. So what travels is some hundred bytes, whatever the block holds.
"""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from glassheap.errors import AttachError

if TYPE_CHECKING:
    from collections.abc import Callable

    from glassheap import Block, SharedHeap

Identity = tuple[int, int]

_attached: WeakValueDictionary[Identity, SharedHeap] = WeakValueDictionary()
_creators: WeakKeyDictionary[SharedHeap, int] = WeakKeyDictionary()

LONGEST_NAME = 200


def checked_name(name: object) -> str:
    """The name itself, or for None one that nobody has.

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


SENTENCES = {
    errno.EEXIST: "there is a shared heap {} already: attach to it, or unlink it first.",
    errno.ENOENT: "there is no shared heap {}: it was never made, or has been unlinked.",
    errno.EACCES: "there is no permission to use {}: ask whoever made it.",
    errno.ENOSPC: "there is no room for {}: ask for less, or make room where it is kept.",
}


def system_error(number: int, name: str, path: str) -> OSError:
    """What the system refused, as the OSError that stands for it."""
    where = repr(path or name)
    text = SENTENCES.get(number, "the system refuses {}: " + os.strerror(number) + ".")
    return OSError(number, text.format(where), path or name)


def register(heap: SharedHeap, creator: bool) -> None:
    """This process has that heap."""
    _attached[heap._identity] = heap
    if creator:
        _creators[heap] = os.getpid()


def leave(heap: SharedHeap) -> None:
    """The end of a with statement: its creator takes the name away. Everybody closes."""
    if _creators.get(heap) == os.getpid() and (heap.name or heap.path):
        with suppress(FileNotFoundError):  # anybody may have unlinked it before
            heap.unlink()
    heap.close()


def reduce_heap(heap: SharedHeap) -> tuple[Callable[..., SharedHeap], tuple[Any, ...]]:
    """A heap travels as the way to it."""
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
    """The same, of a heap that this process does not have."""
    from glassheap import SharedHeap

    what = repr(path or name) if path or name else "in a buffer"
    if not (name or path):
        raise AttachError(f"this process has not attached to the shared heap {what}: do so first.")
    try:
        heap = SharedHeap.attach(name, path=path)
    except OSError as error:
        raise AttachError(f"the shared heap {what} cannot be attached to: {error}") from error
    if heap._identity != identity:
        raise AttachError(f"the shared heap {what} is another one than when the block was sent.")
    return heap


def reduce_block(block: Block) -> tuple[Callable[..., Block], tuple[Any, ...]]:
    """A block travels as where it is; one that is shared is held once more on its way.

    Raises TypeError for a block of a heap that no other process has.
    """
    from glassheap import SharedHeap

    heap = block.heap
    if not isinstance(heap, SharedHeap):
        raise TypeError(
            "cannot pickle a block that no other process has: only one of a SharedHeap can travel."
        )
    sender = -1
    if block.shared:
        block._send()
        sender = heap._number
    return received, (heap, block.address, block.size, block._epoch, block.serial, sender)


def received(
    heap: SharedHeap, address: int, size: int, epoch: int, serial: int, sender: int
) -> Block:
    """The block at the other end."""
    return heap._receive(address, size, epoch, serial, sender)
