"""The traces of glibc's mtrace (`MALLOC_TRACE=FILE`, and a call of `mtrace()`).

    = Start
    @ ./program:[0x11d0] + 0x55967a84e4a0 0x64         malloc, calloc, memalign
    @ ./program:[0x1200] < 0x55967a84e4a0              realloc: the old address,
    @ ./program:[0x1200] > 0x55967a84e590 0x1388       and the new one
    @ ./program:[0x1208] ! 0x55967a84e590 0x1000000    a realloc that failed
    @ ./program:[0x128a] - 0x55967a84e590              free
    = End

The caller is the tag; it may be missing.  The alignment is not recorded.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from glassheap.traces.calls import allocation, reallocation, release
from glassheap.traces.source import Details, Operation, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT = "glibc mtrace"
EXAMPLE = "a glibc mtrace"
ADDRESSES = True

POINTER = rb"(0x[0-9a-f]{1,16}|\(nil\))"
LOOKS_LIKE = re.compile(rb"^(?:= Start$|@ .+ [-+<>!] " + POINTER + rb")", re.MULTILINE)
LINE = re.compile(rb"(?:@ (.*) )?([-+<>!]) " + POINTER + rb"(?: (0x[0-9a-f]{1,16}|0))?\s*")
MARK = re.compile(rb"= (?:Start|End)\s*|\s*")

GARBLED = "garbled or cut-off line, skipped"
HALF = "half of a realloc, skipped"


class Reader:
    """The block of a realloc whose second line is due, or 0."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.old = 0

    def line(self, number: int, line: bytes) -> list[Operation]:
        """The operations on a line; a garbled one is noted."""
        match = LINE.fullmatch(line)
        if match is None:
            if not MARK.fullmatch(line):
                self.source.notes.add(GARBLED, number)
            return []
        caller, sign, pointer, size = match.groups(b"")
        old, self.old = self.old, address(pointer) if sign == b"<" else 0
        if bool(old) != (sign == b">"):
            self.source.notes.add(HALF, number)
        if sign in b"+!>" and not size:
            self.source.notes.add(GARBLED, number)
            return []
        details = Details(tag=caller.decode("utf-8", "backslashreplace"))
        return self.call(number, sign, address(pointer), int(size or b"0", 16), old, details)

    def call(
        self, number: int, sign: bytes, pointer: int, size: int, old: int, details: Details
    ) -> list[Operation]:
        """The operations of one line."""
        if sign == b"-":
            return [release(number, pointer, details)]
        if sign == b"+":
            return [allocation(number, pointer, size, details)]
        if sign == b"!":
            return reallocation(number, pointer, size, 0, details)
        if sign == b">" and old:
            return reallocation(number, old, size, pointer, details)
        return []


def operations(source: Source) -> Iterator[Operation]:
    """The operations of the trace; garbled lines are noted."""
    reader = Reader(source)
    for number, line in enumerate(source.lines(), 1):
        yield from reader.line(number, line)


def address(pointer: bytes) -> int:
    """The number of an address as printf's %p prints it."""
    return 0 if pointer == b"(nil)" else int(pointer, 16)
