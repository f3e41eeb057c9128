"""The recordings of glassheap: what `Heap(record=...)` and `glassheap record` write.

cpp/trace/layout.hpp draws the file:

    header | open block | frame | frame | ...

A program that is killed leaves the calls since the last frame in the open block.  What it was
writing at that moment may be cut off: then the open block still has the calls of that frame.

Every frame has a checksum.  The open block has one if its program ended by itself.  The number of
the open block is that of the frames before it, so frames that were cut off are counted.
"""

from __future__ import annotations

import re
import struct
import zlib
from array import array
from typing import TYPE_CHECKING, Any, NamedTuple

from glassheap._core import _TraceReader
from glassheap.traces.trace import Columns, Refused, file_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from glassheap.traces.source import Source

FORMAT = "glassheap recording"
EXAMPLE = "a recording of glassheap"
MAGIC = b"\x89GHT\r\n\x1a\n"
LOOKS_LIKE = re.compile(rb"\A\x89GHT")

VERSION = 1
HEADER = struct.Struct("<8s6I3Q2I")
FRAME = struct.Struct("<4s4I")
FRAME_MARK = b"GHFR"
LARGEST_FRAME = 2**14
"""The maximum of a frame's bytes, packed or not, and of the open block's."""

HAS_TIMES, HAS_END, OF_CHILD = 1, 2, 4
"""Flags in the header: calls have times; an empty frame ends the file; the file is that of another
process than the one that `glassheap record` started, or of what that one became."""

BATCH = 2**16
"""The number of operations from which a batch is handed out."""

UNKNOWN_FREED = "free of a block allocated before the recording, skipped"
UNKNOWN_RESIZED = "realloc of a block allocated before the recording, played as an allocation"
REUSED = "allocation at an address that is still live: its free was not recorded, and was added"
RESET = "reset of the heap, played as a free of each of its blocks"
ODDITIES = (UNKNOWN_FREED, UNKNOWN_RESIZED, REUSED, RESET)
CUT_OFF = "recording cut off"
DAMAGED = "damaged frame, skipped"
DAMAGED_OPEN = "damaged block of the last calls, skipped"
LOST = "damaged recording, whose rest was skipped"
MISSING = "frame that is missing"
MISPLACED = "frame with a wrong number, read all the same"
UNCHECKED = "call without a checksum, in a recording that was not closed"
ENDED_EARLY = "recording that ended early, and not its program"
EARLY = {
    1: "recording ended early: the disk was full",
    2: "recording ended early: the file had reached the limit of its size",
    3: "recording ended early: its program had closed the file",
}
"""The notes by the ending in the header; `ENDED_EARLY` is that of any other one but 0."""


class Header(NamedTuple):
    """The header of the file."""

    magic: bytes
    version: int
    flags: int
    tick: int
    shift: int
    open_capacity: int
    ending: int
    """Why the recording ended before its program; 0 if it did not."""
    open: int
    started: int
    process: int
    checksum: int
    sealed: int
    """The bytes of the open block that the checksum covers."""

    @property
    def open_length(self) -> int:
        """The number of bytes in the open block."""
        return self.open & 0xFFFF_FFFF

    @property
    def open_number(self) -> int:
        """The number of the frame that the open block will become."""
        return self.open >> 32


class Frame(NamedTuple):
    """The header of a frame."""

    mark: bytes
    number: int
    packed: int
    plain: int
    checksum: int


