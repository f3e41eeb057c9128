"""From a file to a trace: fetch the bytes, unpack them, tell the grammar by looking at them.

Names of files lie, so the content decides: gzip by its first two bytes, the grammar by a line that
looks like one of its own.  That line may be a broken one: the reader for the grammar then says what
is wrong with it, which helps more than "this is not a trace".
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
"""The most bytes of text that are read: more would fill the memory before it were parsed."""

HEAD = 4096
"""How many bytes are looked at before the rest is read."""

PIECE = 2**20
"""How many bytes are read at a time."""

GZIP = b"\x1f\x8b"
UTF8_MARK = b"\xef\xbb\xbf"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class Grammar(Protocol):
    """What the module of a grammar must have."""

    FORMAT: str
    """What the grammar is called."""
    LOOKS_LIKE: re.Pattern[bytes]
    """Found in any text of this grammar, even where a line of it is broken."""

    def operations(self, source: Source, /) -> Iterator[Operation]:
        """The operations in `source`."""


GRAMMARS: tuple[Grammar, ...] = (wee_alloc, rep, script)
"""The most telling first: a wee_alloc trace may hold lines of any other kind."""

EXPECTED = (
    "expected a CS:APP .rep (four whole numbers, then 'a 0 64'), a CS107 script ('a 0 64', 'f 0') "
    "or a wee_alloc trace ('Alloc(64),', 'Free(0),'), plain or under gzip"
)


def read(file: str | os.PathLike[str] | BinaryIO, name: str | None = None) -> Trace:
    """Read a trace from a path or an open binary file; `name` is what messages call it.

    Raises `TraceError` if and only if the bytes are no trace that can be read, and the `OSError` of
    the system if they cannot be had.  O(n) in time and memory.
    """
    if isinstance(file, (str, os.PathLike)):
        with open(file, "rb") as stream:
            return parse(stream, name or os.fspath(file))
    return parse(file, name or "standard input")


def parse(stream: BinaryIO, name: str) -> Trace:
    """The trace that `stream` holds."""
    source = Source(name, fetch(stream, name))
    grammar = tell_apart(source)
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
    """What was packed by gzip; `TraceError` if the file is cut off or damaged."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as stream:
            return read_all(stream, name)
    except EOFError:
        raise refusal(name, "is a gzip file that was cut off; expected it whole") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise refusal(name, f"is a damaged gzip file ({error}); expected a sound one") from None


def read_all(stream: BinaryIO | gzip.GzipFile, name: str, head: bytes = b"") -> bytes:
    """`head` and all that is left in `stream`; `TraceError` if it is more than `LARGEST_TEXT`."""
    text = bytearray(head)
    while piece := stream.read(PIECE):
        text += piece
        if len(text) > LARGEST_TEXT:
            raise refusal(name, f"has over {LARGEST_TEXT:,} bytes of text; expected fewer")
    return bytes(text)


def require_text(head: bytes, name: str) -> None:
    """`TraceError` unless the file may be text, judged by its first bytes."""
    if not head:
        raise refusal(name, f"is empty; {EXPECTED}")
    if head.startswith(UTF16_MARKS):
        raise refusal(name, "is UTF-16 text; expected ASCII or UTF-8: save it as that")
    if b"\0" in head:
        raise refusal(name, f"is a binary file; {EXPECTED}")


def tell_apart(source: Source) -> Grammar:
    """The first grammar that some line looks like; `TraceError` if there is none."""
    for grammar in GRAMMARS:
        if grammar.LOOKS_LIKE.search(source.text):
            return grammar
    first = clip(source.text.lstrip().partition(b"\n")[0])
    why = f"it begins with '{first}'" if first else "it is blank"
    raise refusal(source.name, f"is not a trace ({why}); {EXPECTED}")


def refusal(name: str, what: str) -> TraceError:
    """The error for a file that is bad as a whole."""
    return TraceError(f"{name} {what}", name=name)
