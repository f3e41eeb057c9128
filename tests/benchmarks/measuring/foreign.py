"""libc's malloc and free, called from Python through ctypes and through cffi.

cffi has two modes.  In ABI mode it opens the library at run time, like ctypes, and needs no
compiler.  In API mode it writes a C extension for the declared functions.  The compiled extension
is as fast as one written by hand, but the functions must be known at build time.
"""

from __future__ import annotations

import ctypes
import importlib
import io
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any, NamedTuple

from measuring.results import PeerMissingError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DECLARATIONS = "void *malloc(size_t size); void free(void *address);"
CFFI_MODULE = "libc_peer"


class Libc(NamedTuple):
    """The functions malloc and free of libc."""

    malloc: Callable[[int], Any]
    free: Callable[[Any], object]


def by_ctypes() -> Libc:
    """malloc and free through ctypes; without declared types it would cut addresses to 32 bits."""
    libc = ctypes.CDLL(None)
    libc.malloc.argtypes, libc.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
    libc.free.argtypes, libc.free.restype = [ctypes.c_void_p], None
    return Libc(libc.malloc, libc.free)


def by_cffi() -> Libc:
    """malloc and free through cffi in ABI mode."""
    ffi = declared(import_cffi())
    libc = ffi.dlopen(None)
    return Libc(libc.malloc, libc.free)


def write_cffi_source(folder: Path) -> Path | None:
    """Let cffi write the C file of its API mode to `folder`; None if cffi is not installed."""
    try:
        ffi = declared(import_cffi())
    except PeerMissingError:
        return None  # the contender that needs cffi reports that it is missing
    ffi.set_source(CFFI_MODULE, "#include <stdlib.h>")
    source = folder / f"{CFFI_MODULE}.c"
    with redirect_stdout(io.StringIO()):  # emit_c_code prints a message
        ffi.emit_c_code(str(source))
    return source


def declared(cffi: Any) -> Any:
    """An FFI with the declarations of the two functions."""
    ffi = cffi.FFI()
    ffi.cdef(DECLARATIONS)
    return ffi


def import_cffi() -> Any:
    """Import cffi, which is optional and has no type hints."""
    try:
        return importlib.import_module("cffi")
    except ImportError:
        raise PeerMissingError("cffi is not installed (pip install cffi)") from None