class Reader:
    """Reads the operations of a recording in batches."""

    def __init__(self, source: Source) -> None:
        self._source = source
        raw = source.stream.read(HEADER.size)
        self._header = checked(raw, source.name)
        self._raw = raw
        self._core = _TraceReader(raw)
        self._next = 0  # the number of the frame that is expected
        self._ended = not self._header.flags & HAS_END  # an empty frame was read, or is not due

    @property
    def id_count(self) -> int:
        """The number of ids: the maximum of the blocks live at a time."""
        return self._core.id_count

    @property
    def peak_live(self) -> int:
        """The maximum of the bytes requested in live blocks."""
        return self._core.peak_live

    @property
    def tag_names(self) -> tuple[str, ...]:
        """The tags by their indices; the first is ""."""
        return tuple(self._core.tag_names)

    @property
    def facts(self) -> tuple[str, ...]:
        """Lines of text about the recording: "command=python3 app.py", for example."""
        process = [f"process={self._header.process}"] if self._header.process else []
        return (*self._core.facts, *process)

    def batches(self) -> Iterator[Columns]:
        """The operations in batches; damage is noted.  O(n)."""
        open_block = self._source.stream.read(self._header.open_capacity)
        while self._read_frame():
            if self._core.waiting >= BATCH:
                yield self._take()
        self._read_open(open_block)
        self._note_ending()
        self._note_oddities()
        yield self._take()

    def _read_frame(self) -> bool:
        """Read a frame.  Returns False at the end, and where nothing more can be read."""
        raw = self._source.stream.read(FRAME.size)
        if not raw and self._ended:
            return self._note_missing()
        if len(raw) < FRAME.size:
            return self._note_end(CUT_OFF)
        frame = Frame(*FRAME.unpack(raw))
        if frame.mark != FRAME_MARK or max(frame.packed, frame.plain) > LARGEST_FRAME:
            return self._note_end(LOST)
        packed = self._source.stream.read(frame.packed)
        if len(packed) < frame.packed:
            return self._note_end(CUT_OFF)
        self._note_number(frame.number)
        self._ended = self._ended or not frame.plain
        if not self._core.add_frame(raw, packed):
            self._note(DAMAGED)
        return True

    def _note_number(self, number: int) -> None:
        """Note the frames that are missing before this one."""
        gap = number - self._next
        last = self._header.open_number if self._header.open_capacity else number
        if gap < 0 or (gap and number > last):
            self._note(MISPLACED)
            gap = 0
        self._note(MISSING, gap)
        self._next += gap + 1

    def _read_open(self, block: bytes) -> None:
        """Read the open block, unless it is a frame already."""
        header = self._header
        if header.open_number < self._next or not header.open_length:
            return
        sealed = block[: header.sealed]
        if header.open_length > len(block):
            self._note(CUT_OFF)
        elif sealed and zlib.crc32(sealed) != header.checksum:
            self._note(DAMAGED_OPEN)
        else:
            self._add_open(block[: header.open_length], sealed)

    def _add_open(self, block: bytes, sealed: bytes) -> None:
        """Read these bytes, of which the first ones have a checksum that holds."""
        part = _TraceReader(self._raw)
        part.add_open(sealed)
        first = self._core.events + part.events + 1
        whole = self._core.add_open(block)
        self._source.notes.add(UNCHECKED, first, count=self._core.events + 1 - first)
        if not whole:
            self._note(DAMAGED_OPEN)

    def _note_end(self, reason: str) -> bool:
        """Note why nothing more can be read.  A frame cut off is still in the open block."""
        kept = self._header.open_length and self._header.open_number == self._next
        if reason != CUT_OFF or not kept:
            self._note(reason)
        return reason == CUT_OFF and self._note_missing()

    def _note_missing(self) -> bool:
        """Note the frames that should follow, at the end of the file.  Returns False."""
        self._note(MISSING, max(self._header.open_number - self._next, 0))
        return False

    def _note_ending(self) -> None:
        if ending := self._header.ending:
            self._note(EARLY.get(ending, ENDED_EARLY))

    def _note(self, reason: str, count: int = 1) -> None:
        self._source.notes.add(reason, self._core.events + 1, count=count)

    def _note_oddities(self) -> None:
        for reason, (count, first) in zip(ODDITIES, self._core.oddities, strict=True):
            self._source.notes.add(reason, first, count=count)

    def _take(self) -> Columns:
        """The operations read since the last batch."""
        kinds, ids, sizes, lines, aligns, tags, threads, times, refused = self._core.take()
        names = self.tag_names if refused else ()
        return Columns(
            kinds=bytearray(kinds),
            ids=array("I", ids),
            sizes=array("Q", sizes),
            lines=array("Q", lines),
            aligns=array("Q", aligns),
            tags=array("I", tags),
            threads=array("Q", threads),
            times=array("q", times),
            refused=[self._refused(names, *one) for one in refused],
        )

    def _refused(
        self, names: Sequence[str], position: int, line: int, kind: int, *rest: Any
    ) -> Refused:
        size, align, tag, thread, time, block, is_part = rest
        when = time if self._header.flags & HAS_TIMES else None
        return Refused(position, line, kind, size, align, names[tag], thread, when, block, is_part)


def checked(raw: bytes, name: str) -> Header:
    """The header of a recording.  Raises `TraceError` if and only if it is none."""
    if len(raw) < HEADER.size:
        raise file_error(name, "is a recording cut off in its header; expected a longer one")
    if not raw.startswith(MAGIC):
        message = "was damaged by a program that converts line ends; expected a recording as it was"
        raise file_error(name, message)
    header = Header(*HEADER.unpack(raw))
    if header.version != VERSION:
        message = f"is a recording of version {header.version}; expected version {VERSION}"
        raise file_error(name, f"{message}: read it with the glassheap that wrote it")
    if header.open_capacity > LARGEST_FRAME or not header.tick or header.shift > 63:
        raise file_error(name, "is a recording with a damaged header; expected an intact one")
    return header
