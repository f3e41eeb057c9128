"""The traces of Android's memory_replay, as malloc_debug's record_allocs writes them.

    186: malloc 0xb6038060 20
    186: calloc 0xb609f080 32 4            elements, and the size of each
    186: memalign 0x85423660 16 104        alignment, size
    186: realloc 0xb609f080 0xb603e9a0 12  new address, old address, size
    186: free 0xb6038060
    187: thread_done 0x0

The number in front is the thread.  Newer versions add the times of the begin and the end of the
call, in nanoseconds.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from glassheap.traces.calls import BLOCK, operations_of, shape_of
from glassheap.traces.source import Cache, Details, Operation, Source
from glassheap.traces.trace import LARGEST_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT = "Android memory_replay"
EXAMPLE = "an Android memory_replay trace"
ADDRESSES = True

CALLS = rb"(malloc|calloc|memalign|aligned_alloc|realloc|free|thread_done)"
LOOKS_LIKE = re.compile(rb"^[0-9]+: +" + CALLS + rb" +0x[0-9a-f]", re.MULTILINE)
LINE = re.compile(
    rb"([0-9]{1,19}): {1,9}"
    + CALLS
    + rb" {1,9}0x([0-9a-f]{1,16})(?: {1,9}0x([0-9a-f]{1,16}))?([0-9 ]*)[\t\r\n]*"
)

DONE = b"thread_done"
GARBLED = "garbled or cut-off line, skipped"


def operations(source: Source) -> Iterator[Operation]:
    """The operations of the trace; garbled lines are noted."""
    threads = Cache(details_of)
    for number, line in enumerate(source.lines(), 1):
        yield from read_or_note(source, number, line, threads)


def read_or_note(
    source: Source, number: int, line: bytes, threads: Cache[bytes, Details]
) -> list[Operation]:
    """The operations on a line; a garbled one is noted."""
    try:
        return read_line(number, line, threads)
    except ValueError:
        if line.strip():
            source.notes.add(GARBLED, number)
        return []


def read_line(number: int, line: bytes, threads: Cache[bytes, Details]) -> list[Operation]:
    """The operations on a line.  Raises ValueError if and only if it is no line of a trace."""
    match = LINE.fullmatch(line)
    if match is None:
        raise ValueError
    thread, name, pointer, old, rest = match.groups()
    if name == DONE:
        return []
    shape, address = shape_of(name), int(pointer, 16)
    values = [*map(int, rest.split())]
    if values and max(values) > LARGEST_SIZE:
        raise ValueError
    if name == b"free":
        values.insert(0, address)
    elif (old is not None) != (BLOCK in shape):
        raise ValueError
    elif old is not None:
        values.insert(0, int(old, 16))
    extra = len(values) - len(shape)
    if extra not in (0, 2):
        raise ValueError
    time = values[-2] if extra else None
    return operations_of(number, shape, values, address, threads[thread], time)


def details_of(thread: bytes) -> Details:
    """The thread."""
    return Details(thread=int(thread))
