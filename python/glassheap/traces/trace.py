"""What a trace is, once it has been read, and what can be wrong with one.

A trace may be longer than a million operations, and a heap written in C++ is to run through it.  So
it is kept as three arrays side by side (kind, id, size) and not as a list of objects: 13 bytes an
operation, and a loop in C++ can read them where they lie.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from array import array

MALLOC, REALLOC, FREE = 0, 1, 2
"""The kinds of operation, as they stand in `Trace.kinds`."""

LARGEST_SIZE = 2**64 - 1
"""The largest size (bytes) that a trace can ask for: what fits a C `size_t`."""

CLIPPED = 60
"""How many characters of an offending line an error message repeats."""


class Note(NamedTuple):
    """One kind of oddity met while reading: on how many lines, and where first.

    `misuse` is true for what a correct program never does (freeing what it does not hold), false
    for what the grammar allows but a reader should know about.
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
        """Count one more `reason`, met on `line`."""
        old = self._notes.get(reason, Note(reason, 0, line, misuse))
        self._notes[reason] = old._replace(lines=old.lines + 1)

    def all(self) -> tuple[Note, ...]:
        """Every oddity so far, in the order in which the first of its kind was met."""
        return tuple(self._notes.values())


@dataclass(frozen=True)
class Trace:
    """A program's allocations, in order, ready to be replayed.

    The three arrays have one entry for each operation.  Ids are numbered from 0 without gaps.
    Whatever the file said, here a malloc names an id that is not live, and a realloc or a free
    names one that is.  Sizes are in bytes, 0 to 2**64 - 1, and 0 for every free.
    """

    name: str
    """Where it came from, as messages should call it."""
    format: str
    """The grammar it was written in."""
    kinds: bytearray
    """`MALLOC`, `REALLOC` or `FREE`."""
    ids: array[int]
    """Which block, an `array('I')`; each below `id_count`."""
    sizes: array[int]
    """Bytes asked for, an `array('Q')`."""
    id_count: int
    """How many ids there are."""
    peak_live: int
    """The most bytes that were requested and live at one time."""
    skipped: tuple[Note, ...]
    """What was passed over or is odd, one note for each reason."""

    def __len__(self) -> int:
        """The number of operations."""
        return len(self.kinds)


class TraceError(ValueError):
    """The file is no trace, or a line in it is broken.  The message is a whole sentence.

    `name` is the file; `line` the line's number counted from 1, `text` the line itself (clipped)
    and `expected` what should have stood there, where one line is to blame (otherwise 0, "", "").
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
    """The error for one line that the grammar cannot read."""
    text = clip(raw)
    found = f"cannot read '{text}'" if raw else "the file ends here"
    message = f"{name}, line {line}: {found}; expected {expected}"
    return TraceError(message, name=name, line=line, text=text, expected=expected)


def clip(raw: bytes) -> str:
    """A line as a message may repeat it: printable, and not longer than `CLIPPED` characters."""
    text = raw[: 4 * CLIPPED + 4].decode("utf-8", "backslashreplace").rstrip()
    plain = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return plain if len(plain) <= CLIPPED else plain[: CLIPPED - 3] + "..."
