"""Recordings written and unpacked in Python, by the drawings in cpp/trace: another hand than C++'s.

The frames that this writes are not packed, which a reader must accept.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MALLOC, REALLOC, FREE, FAILED_MALLOC, FAILED_REALLOC, FAILED_PART = range(6)
WITHOUT_ADDRESS = (FAILED_MALLOC, FAILED_PART)
TAG, FACT, RESET = range(3)
MARK = 7
HAS_TIMES, HAS_END = 1, 2
OPEN_CAPACITY = 2**14 - 64
WORD = 2**64


class Call(NamedTuple):
    """An event of a recording."""

    kind: int
    address: int = 0
    size: int = 0
    result: int = 0
    align: int = 0
    tag: int = 0
    thread: int = 0
    time: int = 0


class Mark(NamedTuple):
    """A mark of a recording."""

    kind: int
    number: int = 0
    text: bytes = b""


def varint(number: int) -> bytes:
    """A whole number below 2**64."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def folded(difference: int) -> bytes:
    """A difference, modulo 2**64."""
    difference %= WORD
    signed = difference - WORD if difference >= WORD // 2 else difference
    return varint(2 * signed if signed >= 0 else -2 * signed - 1)


def coded(items: Iterable[Call | Mark], shift: int = 0) -> bytes:
    """The bytes of one frame."""
    out = bytearray()
    address = thread = time = 0
    for item in items:
        if isinstance(item, Mark):
            out += bytes([MARK, item.kind]) + varint(item.number)
            out += varint(len(item.text)) + item.text
            continue
        ticks = (item.time - time) % WORD
        head = item.kind | bool(item.align) << 3 | bool(item.tag) << 4
        head |= (item.thread != thread) << 5 | min(ticks, 3) << 6
        out.append(head)
        out += bytes([item.align.bit_length() - 1]) if item.align else b""
        out += varint(item.tag) if item.tag else b""
        out += varint(item.thread) if item.thread != thread else b""
        out += varint(ticks) if ticks >= 3 else b""
        thread, time = item.thread, item.time
        addresses = [] if item.kind in WITHOUT_ADDRESS else [item.address]
        addresses += [item.result] if item.kind == REALLOC else []
        for one in addresses:
            out += folded((one >> shift) - address)
            address = one >> shift
        out += varint(item.size) if item.kind != FREE else b""
    return bytes(out)


def header(
    *,
    version: int = 1,
    flags: int = HAS_TIMES,
    shift: int = 0,
    capacity: int = 0,
    ending: int = 0,
    opened: int = 0,
    sealed: bytes = b"",
) -> bytes:
    """The header of a file; `opened` is the word of the open block, which begins with `sealed`."""
    fields = (version, flags, 1000, shift, capacity, ending, opened, 1, 4711)
    seal = struct.pack("<2I", zlib.crc32(sealed), len(sealed))
    return b"\x89GHT\r\n\x1a\n" + struct.pack("<6I3Q", *fields) + seal


def frame(number: int, plain: bytes) -> bytes:
    """A frame that is not packed."""
    length = len(plain)
    return b"GHFR" + struct.pack("<4I", number, length, length, zlib.crc32(plain)) + plain


def recording(
    frames: Sequence[Sequence[Call | Mark]],
    open_block: Sequence[Call | Mark] | None = None,
    *,
    shift: int = 0,
    sealed: int | None = None,
    ending: int = 0,
) -> bytes:
    """A whole file: with an open block, as a recorder writes it, or as a stream.

    The first `sealed` bytes of the open block have a checksum, by default all.
    """
    bodies = b"".join(frame(n, coded(items, shift)) for n, items in enumerate(frames))
    if open_block is None:
        last = frame(len(frames), b"")
        return header(shift=shift, flags=HAS_TIMES | HAS_END) + bodies + last
    block = coded(open_block, shift)
    word = len(frames) << 32 | len(block)
    seal = block[:sealed]
    first = header(shift=shift, capacity=OPEN_CAPACITY, ending=ending, opened=word, sealed=seal)
    return first + block.ljust(OPEN_CAPACITY, b"\0") + bodies


def unpacked(block: bytes) -> bytes:
    """The content of a packed block, by the description of LZ4's block format."""
    out = bytearray()
    at = 0

    def length_of(start: int) -> int:
        nonlocal at
        total = start
        while start == 15 or block[at - 1] == 255:
            start = 0
            total += block[at]
            at += 1
        return total

    while at < len(block):
        token = block[at]
        at += 1
        literals = token >> 4
        if literals == 15:
            literals = length_of(15)
        out += block[at : at + literals]
        at += literals
        if at == len(block):
            return bytes(out)
        offset = block[at] | block[at + 1] << 8
        at += 2
        match = token & 15
        if match == 15:
            match = length_of(15)
        assert 0 < offset <= len(out)
        for _ in range(match + 4):
            out.append(out[-offset])
    raise AssertionError("the block ends with a match")


def frames_of(file: bytes) -> Iterator[bytes]:
    """The unpacked frames of a stream, each with the right number and checksum."""
    at = 64
    number = 0
    while at < len(file):
        found, packed, plain, checksum = struct.unpack_from("<4I", file, at + 4)
        body = file[at + 20 : at + 20 + packed]
        assert file[at : at + 4] == b"GHFR"
        assert (found, checksum) == (number, zlib.crc32(body))
        content = body if packed == plain else unpacked(body)
        assert len(content) == plain
        yield content
        at += 20 + packed
        number += 1
