"""The csv log of RMM's logging_resource_adaptor.

    Thread,Time,Action,Pointer,Size,Stream
    2342727,15:47:02.841961,allocate,0x10012400000,1048576,0x0
    2342727,15:47:02.841977,free,0x10012400000,1048576,0x0
    2342727,15:47:03.000001,allocate failure,0x0,17179869184,0x0

Some versions write addresses without `0x`, the time as seconds since 1970, or no first line.  The
stream is the tag.  The times have no date: a step back by more than half a day is midnight.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from glassheap.traces.calls import allocation, release
from glassheap.traces.source import Cache, Details, Numbers, Operation, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT = "RMM log"
EXAMPLE = "an RMM log"
ADDRESSES = True

TIME = rb"((?:[0-9]{1,2}:[0-9]{2}:)?[0-9]{1,10})\.([0-9]{1,9})"
ACTION = rb"(allocate|allocate failure|free|deallocate)"
HEADER = re.compile(rb"Thread,Time,Action,Pointer,Size,Stream\s*|\s*")
LOOKS_LIKE = re.compile(
    rb"^(?:Thread,Time,Action,|[0-9]+," + TIME + rb"," + ACTION + rb",)", re.MULTILINE
)
ROW = re.compile(
    rb"([0-9]{1,19})," + TIME + rb"," + ACTION + rb","
    rb"(?:0x)?([0-9A-Fa-f]{1,16}|\(nil\)),([0-9]{1,20}),([^,\r\n]{0,64})\s*"
)

SECOND = 10**9
DAY = 24 * 3600 * SECOND
GARBLED = "garbled or cut-off row, skipped"


def operations(source: Source) -> Iterator[Operation]:
    """The operations in the log; garbled rows are noted."""
    numbers, seconds, details = Numbers(), Cache(seconds_of), Cache(details_of)
    days = before = 0
    for number, line in enumerate(source.lines(), 1):
        match = ROW.fullmatch(line)
        if match is None:
            if not HEADER.fullmatch(line):
                source.notes.add(GARBLED, number)
            continue
        thread, clock, fraction, action, pointer, size, stream = match.groups()
        time = seconds[clock] * SECOND + int(fraction.ljust(9, b"0"))
        if time < before - DAY // 2:
            days += DAY
        before = time
        address = 0 if pointer == b"(nil)" else int(pointer, 16)
        said = details[thread, stream]
        try:
            yield operation(number, action, address, numbers[size], said, time + days)
        except ValueError:
            source.notes.add(GARBLED, number)


def operation(
    number: int, action: bytes, address: int, size: int, details: Details, time: int
) -> Operation:
    """The operation of a row."""
    if action == b"allocate":
        return allocation(number, address, size, details, time)
    if action == b"allocate failure":
        return allocation(number, 0, size, details, time)
    return release(number, address, details, time)


def details_of(words: tuple[bytes, bytes]) -> Details:
    """Thread and stream."""
    thread, stream = words
    return Details(tag=stream.decode("utf-8", "backslashreplace"), thread=int(thread))


def seconds_of(clock: bytes) -> int:
    """The time of day, or since 1970."""
    *others, seconds = map(int, clock.split(b":"))
    hours, minutes = others or (0, 0)
    return hours * 3600 + minutes * 60 + seconds
