"""The trace as read from a file, the notes about it, and the error for an invalid file.

A trace may have more than a million operations, which a loop in C++ executes.  So it is stored as
three parallel arrays (kind, id, size), not as a list of objects: they take 13 bytes an operation,
and C++ reads them without a copy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from array import array

MALLOC, REALLOC, FREE = 0, 1, 2
"""The kinds of operation in `Trace.kinds`."""

LARGEST_SIZE = 2**64 - 1
"""The largest size (bytes) in a trace: the maximum of a C `size_t`."""

CLIPPED = 60
"""The maximum number of characters that an error message quotes of a broken line."""


class Note(NamedTuple):
    """One kind of oddity in a trace: the number of lines that have it, and the first of them.

    `misuse` is true if a correct program never does this (such as a double free), and false if the
    grammar allows it.
    """

    reason: str
    lines: int
    first_line: int
    misuse: bool

    def __str__(self) -> str:
        if self.lines == 1:
            return f"{self.reason}: line {self.first_line}"
        return f"{self.reason}: {self.lines:,} times, first on line {self.first_line}"


class Notes:
    """Collects oddities by reason while a trace is read."""

    def __init__(self) -> None:
        self._notes: dict[str, Note] = {}

    def add(self, reason: str, line: int, *, misuse: bool = False) -> None:
        """Count another occurrence of `reason`, on `line`."""
        old = self._notes.get(reason, Note(reason, 0, line, misuse))
        self._notes[reason] = old._replace(lines=old.lines + 1)

    def all(self) -> tuple[Note, ...]:
        """All notes so far, in order of their first occurrence."""
        return tuple(self._notes.values())


@dataclass(frozen=True)
class Trace:
    """A program's allocations, in order, in a form that can be replayed.

    The three arrays have one entry for each operation.  Ids are numbered from 0 without gaps.
    For any file, a malloc has an id that is not live, and a realloc or a free has one that is.
    Sizes are in bytes, 0 to 2**64 - 1, and 0 for every free.
    """

    name: str
    """The name of the source in messages."""
    format: str
    """The name of the grammar."""
    kinds: bytearray
    """`MALLOC`, `REALLOC` or `FREE`."""
    ids: array[int]
    """The ids of the blocks, an `array('I')`; each is below `id_count`."""
    sizes: array[int]
    """The bytes requested, an `array('Q')`."""
    id_count: int
    """The number of ids."""
    peak_live: int
    """The maximum of the bytes requested in live blocks."""
    skipped: tuple[Note, ...]
    """The oddities of the file, one note for each reason."""

    def __len__(self) -> int:
        """The number of operations."""
        return len(self.kinds)


class TraceError(ValueError):
    """The file is not a trace, or a line in it is broken.  The message is one sentence.

    `name` is the file.  For a broken line, `line` is its number, counted from 1, `text` the line
    (clipped) and `expected` the valid syntax; for a whole file they are 0, "" and "".
    """

    def __init__(
        self, message: str, *, name: str = "", line: int = 0, text: str = "", expected: str = ""
    ) -> None:
        super().__init__(message)
        self.name = name
        self.line = line
        self.text = text
        self.expected = expected


def broken_line(name: str, line: int, raw: bytes, expected: str) -> TraceError:
    """The error for a line that does not match the grammar."""
    text = clip(raw)
    found = f"cannot read '{text}'" if raw else "the file ends here"
    message = f"{name}, line {line}: {found}; expected {expected}"
    return TraceError(message, name=name, line=line, text=text, expected=expected)


def clip(raw: bytes) -> str:
    """A line for a message: printable, and at most `CLIPPED` characters long."""
    text = raw[: 4 * CLIPPED + 4].decode("utf-8", "backslashreplace").rstrip()
    plain = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return plain if len(plain) <= CLIPPED else plain[: CLIPPED - 3] + "..."
