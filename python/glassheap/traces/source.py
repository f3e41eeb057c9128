"""The input and the output of a trace's reader.

A reader is a generator function `operations(source)`.  It yields an `Operation` for each line that
is one, adds the lines it ignores to `source.notes`, and raises `TraceError` at the first broken
line.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field

from glassheap.traces.trace import LARGEST_SIZE, Notes, TraceError, broken_line

Operation = tuple[int, int, int, int]
"""Line number, kind, the block's name in the file, size in bytes (0 for a free)."""

NULL = -1
"""The name of NULL.  It occurs only in frees, which do nothing."""


@dataclass
class Source:
    """The unpacked bytes of one file.  They are not decoded, since every grammar is plain ASCII."""

    name: str
    text: bytes
    notes: Notes = field(default_factory=Notes)

    def lines(self) -> io.BytesIO:
        """The lines in turn, each with its line end; the text is not copied."""
        return io.BytesIO(self.text)

    def broken(self, line: int, raw: bytes, expected: str) -> TraceError:
        """The error for line number `line` of this file."""
        return broken_line(self.name, line, raw, expected)


class Numbers(dict[bytes, int]):
    """A cache from words to whole numbers from 0 to 2**64 - 1; `ValueError` for any other word.

    `int` alone would also accept "+1", "1_000" and " 1".  A trace repeats few different numbers, so
    a look-up is faster than a conversion, and each word is checked strictly, but only once.
    """

    def __missing__(self, word: bytes) -> int:
        if not word.isdigit() or len(word.lstrip(b"0")) > len(str(LARGEST_SIZE)):
            raise ValueError
        number = int(word.lstrip(b"0") or b"0")
        if number > LARGEST_SIZE:
            raise ValueError
        self[word] = number
        return number
