"""Traces in the formats that can be written.

    recording   glassheap recording    loses nothing
    script      CS107 script           loses the details
    rep         CS:APP .rep            the same, behind a header
    wee_alloc   wee_alloc trace        has no realloc: an allocation, and then a free
    ostep       OSTEP list             the same, on one line

The others have no room for alignments, tags, threads, times, and requests that failed.  What is
lost is noted by its reason, as are the oddities of a trace that is read.
"""

from __future__ import annotations

import shutil
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, BinaryIO

from glassheap.traces.recording_writer import RecordingWriter
from glassheap.traces.trace import FREE, LARGEST_SIZE, OPTIONAL, REALLOC, Columns, Notes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from glassheap.traces.opening import Stream
    from glassheap.traces.trace import Note

LETTERS = (b"a %d %d\n", b"r %d %d\n", b"f %d\n")
"""The lines of the operations, by their kinds."""

LOST = {
    "aligns": "alignment, for which the format has no room",
    "tags": "tag, for which the format has no room",
    "threads": "thread, for which the format has no room",
    "times": "time, for which the format has no room",
}
REFUSED = "request that failed in the program, which the format cannot tell"
NO_REALLOC = "realloc, written as an allocation and a free"

REP_WEIGHT = 1
"""The last number of the header, by which a lab's graders weight a trace."""


class Writing:
    """The number of operations written, and what the format lost."""

    def __init__(self, stream: Stream) -> None:
        self.written = 0
        self.notes = Notes()
        self._stream = stream

    def whole(self) -> Iterator[Columns]:
        """The batches of the trace, for a format that loses nothing."""
        for batch in self._stream:
            self.written += len(batch)
            yield batch

    def __iter__(self) -> Iterator[Columns]:
        """The batches of the trace, for a format of the labs; what is lost is noted."""
        for batch in self.whole():
            self._note_details(batch)
            yield batch

    def _note_details(self, batch: Columns) -> None:
        for name in OPTIONAL:
            for line, value in zip(batch.lines, getattr(batch, name), strict=False):
                if value:
                    self.notes.add(LOST[name], line)
        for refused in batch.refused:
            self.notes.add(REFUSED, refused.line)


def write(stream: Stream, out: BinaryIO, form: str) -> tuple[int, tuple[Note, ...]]:
    """Write the trace in a format of `WRITERS`; return its operations, and what was lost.

    Raises what reading `stream` and writing to `out` raise.  O(n) in time; a batch is in memory.
    """
    writing = Writing(stream)
    WRITERS[form](stream, writing, out)
    return writing.written, writing.notes.all()


def write_recording(stream: Stream, writing: Writing, out: BinaryIO) -> None:
    """A recording of glassheap."""
    recording = RecordingWriter()
    for batch in writing.whole():
        recording.put(batch, stream.tag_names, stream.facts)
        out.write(recording.take())
    out.write(recording.end())


def write_script(_: Stream, writing: Writing, out: BinaryIO) -> None:
    """A CS107 script."""
    for batch in writing:
        out.writelines(letters(batch))


def write_rep(stream: Stream, writing: Writing, out: BinaryIO) -> None:
    """A CS:APP .rep.  Its header has totals, so the operations wait in a temporary file."""
    with TemporaryFile() as body:
        write_script(stream, writing, body)
        header = min(stream.peak_live, LARGEST_SIZE), stream.id_count, writing.written, REP_WEIGHT
        out.write(b"%d\n%d\n%d\n%d\n" % header)
        body.seek(0)
        shutil.copyfileobj(body, out)


def letters(batch: Columns) -> Iterator[bytes]:
    """The operations as lines of the labs."""
    for kind, block, size in zip(batch.kinds, batch.ids, batch.sizes, strict=True):
        yield LETTERS[kind] % ((block,) if kind == FREE else (block, size))


def write_wee_alloc(_: Stream, writing: Writing, out: BinaryIO) -> None:
    """A wee_alloc trace."""
    out.writelines(numbered(writing, b"Alloc(%d),\n", b"Free(%d),\n"))


def write_ostep(_: Stream, writing: Writing, out: BinaryIO) -> None:
    """An OSTEP list."""
    comma = b""
    for entry in numbered(writing, b"+%d", b"-%d"):
        out.write(comma + entry)
        comma = b","
    out.write(b"\n")


def numbered(writing: Writing, allocation: bytes, free: bytes) -> Iterator[bytes]:
    """The operations in a format in which a free names the number of an allocation."""
    count = 0
    numbers: dict[int, int] = {}  # the number of the allocation of each live id
    for batch in writing:
        for kind, block, size, line in zip(
            batch.kinds, batch.ids, batch.sizes, batch.lines, strict=True
        ):
            old = numbers.pop(block, None)
            if kind == REALLOC:
                writing.notes.add(NO_REALLOC, line)
            if kind != FREE:
                yield allocation % size
                numbers[block] = count
                count += 1
            if old is not None:
                yield free % old


WRITERS: dict[str, Callable[[Stream, Writing, BinaryIO], None]] = {
    "recording": write_recording,
    "script": write_script,
    "rep": write_rep,
    "wee_alloc": write_wee_alloc,
    "ostep": write_ostep,
}
"""To add a format, add its writer here."""
