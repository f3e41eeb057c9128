"""The bytes that the grader writes into payloads, different for each block.

The pattern is a table of random bytes.  Each block begins at another place in it, so contents that
were moved by some bytes, or that are another block's, are told from the right ones.  memmove and
memcmp of the C library do the work: nothing is copied into Python.
"""

from __future__ import annotations

import ctypes
import random

PIECE = 2**20
"""Bytes written or compared at a time."""
STARTS = 4093
"""The number of places at which a block can begin: a prime."""

_table = ctypes.create_string_buffer(random.Random(20).randbytes(PIECE + STARTS))
_start = ctypes.addressof(_table)
_memcmp = ctypes.CDLL(None).memcmp
_memcmp.argtypes = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t


def fill(address: int, size: int, serial: int) -> None:
    """Write the pattern number `serial` to `size` bytes at `address`."""
    pattern = _start + serial % STARTS
    for done in range(0, size, PIECE):
        ctypes.memmove(address + done, pattern, min(PIECE, size - done))


def first_change(address: int, size: int, serial: int) -> int | None:
    """The index of the first byte that differs from the pattern, or None."""
    pattern = _start + serial % STARTS
    for done in range(0, size, PIECE):
        length = min(PIECE, size - done)
        if _memcmp(address + done, pattern, length):
            return done + _first_difference(address + done, pattern, length)
    return None


def _first_difference(one: int, other: int, length: int) -> int:
    pairs = zip(ctypes.string_at(one, length), ctypes.string_at(other, length), strict=True)
    return next(index for index, (a, b) in enumerate(pairs) if a != b)
