r"""What the file of a program says of it, in the Executable and Linkable Format (ELF).

    identification  "\x7fELF", class (32 or 64 bits), order of bytes
    header          machine; place, size and number of the segments
    segments        one of the type PT_INTERP names the dynamic loader

A program without a loader is linked statically: no library can be loaded before it.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = b"\x7fELF"
ORDERS = {1: "<", 2: ">"}
WORDS = {1: "I", 2: "Q"}
"""The format of an address by the class."""
SEGMENTS = {1: "2I", 2: "I4xQ"}
"""The type of a segment, and its place in the file, by the class."""
PT_INTERP = 3
LONGEST_PATH = 4096


class Program(NamedTuple):
    """The file of a program or of a library."""

    kind: tuple[int, int, int]
    """Class, order of bytes and machine."""
    loader: str
    """The path of the dynamic loader; "" if there is none."""
    cut_off: bool = False
    """True if the file ends before what its header announces, so that there may be a loader."""


def read(path: str) -> Program | None:
    """The program in a file, or None if that is no ELF.  Raises OSError if it cannot be read."""
    with open(path, "rb") as file:
        head = file.read(64)
        if not head.startswith(MAGIC) or len(head) < 64:
            return None
        size, order = head[4], head[5]
        if size not in WORDS or order not in ORDERS:
            return None
        (machine,) = struct.unpack_from(ORDERS[order] + "H", head, 18)
        try:
            return Program((size, order, machine), loader(file.fileno(), head))
        except EOFError:
            return Program((size, order, machine), "", cut_off=True)


def loader(file: int, head: bytes) -> str:
    """The path of the dynamic loader, or "".  Raises EOFError if the file ends before that."""
    for kind, place in segments(file, head):
        if kind == PT_INTERP:
            path, end, _ = bytes_at(file, place, LONGEST_PATH).partition(b"\0")
            if not end:
                raise EOFError
            return os.fsdecode(path)
    return ""


def segments(file: int, head: bytes) -> Iterator[tuple[int, int]]:
    """The types of the segments, and their places.  Raises EOFError if their table is cut off."""
    size, order = head[4], ORDERS[head[5]]
    word = WORDS[size]
    (table,) = struct.unpack_from(order + word, head, 24 + struct.calcsize("=" + word))
    length, count = struct.unpack_from(order + "2H", head, 42 if size == 1 else 54)
    entry = struct.Struct(order + SEGMENTS[size])
    raw = bytes_at(file, table, length * count)
    for at in range(0, len(raw) - entry.size + 1, max(length, 1)):
        yield entry.unpack_from(raw, at)
    if len(raw) < length * count:
        raise EOFError


def bytes_at(file: int, place: int, length: int) -> bytes:
    """Bytes of a file, as far as there are some."""
    return os.pread(file, length, place) if place < os.fstat(file).st_size else b""
