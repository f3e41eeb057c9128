"""The output of ltrace.

    [pid 25616] libstdc++.so.6->malloc(4) = 0x55cd2bb07eb0
    25616 realloc(0x55e7185edeb0, 300 <unfinished ...>
    25616 <... realloc resumed> )         = 0x55e7185ee0f0
    free(0x55cd2bb07eb0)                  = <void>

Process numbers (-f), times (-t, -r), addresses (-i) and libraries may stand before a call.  The
process is the thread.  A call that is interrupted by another thread, or that makes calls itself,
has two lines.  Calls inside of a call of malloc's family, such as operator new's malloc, belong to
it and are skipped.  posix_memalign returns the address in memory, so it is not in the file.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from glassheap.traces.calls import BLOCK, NO_RESULT, Shape, number_of, operations_of, shape_of
from glassheap.traces.source import Cache, Details, Operation, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT = "ltrace"
EXAMPLE = "an ltrace log"
ADDRESSES = True

FRONT = (
    rb"(?:\[pid ([0-9]{1,10})\] |([0-9]{1,10}) {1,9})?"
    rb" {0,9}(?:[0-9:]{1,20}(?:\.[0-9]{1,9})? {1,9})?"  # a time
    rb"(?:\[0x[0-9a-f]{1,16}\] )?"
    rb"(?:[^\s(>]{1,99}->)?"  # a library
)
"""What may stand before a call.  The repetitions have limits: a search must not take long."""
NAME = rb"(operator (?:new|delete)(?:\[\])?(?:\([^()]*\))?|\w+)(?:@[^\s()]+)?"
LOOKS_LIKE = re.compile(
    rb"^" + FRONT + rb"(?:\w+|operator new)(?:@[^\s()]{1,99})?\("
    rb"[^\n]{0,300}?(?:\) += |<(?:unfinished|no return) )",
    re.MULTILINE,
)
CALL = re.compile(
    FRONT + NAME + rb"\((?:(0x[0-9a-f]{1,16})|([^()<]*))(?:\) += (\S+)| ?<.*\.\.\.>)\s*"
)
RESUMED = re.compile(FRONT + rb"<\.\.\. " + NAME + rb" resumed> [^()]*\) += (\S+)\s*")
NUMBER = re.compile(rb"0x[0-9a-f]{1,16}|[0-9]{1,20}|nil|NULL")
NULLS = (b"nil", b"NULL")
NO_RETURN = b"<no return ...>"

OTHER = "no call of malloc's family, ignored"
INSIDE = "call inside of a call of malloc's family, skipped"
HIDDEN = "posix_memalign, whose result is not in the file, skipped"
GARBLED = "garbled call, skipped"


class Call(NamedTuple):
    """A call of malloc's family that has not returned."""

    line: int
    name: bytes
    shape: Shape
    arguments: list[int]


class Reader:
    """The calls that have not returned, by the processes that have any."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.open: dict[bytes, list[Call]] = {}
        self.processes = Cache(details_of)
        self.arguments = Cache(read_arguments)

    def line(self, number: int, line: bytes) -> list[Operation]:
        """The operations on a line; if there is none, it is noted."""
        if match := CALL.fullmatch(line):
            pid, plain, name, address, arguments, result = match.groups()
            process, shape = pid or plain or b"0", shape_of(name)
            if shape:
                given = [int(address, 16)] if address else self.arguments[arguments]
                if result is not None and process not in self.open:
                    return self.done(number, process, shape, given, result)
                call = Call(number, name, shape, given)
                unfinished = result is None and NO_RETURN not in line
                return self.called(number, process, call, result, unfinished=unfinished)
            self.source.notes.add(HIDDEN if name == b"posix_memalign" else OTHER, number)
        elif match := RESUMED.fullmatch(line):
            return self.resumed(number, match[1] or match[2] or b"0", match[3], match[4])
        elif line.strip():
            self.source.notes.add(OTHER, number)
        return []

    def called(
        self, number: int, process: bytes, call: Call, result: bytes | None, *, unfinished: bool
    ) -> list[Operation]:
        """The first line of a call, or its only one."""
        within = process in self.open
        if unfinished:
            self.open.setdefault(process, []).append(call)
        if within:
            self.source.notes.add(INSIDE, number)
        elif call.shape == (BLOCK,) or not unfinished:  # a free is done where it begins
            return self.done(number, process, call.shape, call.arguments, result)
        return []

    def resumed(self, number: int, process: bytes, name: bytes, result: bytes) -> list[Operation]:
        """The second line of a call."""
        calls = self.open.get(process, [])
        if not calls or calls[-1].name != name:
            self.source.notes.add(OTHER, number)
            return []
        call = calls.pop()
        if calls:
            self.source.notes.add(INSIDE, number)
            return []
        del self.open[process]
        if call.shape == (BLOCK,):
            return []
        return self.done(number, process, call.shape, call.arguments, result)

    def done(
        self,
        number: int,
        process: bytes,
        shape: Shape,
        arguments: list[int],
        result: bytes | None,
    ) -> list[Operation]:
        """The operations of a complete call."""
        try:
            address = 0 if shape == (BLOCK,) else number_of(result or b"")
        except ValueError:
            self.source.notes.add(NO_RESULT, number)
            return []
        try:
            return operations_of(number, shape, arguments, address, self.processes[process])
        except ValueError:
            self.source.notes.add(GARBLED, number)
            return []

    def end(self) -> None:
        """Note the calls that have not returned.  Those in them are noted, and frees are done."""
        outermost = [calls[0] for calls in self.open.values() if calls]
        for line in sorted(call.line for call in outermost if call.shape != (BLOCK,)):
            self.source.notes.add(NO_RESULT, line)


def read_arguments(arguments: bytes) -> list[int]:
    """The arguments as numbers."""
    values = NUMBER.findall(arguments)
    return [0 if value in NULLS else number_of(value) for value in values]


def details_of(process: bytes) -> Details:
    """The process."""
    return Details(thread=int(process))


def operations(source: Source) -> Iterator[Operation]:
    """The operations in the output; all other lines are noted."""
    reader = Reader(source)
    for number, line in enumerate(source.lines(), 1):
        yield from reader.line(number, line)
    reader.end()
