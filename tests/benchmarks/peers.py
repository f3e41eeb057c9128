"""The peers of glassheap's pair of calls.

glassheap, the type written by hand and multiprocessing.heap have methods and are called as in a
program. The functions of ctypes and cffi are local variables of the loop, which saves them the
attribute look-up. cffi has two modes: in ABI mode it opens the library at run time, like ctypes; in
API mode it writes a C extension for the declared functions, as fast as one written by hand, but the
functions must be known at build time.
"""

from __future__ import annotations

import ctypes
import importlib
from multiprocessing.heap import BufferWrapper
from multiprocessing.heap import Heap as StandardHeap
from typing import Any

from workload import MissingError, Workload, timed

BLOCK = 64
"""Bytes of the block that every contender allocates."""

REGION = 4096
"""Bytes of the heap, if a contender has one."""

METHODS = f"heap.free(heap.malloc({BLOCK}))"
FUNCTIONS = f"free(malloc({BLOCK}))"


def find(module: str, source: str) -> Any:
    """Import an optional module, which has no type hints."""
    try:
        return importlib.import_module(module)
    except ImportError:
        reason = f"{module} is not installed (pip install {source})"
        raise MissingError(reason) from None


def peer(module: str) -> Any:
    """One of the compiled peers."""
    return find(module, "--no-build-isolation tests/benchmarks/peer")


def functions(libc: Any) -> dict[str, object]:
    """malloc and free of libc."""
    return {"malloc": libc.malloc, "free": libc.free}


def by_ctypes() -> dict[str, object]:
    """libc's functions through ctypes; without declared types it would cut addresses to 32 bits."""
    libc = ctypes.CDLL(None)
    libc.malloc.argtypes, libc.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
    libc.free.argtypes, libc.free.restype = [ctypes.c_void_p], None
    return functions(libc)


def by_cffi() -> dict[str, object]:
    """libc's functions through cffi, found at run time."""
    ffi = find("cffi", "cffi").FFI()
    ffi.cdef("void *malloc(size_t size); void free(void *address);")
    return functions(ffi.dlopen(None))


BY_HAND = "a C type written by hand"
PEERS: dict[str, Workload] = {
    BY_HAND: timed(METHODS, lambda: {"heap": peer("glassheap_peer").Heap(REGION)}),
    "libc by ctypes": timed(FUNCTIONS, by_ctypes),
    "libc by cffi, ABI mode": timed(FUNCTIONS, by_cffi),
    "libc by cffi, API mode (compiled)": timed(FUNCTIONS, lambda: functions(peer("libc_peer").lib)),
    f"bytearray({BLOCK})": timed(f"bytearray({BLOCK})"),
    "multiprocessing.heap, Heap": timed(METHODS, lambda: {"heap": StandardHeap()}),
    "multiprocessing.heap, BufferWrapper": timed(
        f"Buffer({BLOCK})", lambda: {"Buffer": BufferWrapper}
    ),
}
