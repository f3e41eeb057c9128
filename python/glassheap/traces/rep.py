"""The trace of the CS:APP malloc lab (`.rep`): four whole numbers, then operations.

    20000  heap size, only a hint        2      weight, 0 to 3
    3      number of ids                 3      number of ids
    5      number of operations          5      number of operations
    1      weight                        4096   peak of the live bytes
    (the old header)                     (the new one: the first number is 3 or less)

The numbers may share a line.  Only the number of operations is used.  It is the third in both
headers, so they need not be distinguished.  If it differs from the number of operations that
follow, all of these are read, and the difference is noted.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from glassheap.traces import letters
from glassheap.traces.source import Numbers, Operation, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT = "CS:APP .rep"
EXAMPLE = "a CS:APP .rep (four whole numbers, then 'a 0 64')"
ADDRESSES = False
LOOKS_LIKE = re.compile(rb"\A\s*[0-9]+\s")

HEADER = 4
EXPECTED = "a header of four whole numbers, and every operation on a line after it"


def operations(source: Source) -> Iterator[Operation]:
    """The operations after the header; `TraceError` at the first line that is not one."""
    lines = source.lines()
    announced, header_lines = read_header(source, lines)
    played = 0
    for operation in letters.operations(source, lines, header_lines + 1):
        played += 1
        yield operation
    if played != announced:
        reason = f"the header announces {announced} operations, the file has {played}"
        source.notes.add(reason, header_lines)


def read_header(source: Source, lines: Iterator[bytes]) -> tuple[int, int]:
    """The number of operations announced, and the number of lines of the header."""
    numbers = Numbers()
    header: list[int] = []
    number, line = 0, b""
    while len(header) < HEADER:
        number, line = number + 1, next(lines, b"")
        try:
            header += [numbers[word] for word in line.split()]
        except ValueError:
            raise source.broken(number, line, EXPECTED) from None
        if not line:
            break
    if len(header) != HEADER:
        raise source.broken(number, line, EXPECTED)
    return header[2], number
