"""The log of valgrind with `--trace-malloc=yes`.

    --24909-- malloc(100) = 0x4A41040
    --24909-- calloc(3,40) = 0x4A410F0
    --24909-- realloc(0x4A41040,5000) = 0x4A411B0
    --24909-- realloc(0x0,17)malloc(17) = 0x4A42790
    --24909-- memalign(al 64, size 200) = 0x4A42640
    --24909-- _ZnwmSt11align_val_t(size 64, al 64) = 0x4D6ED80
    --24909-- free(0x4A411B0)

Lines of the program and of valgrind's own report stand between them.  A child that the program
forks has a memory of its own, so only the first process is read.  At the end of the program
valgrind frees what libraries hold, by calls of `free(0x0)`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from glassheap.traces.calls import (
    ALIGN,
    BLOCK,
    NO_RESULT,
    SIZE,
    Shape,
    number_of,
    operations_of,
    release,
    shape_of,
)
from glassheap.traces.source import Cache, Operation, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT = "valgrind --trace-malloc"
EXAMPLE = "a log of valgrind --trace-malloc=yes"
ADDRESSES = True

LOOKS_LIKE = re.compile(rb"^--[0-9]+-- (?:malloc|calloc|realloc|free|_Z[nd]\w+)\(", re.MULTILINE)
LINE = re.compile(
    rb"--([0-9]{1,10})-- (\w+)\((?:(0x[0-9A-Fa-f]{1,16})|([^()]*))\)"  # an address alone, or any
    rb"(?:\w+\([^()]*\))?"  # realloc calls malloc or free
    rb"(?: = (0x[0-9A-Fa-f]{1,16}))?\s*"
)
ARGUMENT = re.compile(rb"(?:(al|size) )?(0x[0-9A-Fa-f]{1,16}|[0-9]{1,20})")
Arguments = tuple[Shape, list[int]]
NAMES = {b"al": ALIGN, b"size": SIZE}

OTHER_PROCESS = "call of another process than the first, skipped"
OTHER = "no call of malloc's family, ignored"
GARBLED = "garbled call, skipped"


def operations(source: Source) -> Iterator[Operation]:
    """The operations in the log; all other lines are noted."""
    first = b""  # the first process
    known = Cache(read_arguments)
    for number, line in enumerate(source.lines(), 1):
        match = LINE.fullmatch(line)
        shape = shape_of(match[2]) if match else ()
        if match is None or not shape:
            source.notes.add(OTHER, number)
            continue
        process, _, address, written, result = match.groups()
        first = first or process
        if process != first:
            source.notes.add(OTHER_PROCESS, number)
        elif address and shape == (BLOCK,):
            yield release(number, int(address, 16))
        else:
            written = address or written
            yield from read_call(source, number, shape, written, known[written], result)


def read_arguments(written: bytes) -> Arguments:
    """The numbers, and the meanings of those that are named."""
    found = ARGUMENT.findall(written)
    values = [number_of(value) for _, value in found]
    return tuple(NAMES[name] for name, _ in found if name), values


def read_call(
    source: Source,
    number: int,
    shape: Shape,
    written: bytes,
    arguments: Arguments,
    result: bytes | None,
) -> list[Operation]:
    """The operations of a call; one that is not whole is noted."""
    freed = shape[0] == BLOCK and (len(shape) == 1 or written.endswith(b",0"))
    if result is None and not freed:  # a free has no result
        source.notes.add(NO_RESULT, number)
        return []
    named, values = arguments
    try:
        return operations_of(number, named or shape, values, int(result or b"0", 16))
    except (KeyError, ValueError):
        source.notes.add(GARBLED, number)
        return []
