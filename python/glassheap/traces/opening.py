"""From a file to a trace: reads the bytes, unpacks them, and detects their grammar.

A trace is read a batch of operations at a time, and a file a piece of bytes at a time, so a trace
of any length can be streamed in little memory.  gzip is detected by its first two bytes.
"""

from __future__ import annotations

import gzip
import io
import os
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

from glassheap.traces.grammars import detect, expected, reader_of
from glassheap.traces.source import LARGEST_TEXT, PIECE, Source
from glassheap.traces.trace import Columns, Trace, file_error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glassheap.traces.trace import Note

GZIP = b"\x1f\x8b"
UTF8_MARK = b"\xef\xbb\xbf"


class Stream:
    """A trace that is read while it is iterated over, in batches of operations.

    The properties hold for the operations read so far.  Iterate once.
    """

    def __init__(self, stream: BinaryIO, name: str, limit: int | None = None) -> None:
        """Detect the grammar of the bytes in `stream`, at most `limit` after unpacking."""
        text = unpacked(stream, name, limit)
        head = text.peek()
        if not head:
            raise file_error(name, f"is empty; {expected()}")
        if head.startswith(UTF8_MARK):
            head = head.removeprefix(text.read(len(UTF8_MARK)))
        grammar = detect(head, name)
        self.name = name
        self.format = grammar.FORMAT
        self._source = Source(name, text)
        self._reader = reader_of(grammar, self._source)
        self._batches = self._reader.batches()

    def __iter__(self) -> Iterator[Columns]:
        """The operations in batches.  Raises `TraceError` at the first broken line."""
        return self._batches

    @property
    def id_count(self) -> int:
        """The number of ids: the maximum of the blocks live at a time."""
        return self._reader.id_count

    @property
    def peak_live(self) -> int:
        """The maximum of the bytes requested in live blocks."""
        return self._reader.peak_live

    @property
    def tag_names(self) -> tuple[str, ...]:
        """The tags by their indices; the first is ""."""
        return self._reader.tag_names

    @property
    def skipped(self) -> tuple[Note, ...]:
        """The oddities of the file, one note for each reason."""
        return self._source.notes.all()

    @property
    def facts(self) -> tuple[str, ...]:
        """What the file says of itself: "command=python3 app.py", for example."""
        return self._reader.facts

    def collect(self) -> Trace:
        """The whole trace."""
        whole = Columns()
        for batch in self:
            whole.extend(batch)
        whole.complete()
        return Trace(
            **vars(whole),
            name=self.name,
            format=self.format,
            id_count=self.id_count,
            peak_live=self.peak_live,
            tag_names=self.tag_names,
            skipped=self.skipped,
            facts=self.facts,
        )


def read(file: str | os.PathLike[str] | BinaryIO, name: str | None = None) -> Trace:
    """Read a trace from a path or an open binary file; `name` is its name in messages.

    Raises `TraceError` if and only if the bytes are not a valid trace, and the system's `OSError`
    if they cannot be read.  O(n) in time and memory.
    """
    with stream(file, name, limit=LARGEST_TEXT) as batches:
        return batches.collect()


@contextmanager
def stream(
    file: str | os.PathLike[str] | BinaryIO, name: str | None = None, *, limit: int | None = None
) -> Iterator[Stream]:
    """Open a trace, to be read in batches; it is closed at the end of the `with` block.

    Raises as `read` does.  A batch takes O(1) memory, and the names of the blocks O(1) each.
    """
    if isinstance(file, (str, os.PathLike)):
        with open(file, "rb") as opened:
            yield Stream(opened, name or os.fspath(file), limit)
    else:
        yield Stream(file, name or "standard input", limit)


def unpacked(stream: BinaryIO, name: str, limit: int | None) -> io.BufferedReader:
    """The content of `stream`, unpacked if it is under gzip."""
    packed = buffered(Pieces(stream, name, limit))
    if not packed.peek().startswith(GZIP):
        return packed
    return buffered(Pieces(cast("BinaryIO", gzip.GzipFile(fileobj=packed)), name, limit))


def buffered(pieces: Pieces) -> io.BufferedReader:
    """A reader of `pieces`, whose `peek` gives up to `PIECE` bytes."""
    return io.BufferedReader(pieces, PIECE)


class Pieces(io.RawIOBase):
    """The bytes of a stream, of which there is a limit; the errors of gzip become sentences."""

    def __init__(self, stream: BinaryIO, name: str, limit: int | None) -> None:
        self._stream = stream
        self._name = name
        self._limit = limit
        self._total = 0

    def readable(self) -> bool:
        """True: the base class would refuse to read otherwise."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer; fewer bytes only at the end of the stream."""
        piece = self._read(len(buffer))
        self._total += len(piece)
        if self._limit is not None and self._total > self._limit:
            raise file_error(self._name, f"has over {self._limit:,} bytes of text; expected fewer")
        buffer[: len(piece)] = piece
        return len(piece)

    def _read(self, count: int) -> bytes:
        try:
            return self._stream.read(count)
        except EOFError:
            message = "is a truncated gzip file; expected a complete one"
            raise file_error(self._name, message) from None
        except (gzip.BadGzipFile, zlib.error) as error:
            message = f"is a damaged gzip file ({error}); expected an intact one"
            raise file_error(self._name, message) from None
        except OSError as error:
            raise OSError(error.errno, error.strerror or str(error), self._name) from None
