"""The known grammars, and the detection of a file's own by its content.

File names are unreliable, so the content decides: a grammar is detected by a line that resembles
its own.  Such a line may be broken.  Then the reader of the grammar reports the error, which is
more helpful than "this is not a trace".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

from glassheap.traces import (
    ltrace,
    memory_replay,
    mtrace,
    ostep_list,
    recording,
    rep,
    rmm,
    script,
    torch_json,
    torch_pickle,
    umpire,
    valgrind,
    wee_alloc,
)
from glassheap.traces.normalising import Normaliser
from glassheap.traces.trace import clip, file_error

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

    from glassheap.traces.source import Operation, Source
    from glassheap.traces.trace import Columns


class Format(Protocol):
    """The interface of a format's module."""

    FORMAT: str
    """The name of the format."""
    EXAMPLE: str
    """The name with its article, and typical lines, for messages."""
    LOOKS_LIKE: re.Pattern[bytes]
    """A pattern found near the start of every file of this format, even if lines are broken."""


class Grammar(Format, Protocol):
    """The interface of a grammar's module, which reads a format line by line."""

    ADDRESSES: bool
    """True if a tool recorded a program, and a block's name is its address."""

    def operations(self, source: Source, /) -> Iterator[Operation]:
        """The operations in `source`."""


class Reader(Protocol):
    """Reads a file in batches of valid operations.  The properties hold for those read so far."""

    def batches(self) -> Iterator[Columns]:
        """The operations in batches."""
        ...

    @property
    def id_count(self) -> int:
        """The number of ids: the maximum of the blocks live at a time."""
        ...

    @property
    def peak_live(self) -> int:
        """The maximum of the bytes requested in live blocks."""
        ...

    @property
    def tag_names(self) -> tuple[str, ...]:
        """The tags by their indices; the first is ""."""
        ...

    @property
    def facts(self) -> tuple[str, ...]:
        """What the file says of itself."""
        ...


BINARY: tuple[Format, ...] = (recording, torch_pickle)
"""The formats of files that are no text."""

TEXT: tuple[Grammar, ...] = (
    torch_json,
    umpire,
    rmm,
    valgrind,
    memory_replay,
    mtrace,
    ltrace,
    wee_alloc,
    ostep_list,
    rep,
    script,
)
"""The most specific first: what tools record may contain lines of the program's own output."""


def expected() -> str:
    """The known formats, for the message about a file of none of them."""
    *others, last = [grammar.EXAMPLE for grammar in reversed((*BINARY, *TEXT))]
    return f"expected {', '.join(others)} or {last}, plain or under gzip"


UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
TEXT_HEAD = 4096
"""The number of bytes in which a NUL tells that the file is no text."""


def detect(head: bytes, name: str) -> Format:
    """The first format whose pattern is found in the first bytes of the file `name`.

    Raises `TraceError` if and only if there is none.
    """
    for grammar in BINARY:
        if grammar.LOOKS_LIKE.search(head):
            return grammar
    require_text(head, name)
    for grammar in TEXT:
        if grammar.LOOKS_LIKE.search(head):
            return grammar
    first = clip(head.lstrip().partition(b"\n")[0])
    why = f"it begins with '{first}'" if first else "it is blank"
    raise file_error(name, f"is not a trace ({why}); {expected()}")


def require_text(head: bytes, name: str) -> None:
    """Raises `TraceError` if and only if the first bytes of the file are not text."""
    if head.startswith(UTF16_MARKS):
        raise file_error(name, "is UTF-16 text; expected ASCII or UTF-8: save it in UTF-8")
    if b"\0" in head[:TEXT_HEAD]:
        raise file_error(name, f"is a binary file; {expected()}")


def reader_of(form: Format, source: Source) -> Reader:
    """The reader of a file in this format."""
    if form is recording:
        return recording.Reader(source)
    grammar = cast("Grammar", form)
    return Normaliser(grammar.operations(source), source.notes, addresses=grammar.ADDRESSES)
