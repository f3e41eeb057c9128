"""The functions of the graded library, loaded into this process: in a child alone.

The linker's search for a name goes on in the libraries that a library needs, so it finds malloc in
nearly every one.  A function counts only if it lies in the library itself.  The library's own calls
of malloc reach its own one first (RTLD_DEEPBIND, where the system has that).
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from glassheap.grading.job import LibraryError, Names

PREFIXES = ("my_", "mm_", "")
"""In front of malloc, in the order of the search."""
REGION = ("mem_heap_lo", "mem_heap_hi")
"""The functions of the CS:APP malloc lab that return the first and the last byte of the heap."""

if TYPE_CHECKING:
    Function = ctypes._NamedFuncPointer


@dataclass(frozen=True)
class Library:
    """The functions, and the names under which they were found."""

    malloc: Function
    free: Function
    realloc: Function | None
    start: tuple[Function, ...]
    region: tuple[Function, Function] | None
    names: Names


def load(path: str | None, names: Names) -> Library:
    """Load the library.  Raises LibraryError if and only if it or a function cannot be found."""
    if path is None:
        return _bind(_Symbols(None, ctypes.CDLL(None)), Names("malloc", "free", "realloc"))
    try:
        mode = os.RTLD_NOW | os.RTLD_LOCAL | getattr(os, "RTLD_DEEPBIND", 0)
        symbols = _Symbols(path, ctypes.CDLL(path, mode=mode))
    except OSError as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise LibraryError(
            f"cannot load {path}: {reason}; expected a shared library for this machine, as "
            "cc -shared -fPIC makes it"
        ) from None
    return _bind(symbols, _complete(names, symbols))


def address_of(function: Function | None) -> int:
    """The address of a function in memory; 0 for None."""
    return ctypes.cast(function, ctypes.c_void_p).value or 0 if function is not None else 0


class _Info(ctypes.Structure):
    """Dl_info of dlfcn.h."""

    _fields_ = (
        ("file", ctypes.c_char_p),
        ("base", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
    )


class _Symbols:
    """The functions that a library itself defines."""

    def __init__(self, path: str | None, library: ctypes.CDLL) -> None:
        self.path = path
        self._library = library

    def __contains__(self, name: str) -> bool:
        """True if the library itself has this function."""
        try:
            address = ctypes.cast(self._library[name], ctypes.c_void_p)
        except (AttributeError, ValueError):  # ValueError: a zero byte in the name
            return False
        info = _Info()
        found = ctypes.CDLL(None).dladdr(address, ctypes.byref(info))
        return self.path is None or bool(found and os.path.samefile(info.file, self.path))

    def function(self, name: str, option: str, result: Any, *arguments: Any) -> Function:
        """The function; LibraryError with the option that names another if there is none."""
        if name not in self:
            raise LibraryError(f"{self.path} has no function {name}; name yours with {option}")
        function = self._library[name]  # each access makes a new object
        function.restype, function.argtypes = result, arguments
        return function


def _complete(names: Names, symbols: _Symbols) -> Names:
    """The names, with those that were not given found or derived."""
    malloc = names.malloc or next((p + "malloc" for p in PREFIXES if p + "malloc" in symbols), None)
    if malloc is None:
        raise LibraryError(
            f"{symbols.path} has none of the functions my_malloc, mm_malloc and malloc; name yours "
            "with --malloc"
        )
    realloc = malloc.replace("malloc", "realloc")
    return Names(
        malloc,
        names.free or malloc.replace("malloc", "free"),
        names.realloc or (realloc if realloc in symbols and realloc != malloc else None),
        names.start,
        names.region or (REGION if all(name in symbols for name in REGION) else None),
    )


def _bind(symbols: _Symbols, names: Names) -> Library:
    """The functions of these names, as Python calls them."""
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    low_high = [symbols.function(name, "--region", pointer) for name in names.region or ()]
    find = symbols.function
    return Library(
        malloc=find(str(names.malloc), "--malloc", pointer, size),
        free=find(str(names.free), "--free", None, pointer),
        realloc=find(names.realloc, "--realloc", pointer, pointer, size) if names.realloc else None,
        start=tuple(find(name, "--init", ctypes.c_int) for name in names.start),
        region=(low_high[0], low_high[1]) if low_high else None,
        names=names,
    )
