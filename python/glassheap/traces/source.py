"""The input and the output of a trace's reader.

A reader is a generator function `operations(source)`.  It yields an `Operation` for each line that
is one, adds the lines it ignores to `source.notes`, and raises `TraceError` at the first broken
line.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TypeVar

from glassheap.traces.trace import LARGEST_SIZE, Notes, TraceError, broken_line, file_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Key = TypeVar("Key")
Value = TypeVar("Value")

NULL = -1
"""The name of NULL.  It occurs only in frees, which do nothing."""

RENAME = 3
"""The kind of operation that gives a live block another name: a realloc moved it."""

PIECE = 2**20
"""The number of bytes read at a time."""

LONGEST_LINE = 2**24
"""The maximum length of a line in bytes: more is no line of a trace."""

LARGEST_TEXT = 2**30
"""The maximum size in bytes of a text that must be held in memory as a whole."""


DIGITS = len(str(LARGEST_SIZE))
"""The digits of the largest number."""

MOST_WORDS = 2**17
"""The maximum number of words in a cache of numbers."""


class Details(NamedTuple):
    """What a file may say of many operations alike.  One object for all of them is the fastest."""

    align: int = 0
    """The alignment requested, in bytes; 0 if none was."""
    tag: str = ""
    """A call site, the name of an allocator, a stream: whatever the file groups blocks by."""
    thread: int = 0
    """The number of the thread."""
    failed: bool = False
    """True if the program's request failed: a malloc, or a realloc whose block stayed."""


PLAIN = Details()

Operation = tuple[int, int, int, int, Details, int | None]
"""Line number, kind, the block's name in the file, size in bytes (0 for a free), details, time.

The size of a `RENAME` is the new name.  The time is in nanoseconds, from any origin."""


@dataclass
class Source:
    """The unpacked bytes of one file.  They are not decoded, since most grammars are ASCII."""

    name: str
    stream: BinaryIO
    notes: Notes = field(default_factory=Notes)

    def lines(self) -> Iterator[bytes]:
        """The lines in turn, each with its line end.  Raises `TraceError` if one is endless."""
        rest = b""
        while piece := self.stream.read(PIECE):
            text = rest + piece
            end = text.rfind(b"\n") + 1
            yield from io.BytesIO(text[:end])
            rest = text[end:]
            if len(rest) > LONGEST_LINE:
                message = f"has a line of over {LONGEST_LINE:,} bytes; expected fewer"
                raise file_error(self.name, message)
        if rest:
            yield rest

    def whole(self) -> bytes:
        """All the bytes.  Raises `TraceError` if they are more than `LARGEST_TEXT`."""
        text = self.stream.read(LARGEST_TEXT + 1)
        if len(text) > LARGEST_TEXT:
            raise file_error(self.name, f"has over {LARGEST_TEXT:,} bytes; expected fewer")
        return text

    def broken(self, line: int, raw: bytes, expected: str) -> TraceError:
        """The error for line number `line` of this file."""
        return broken_line(self.name, line, raw, expected)


class Cache(dict[Key, Value]):
    """What a function makes of a key, kept for the first `MOST_WORDS` keys."""

    def __init__(self, make: Callable[[Key], Value]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: Key) -> Value:
        value = self._make(key)
        if len(self) < MOST_WORDS:
            self[key] = value
        return value


class Numbers(Cache[bytes, int]):
    """A cache from words to whole numbers from 0 to 2**64 - 1; `ValueError` for any other word.

    `int` alone would also accept "+1", "1_000" and " 1".  A trace repeats few different numbers, so
    a look-up is faster than a conversion, and each word is checked strictly, but only once.
    """

    def __init__(self) -> None:
        super().__init__(whole_number)


def whole_number(word: bytes) -> int:
    """A number from 0 to 2**64 - 1 in decimal digits; ValueError for another word."""
    if not word.isdigit():
        raise ValueError
    if len(word) >= DIGITS:
        word = (
            word.lstrip(b"0")[: DIGITS + 1] or b"0"
        )  # enough of them to tell that it is too large
    number = int(word)
    if number > LARGEST_SIZE:
        raise ValueError
    return number
