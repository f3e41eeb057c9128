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
from glassheap.traces.source import Details, Numbers, Operation, Source

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
    numbers = Numbers()
    for number, line in enumerate(source.lines(), 1):
        yield from read_or_note(source, number, line, numbers)


def read_or_note(source: Source, number: int, line: bytes, numbers: Numbers) -> list[Operation]:
    """The operations on a line; a garbled one is noted."""
    try:
        return read_line(number, line, numbers)
    except ValueError:
        if line.strip():
            source.notes.add(GARBLED, number)
        return []


def read_line(number: int, line: bytes, numbers: Numbers) -> list[Operation]:
    """The operations on a line.  Raises ValueError if and only if it is no line of a trace."""
    match = LINE.fullmatch(line)
    if match is None:
        raise ValueError
    thread, name, pointer, old, rest = match.groups()
    if name == DONE:
        return []
    shape = shape_of(name.decode())
    values = [numbers[word] for word in rest.split()]
    if name == b"free":
        values.insert(0, int(pointer, 16))
    elif (old is not None) != (BLOCK in shape):
        raise ValueError
    elif old is not None:
        values.insert(0, int(old, 16))
    times = values[len(shape) :]
    if len(times) not in (0, 2):
        raise ValueError
    details = Details(thread=int(thread), time=times[0] if times else None)
    return operations_of(number, shape, values, int(pointer, 16), details)
