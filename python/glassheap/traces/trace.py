"""The trace as read from a file, the notes about it, and the error for an invalid file.

A trace may have more than a million operations, which a loop in C++ executes.  So it is stored as
parallel arrays, not as a list of objects.  Kind, id, size and line take 21 bytes an operation, and
C++ reads them without a copy.  The columns that few formats know take nothing in the others.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import NamedTuple

MALLOC, REALLOC, FREE = 0, 1, 2
"""The kinds of operation in `Columns.kinds`."""

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

    def add(self, reason: str, line: int, *, misuse: bool = False, count: int = 1) -> None:
        """Count `count` more occurrences of `reason`, of which the first is on `line`."""
        if count:
            old = self._notes.get(reason, Note(reason, 0, line, misuse))
            self._notes[reason] = old._replace(lines=old.lines + count)

    def all(self) -> tuple[Note, ...]:
        """All notes so far, in order of their first occurrence."""
        return tuple(self._notes.values())


class Refused(NamedTuple):
    """A request that failed in the recorded program, so that it is no operation of the trace."""

    position: int
    """The number of operations before it."""
    line: int
    """Its line in the file."""
    kind: int
    """`MALLOC`, or `REALLOC` of a block that stayed as it was."""
    size: int
    """The bytes requested."""
    align: int
    """The alignment requested, in bytes; 0 if the file does not state it."""
    tag: str
    """Its tag; "" if it has none."""
    thread: int
    """The thread that requested it; 0 if the file does not state it."""
    time: int | None
    """Nanoseconds after the first time in the file; None if the file does not state it."""
    block: int | None = None
    """The id of the block that a `REALLOC` was to resize; None for a `MALLOC`, and if the file does
    not have the block."""
    is_part: bool = False
    """True for a size of a batch that failed, before the size that found no place: that is one of
    the next requests, at the same position."""


def numbers_32() -> array[int]:
    """An empty column of whole numbers below 2**32."""
    return array("I")


def numbers_64() -> array[int]:
    """An empty column of whole numbers below 2**64."""
    return array("Q")


def signed_64() -> array[int]:
    """An empty column of whole numbers from -2**63 to 2**63 - 1."""
    return array("q")


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Operations in order: arrays with one entry for each operation.

    Ids are numbered from 0 without gaps, and the id of a freed block is used again.  For any file,
    a malloc has an id that is not live, and a realloc or a free has one that is.  Sizes are in
    bytes, 0 to 2**64 - 1, and 0 for every free.

    `aligns`, `tags`, `threads` and `times` are empty if the file says nothing of them.
    """

    kinds: bytearray = field(default_factory=bytearray)
    """`MALLOC`, `REALLOC` or `FREE`."""
    ids: array[int] = field(default_factory=numbers_32)
    """The ids of the blocks."""
    sizes: array[int] = field(default_factory=numbers_64)
    """The bytes requested."""
    lines: array[int] = field(default_factory=numbers_64)
    """The lines in the file, counted from 1."""
    aligns: array[int] = field(default_factory=numbers_64)
    """The alignments requested, powers of two in bytes; 0 if none was."""
    tags: array[int] = field(default_factory=numbers_32)
    """The tags: indices into `Trace.tag_names`."""
    threads: array[int] = field(default_factory=numbers_64)
    """The threads, by their numbers in the file; 0 if it states none."""
    times: array[int] = field(default_factory=signed_64)
    """Nanoseconds after the first time in the file."""
    refused: list[Refused] = field(default_factory=list)
    """The requests that failed in the recorded program, in order."""

    def __len__(self) -> int:
        """The number of operations."""
        return len(self.kinds)

    def extend(self, more: Columns) -> None:
        """Append the operations of `more`."""
        old = len(self)
        for name in REQUIRED:
            getattr(self, name).extend(getattr(more, name))
        for name in OPTIONAL:
            if added := getattr(more, name):
                pad(getattr(self, name), old).extend(added)
        self.refused.extend(more.refused)

    def complete(self) -> None:
        """Give the optional columns that have entries one for each operation."""
        for name in OPTIONAL:
            if entries := getattr(self, name):
                pad(entries, len(self))


REQUIRED = ("kinds", "ids", "sizes", "lines")
OPTIONAL = ("aligns", "tags", "threads", "times")


def pad(entries: array[int], length: int) -> array[int]:
    """`entries`, with zeros appended up to this length."""
    entries.frombytes(bytes(entries.itemsize * (length - len(entries))))
    return entries


@dataclass(frozen=True, kw_only=True)
class Trace(Columns):
    """A program's allocations, in order, in a form that can be replayed."""

    name: str
    """The name of the source in messages."""
    format: str
    """The name of the grammar."""
    id_count: int
    """The number of ids: the maximum of the blocks live at a time."""
    peak_live: int
    """The maximum of the bytes requested in live blocks."""
    tag_names: tuple[str, ...]
    """The tags by their indices; the first is "", for operations without a tag."""
    skipped: tuple[Note, ...]
    """The oddities of the file, one note for each reason."""
    facts: tuple[str, ...] = ()
    """What the file says of itself: "command=python3 app.py", for example."""


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


def file_error(name: str, message: str) -> TraceError:
    """The error for a whole file, not for one line; the message follows the file's name."""
    return TraceError(f"{name} {message}", name=name)


def clip(raw: bytes) -> str:
    """A line for a message: printable, and at most `CLIPPED` characters long."""
    text = raw[: 4 * CLIPPED + 4].decode("utf-8", "backslashreplace").rstrip()
    plain = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return plain if len(plain) <= CLIPPED else plain[: CLIPPED - 3] + "..."
