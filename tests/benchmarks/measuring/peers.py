"""What glassheap's pair of calls is compared with: how to make each, and what is wanted of it.

glassheap and the hand-written type have methods and are called as a program would, with
`heap.free(heap.malloc(64))`; so is multiprocessing.heap.  The functions of ctypes and cffi are
local variables of the loop, which spares them the look-up.
"""

from __future__ import annotations

from multiprocessing.heap import BufferWrapper
from multiprocessing.heap import Heap as SharedHeap
from typing import TYPE_CHECKING, NamedTuple

from measuring import building, foreign
from measuring.timing import Contender

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK = 64
"""Bytes that every contender asks for."""

REGION = 4096
"""Bytes of the heap, where a contender has one."""

METHODS = f"heap.free(heap.malloc({BLOCK}))"
FUNCTIONS = f"free(malloc({BLOCK}))"


class Peer(NamedTuple):
    """Something to compare with.

    `make` gives the statement and the names in it, and raises PeerMissingError where that cannot be
    had.  `most` is how many times the peer's time glassheap may take; `faster` how many times
    as fast it is to be.
    """

    name: str
    make: Callable[[], tuple[str, dict[str, object]]]
    most: float | None = None
    faster: float | None = None

    def contender(self) -> Contender:
        """The peer, ready to run."""
        return Contender(self.name, *self.make())


def hand_written() -> tuple[str, dict[str, object]]:
    """The extension type of peer/peer.cpp."""
    module = building.build("glassheap_peer")
    return METHODS, {"heap": module.Heap(REGION)}


def by_ctypes() -> tuple[str, dict[str, object]]:
    """libc's functions through ctypes."""
    return FUNCTIONS, foreign.by_ctypes()._asdict()


def by_cffi() -> tuple[str, dict[str, object]]:
    """The same through cffi, found at run time."""
    return FUNCTIONS, foreign.by_cffi()._asdict()


def by_compiled_cffi() -> tuple[str, dict[str, object]]:
    """The same through an extension that cffi wrote."""
    foreign.import_cffi()
    libc = building.build(foreign.CFFI_MODULE).lib
    return FUNCTIONS, {"malloc": libc.malloc, "free": libc.free}


def bytearrays() -> tuple[str, dict[str, object]]:
    """An object of the interpreter's own, dropped as soon as it is made."""
    return f"bytearray({BLOCK})", {}


def shared_blocks() -> tuple[str, dict[str, object]]:
    """A block of multiprocessing.heap, without the object that its users have around it."""
    return METHODS, {"heap": SharedHeap()}


def shared_buffers() -> tuple[str, dict[str, object]]:
    """A block of multiprocessing.heap with that object, which frees it when it is dropped."""
    return f"Buffer({BLOCK})", {"Buffer": BufferWrapper}


PEERS = [
    Peer("a C type written by hand", hand_written, most=1.3),
    Peer("libc by ctypes", by_ctypes, faster=5),
    Peer("libc by cffi, ABI mode", by_cffi, faster=5),
    Peer("libc by cffi, API mode (compiled)", by_compiled_cffi),
    Peer(f"bytearray({BLOCK})", bytearrays, faster=1),
    Peer("multiprocessing.heap, Heap", shared_blocks, faster=50),
    Peer("multiprocessing.heap, BufferWrapper", shared_buffers),
]
