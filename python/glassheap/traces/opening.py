"""From a file to a trace: reads the bytes, unpacks them, and detects their grammar.

File names are unreliable, so the content decides: gzip is detected by its first two bytes, a
grammar by a line that resembles its own.  Such a line may be broken.  Then the reader of the
grammar reports the error, which is more helpful than "this is not a trace".
"""

from __future__ import annotations

import gzip
import io
import os
import zlib
from typing import TYPE_CHECKING, BinaryIO, Protocol

from glassheap.traces import rep, script, wee_alloc
from glassheap.traces.normalising import normalise
from glassheap.traces.source import Source
from glassheap.traces.trace import Trace, TraceError, clip

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

    from glassheap.traces.source import Operation

LARGEST_TEXT = 2**30
"""The maximum size of the text in bytes: more would fill the memory before it was parsed."""

HEAD = 4096
"""The number of bytes that are checked before the rest is read."""

PIECE = 2**20
"""The number of bytes read at a time."""

GZIP = b"\x1f\x8b"
UTF8_MARK = b"\xef\xbb\xbf"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class Grammar(Protocol):
    """The interface of a grammar's module."""

    FORMAT: str
    """The name of the grammar."""
    LOOKS_LIKE: re.Pattern[bytes]
    """A pattern found in every text of this grammar, even if some lines are broken."""

    def operations(self, source: Source, /) -> Iterator[Operation]:
        """The operations in `source`."""


GRAMMARS: tuple[Grammar, ...] = (wee_alloc, rep, script)
"""The most specific first: a wee_alloc trace may contain lines of any other kind."""

EXPECTED = (
    "expected a CS:APP .rep (four whole numbers, then 'a 0 64'), a CS107 script ('a 0 64', 'f 0') "
    "or a wee_alloc trace ('Alloc(64),', 'Free(0),'), plain or under gzip"
)


def read(file: str | os.PathLike[str] | BinaryIO, name: str | None = None) -> Trace:
    """Read a trace from a path or an open binary file; `name` is its name in messages.

    Raises `TraceError` if and only if the bytes are not a valid trace, and the system's `OSError`
    if they cannot be read.  O(n) in time and memory.
    """
    if isinstance(file, (str, os.PathLike)):
        with open(file, "rb") as stream:
            return parse(stream, name or os.fspath(file))
    return parse(file, name or "standard input")


def parse(stream: BinaryIO, name: str) -> Trace:
    """The trace in `stream`."""
    source = Source(name, fetch(stream, name))
    grammar = detect_grammar(source)
    return normalise(name, grammar.FORMAT, grammar.operations(source), source.notes)


def fetch(stream: BinaryIO, name: str) -> bytes:
    """All the text in `stream`, unpacked, without a byte-order mark."""
    head = stream.read(HEAD)
    if head.startswith(GZIP):
        text = unpack(read_all(stream, name, head), name)
    else:
        require_text(head, name)
        text = read_all(stream, name, head)
    require_text(text[:HEAD], name)
    return text.removeprefix(UTF8_MARK)


def unpack(packed: bytes, name: str) -> bytes:
    """The content of a gzip file; `TraceError` if the file is truncated or damaged."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as stream:
            return read_all(stream, name)
    except EOFError:
        raise file_error(name, "is a truncated gzip file; expected a complete one") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        message = f"is a damaged gzip file ({error}); expected an intact one"
        raise file_error(name, message) from None


def read_all(stream: BinaryIO | gzip.GzipFile, name: str, head: bytes = b"") -> bytes:
    """`head` and the rest of `stream`; `TraceError` if they have more than `LARGEST_TEXT` bytes."""
    text = bytearray(head)
    while piece := stream.read(PIECE):
        text += piece
        if len(text) > LARGEST_TEXT:
            raise file_error(name, f"has over {LARGEST_TEXT:,} bytes of text; expected fewer")
    return bytes(text)


def require_text(head: bytes, name: str) -> None:
    """`TraceError` if the first bytes of the file are not text."""
    if not head:
        raise file_error(name, f"is empty; {EXPECTED}")
    if head.startswith(UTF16_MARKS):
        raise file_error(name, "is UTF-16 text; expected ASCII or UTF-8: save it in UTF-8")
    if b"\0" in head:
        raise file_error(name, f"is a binary file; {EXPECTED}")


def detect_grammar(source: Source) -> Grammar:
    """The first grammar whose pattern is found; `TraceError` if there is none."""
    for grammar in GRAMMARS:
        if grammar.LOOKS_LIKE.search(source.text):
            return grammar
    first = clip(source.text.lstrip().partition(b"\n")[0])
    why = f"it begins with '{first}'" if first else "it is blank"
    raise file_error(source.name, f"is not a trace ({why}); {EXPECTED}")


def file_error(name: str, message: str) -> TraceError:
    """The error for a whole file, not for one line; the message follows the file's name."""
    return TraceError(f"{name} {message}", name=name)
