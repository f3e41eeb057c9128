"""The lines shared by the CS:APP and the CS107 grammar.

    a ID SIZE      allocate SIZE bytes as block ID
    r ID SIZE      resize block ID to SIZE bytes; allocate it if it does not exist
    f ID           free block ID

Only the first letter of the word matters ("alloc 0 8" is "a 0 8"), trailing blanks are ignored, and
`#` begins a comment.  The id -1 is NULL: freeing it does nothing, and an allocation under it gets a
unique name that no free can use, -1 minus its line number.

The loop must read hundreds of thousands of lines a second, so one `try` around the unpacking
detects malformed lines, instead of a check of each word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glassheap.traces.source import NULL, PLAIN, Numbers, Operation, Source
from glassheap.traces.trace import FREE, MALLOC, REALLOC

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

KINDS = {ord("a"): MALLOC, ord("r"): REALLOC, ord("f"): FREE}

EXPECTED = "'a ID SIZE', 'r ID SIZE' or 'f ID', with whole numbers below 2**64"


def operations(source: Source, lines: Iterable[bytes], first_line: int) -> Iterator[Operation]:
    """The operations in `lines`, which begin with line number `first_line` of `source`."""
    sizes = Numbers()
    names = Numbers()
    names[b"-1"] = NULL
    for number, line in enumerate(lines, first_line):
        words = (line.partition(b"#")[0] if b"#" in line else line).split()
        if not words:
            continue
        size = 0
        try:
            kind = KINDS[words[0][0]]
            if kind == FREE:
                _, name = words
            else:
                _, name, wanted = words
                size = sizes[wanted]
            block = names[name]
        except (KeyError, ValueError):
            raise source.broken(number, line, EXPECTED) from None
        if block == NULL and kind != FREE:
            kind, block = MALLOC, NULL - number
        yield number, kind, block, size, PLAIN, None
