"""The calls in a recording, as they were added: by the drawings in cpp/trace, and in Python."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from recording_oracle import (
    FACT,
    FREE,
    MARK,
    OPEN_CAPACITY,
    REALLOC,
    RESET,
    TAG,
    WITHOUT_ADDRESS,
    WORD,
    frames_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = ("malloc", "realloc", "free", "failed malloc", "failed realloc", "failed part")


class Made(NamedTuple):
    """A call that was recorded."""

    kind: str
    address: int = 0
    size: int = 0
    result: int = 0
    align: int = 0
    tag: str = ""
    thread: int = 0
    time: int = 0

    def brief(self) -> tuple[str, int, int]:
        """What it was, its block or the block's new place, and the size."""
        return self.kind, self.result or self.address, self.size


class Bytes:
    """Reads a frame."""

    def __init__(self, block: bytes) -> None:
        self.block, self.at = block, 0
        self.address = self.thread = self.time = 0

    def byte(self) -> int:
        self.at += 1
        return self.block[self.at - 1]

    def varint(self) -> int:
        number = shift = 0
        while (byte := self.byte()) >= 0x80:
            number |= (byte & 0x7F) << shift
            shift += 7
        return number | byte << shift

    def text(self) -> str:
        length = self.varint()
        self.at += length
        return self.block[self.at - length : self.at].decode()

    def place(self, shift: int) -> int:
        folded = self.varint()
        self.address = (self.address + (folded >> 1 ^ -(folded & 1))) % WORD
        return self.address << shift


class Recorded:
    """A file that a recorder has written."""

    def __init__(self, path: Path) -> None:
        file = path.read_bytes()
        (self.shift,) = struct.unpack_from("<I", file, 20)
        length, number = struct.unpack_from("<II", file, 32)
        self.facts: dict[str, str] = {}
        self.calls: list[Made] = []
        self.resets: list[int] = []
        self._tags = {0: ""}
        frames = [*frames_of(file[:64] + file[64 + OPEN_CAPACITY :])]
        if number == len(frames):
            frames.append(file[64 : 64 + length])
        for frame in frames:
            self.calls.extend(self._calls(Bytes(frame)))

    def _calls(self, frame: Bytes) -> Iterator[Made]:
        while frame.at < len(frame.block):
            head = frame.byte()
            if head & 7 == MARK:
                self._mark(frame)
            else:
                yield self._call(frame, head)

    def _mark(self, frame: Bytes) -> None:
        kind, number, text = frame.byte(), frame.varint(), frame.text()
        if kind == TAG:
            self._tags[number] = text
        elif kind == FACT:
            key, _, value = text.partition("=")
            self.facts[key] = value
        else:
            assert kind == RESET
            self.resets.append(len(self.calls))

    def _call(self, frame: Bytes, head: int) -> Made:
        kind = head & 7
        align = 1 << frame.byte() if head & 8 else 0
        tag = self._tags[frame.varint() if head & 16 else 0]
        frame.thread = frame.varint() if head & 32 else frame.thread
        frame.time += ticks if (ticks := head >> 6) < 3 else frame.varint()
        address = 0 if kind in WITHOUT_ADDRESS else frame.place(self.shift)
        result = frame.place(self.shift) if kind == REALLOC else 0
        size = frame.varint() if kind != FREE else 0
        return Made(NAMES[kind], address, size, result, align, tag, frame.thread, frame.time)

    def brief(self) -> list[tuple[str, int, int]]:
        return [call.brief() for call in self.calls]
