"""The traces of the wee_alloc project: the inside of a Rust array.

    Alloc(552),
    Alloc(120),
    Free(0),

A block has no name; `Free(k)` frees the k-th `Alloc` of the file, counted from 0.  Any other line
is ignored and counted, unless it begins like an operation but is not one.  Then the trace is
damaged, and to ignore the line would change the measurement.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from glassheap.traces.source import PLAIN, Numbers, Operation, Source
from glassheap.traces.trace import FREE, MALLOC

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT = "wee_alloc"
EXAMPLE = "a wee_alloc trace ('Alloc(64),', 'Free(0),')"
ADDRESSES = False

LOOKS_LIKE = re.compile(rb"^[ \t]*(?:Alloc|Free)\(", re.MULTILINE)

OPERATION = re.compile(rb"\s*(?:Alloc\(([0-9]+)\)|Free\(([0-9]+)\)),?\s*")
OPERATION_START = re.compile(rb"\s*(?:Alloc|Free)\b")
EXPECTED = "'Alloc(SIZE),' or 'Free(INDEX),', with a whole number below 2**64"
IGNORED = "neither Alloc nor Free, ignored"


def operations(source: Source) -> Iterator[Operation]:
    """The operations of the trace; `TraceError` at the first damaged one."""
    numbers = Numbers()
    allocated = 0
    for number, line in enumerate(source.lines(), 1):
        match = OPERATION.fullmatch(line)
        if match is None:
            ignore(source, number, line)
            continue
        size, index = match.groups()
        try:
            value = numbers[size or index]
        except ValueError:
            raise source.broken(number, line, EXPECTED) from None
        if size is None:
            yield number, FREE, value, 0, PLAIN, None
        else:
            yield number, MALLOC, allocated, value, PLAIN, None
            allocated += 1


def ignore(source: Source, number: int, line: bytes) -> None:
    """Count a line that is not an operation; `TraceError` if it begins like one."""
    if OPERATION_START.match(line):
        raise source.broken(number, line, EXPECTED)
    if line.strip():
        source.notes.add(IGNORED, number)
