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

from glassheap.traces.calls import allocation, reallocation
from glassheap.traces.source import NULL, Cache, Details, Operation, Source
from glassheap.traces.trace import FREE

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT = "glibc mtrace"
EXAMPLE = "a glibc mtrace"
ADDRESSES = True

NIL = b"(nil)"
POINTER = rb"(0x[0-9a-f]{1,16}|\(nil\))"
LOOKS_LIKE = re.compile(rb"^(?:= Start$|@ .+ [-+<>!] " + POINTER + rb")", re.MULTILINE)
LINE = re.compile(rb"(?:@ (.*) )?([-+<>!]) " + POINTER + rb"(?: (0x[0-9a-f]{1,16}|0))?\s*")
MARK = re.compile(rb"= (?:Start|End)\s*|\s*")

GARBLED = "garbled or cut-off line, skipped"
HALF = "half of a realloc, skipped"


def operations(source: Source) -> Iterator[Operation]:
    """The operations of the trace; garbled lines are noted."""
    callers = Cache(details_of)
    old = number = 0  # the block of a realloc whose second line is due
    for number, line in enumerate(source.lines(), 1):
        match = LINE.fullmatch(line)
        if match is None:
            if not MARK.fullmatch(line):
                source.notes.add(GARBLED, number)
            continue
        caller, sign, pointer, size = match.groups()
        if bool(old) != (sign == b">"):
            source.notes.add(HALF, number)
        address = 0 if pointer == NIL else int(pointer, 16)
        if sign == b"-":
            yield number, FREE, address or NULL, 0, callers[caller or b""], None
        elif size and sign != b"<":
            wanted = int(size, 16)
            yield from request(number, sign, address, wanted, old, callers[caller or b""])
        elif sign != b"<":
            source.notes.add(GARBLED, number)
        old = address if sign == b"<" else 0
    if old:
        source.notes.add(HALF, number)


def request(
    number: int, sign: bytes, address: int, size: int, old: int, details: Details
) -> list[Operation]:
    """The operations of a line with a size."""
    if sign == b"+":
        return [allocation(number, address, size, details)]
    if sign == b"!":
        return reallocation(number, address, size, 0, details)
    return reallocation(number, old, size, address, details) if old else []


def details_of(caller: bytes) -> Details:
    """The caller as a tag."""
    return Details(tag=caller.decode("utf-8", "backslashreplace"))
