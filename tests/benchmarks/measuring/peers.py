"""The peers of glassheap's pair of calls: their construction and their bars.

glassheap, the hand-written type and multiprocessing.heap have methods and are called as in a
program, by `heap.free(heap.malloc(64))`.  The functions of ctypes and cffi are local variables of
the loop, which saves them the attribute look-up.
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
"""Bytes of the block that every contender allocates."""

REGION = 4096
"""Bytes of the heap, if a contender has one."""

METHODS = f"heap.free(heap.malloc({BLOCK}))"
FUNCTIONS = f"free(malloc({BLOCK}))"


class Peer(NamedTuple):
    """An alternative to glassheap.

    `make` returns the statement and the names in it, and raises PeerMissingError if the peer is not
    available.  The bar is `most`, the largest ratio of glassheap's time to the peer's, or `faster`,
    the smallest ratio of the peer's time to glassheap's, or none.
    """

    name: str
    make: Callable[[], tuple[str, dict[str, object]]]
    most: float | None = None
    faster: float | None = None

    def contender(self) -> Contender:
        """The peer as a contender."""
        return Contender(self.name, *self.make())


def hand_written() -> tuple[str, dict[str, object]]:
    """The extension type of peer/peer.cpp."""
    module = building.build("glassheap_peer")
    return METHODS, {"heap": module.Heap(REGION)}


def by_ctypes() -> tuple[str, dict[str, object]]:
    """libc's functions through ctypes."""
    return FUNCTIONS, foreign.by_ctypes()._asdict()


def by_cffi() -> tuple[str, dict[str, object]]:
    """libc's functions through cffi, found at run time."""
    return FUNCTIONS, foreign.by_cffi()._asdict()


def by_compiled_cffi() -> tuple[str, dict[str, object]]:
    """libc's functions through an extension written by cffi."""
    foreign.import_cffi()
    libc = building.build(foreign.CFFI_MODULE).lib
    return FUNCTIONS, {"malloc": libc.malloc, "free": libc.free}


def bytearrays() -> tuple[str, dict[str, object]]:
    """A bytearray, dropped as soon as it is made."""
    return f"bytearray({BLOCK})", {}


def shared_blocks() -> tuple[str, dict[str, object]]:
    """A block of multiprocessing.heap without the wrapper of its users."""
    return METHODS, {"heap": SharedHeap()}


def shared_buffers() -> tuple[str, dict[str, object]]:
    """A block of multiprocessing.heap with that wrapper, which frees it when it is dropped."""
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
