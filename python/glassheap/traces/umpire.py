"""Umpire's replay log (`UMPIRE_REPLAY=On`): a JSON object a line.

    {"kind":"replay", "uid":27494, "timestamp":15583880525, "event":"allocate",
     "payload":{"allocator_ref":"0x108a8730", "size":134},
     "result":{"memory_ptr":"0x200040000010"}}
    {"category":"operation", "name":"allocate", "numeric_args":{"size":134},
     "string_args":{"allocator_ref":"0x108a8730", "pointer":"0x200040000010"}, "timestamp":1558}

(the older versions, and those since 2022; each object is on one line.)  The tag is the allocator,
by its name if the log has it, and `uid` is the thread.  An older log has a line before each
allocation and one after it: an allocation without the second one failed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from glassheap.traces.calls import allocation, release
from glassheap.traces.source import Details, Operation, Source
from glassheap.traces.trace import LARGEST_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FORMAT = "Umpire replay"
EXAMPLE = "an Umpire replay log"
ADDRESSES = True

LOOKS_LIKE = re.compile(
    rb'^[ \t]*\{[ \t]*"(?:kind"[ \t]*:[ \t]*"replay"|category"[ \t]*:[ \t]*"[a-z_]+")', re.MULTILINE
)
ADDRESS = re.compile(r"(?:0x)?[0-9A-Fa-f]{1,16}")
NOTHING = ("", "(nil)", "nullptr")

OTHER = "event that neither allocates nor frees, ignored"
NO_EVENT = "no event, ignored"
GARBLED = "garbled or cut-off event, skipped"


class Request(NamedTuple):
    """An allocation that is announced, and has no result yet."""

    line: int
    size: int
    details: Details


class Reader:
    """The names of the allocators, and the requests without a result, by their processes."""

    def __init__(self, source: Source) -> None:
        from json import loads

        self.source = source
        self.loads: Callable[[bytes], object] = loads
        self.names: dict[str, str] = {}
        self.pending: dict[int, Request] = {}

    def line(self, number: int, line: bytes) -> list[Operation]:
        """The operations on a line; if there is none, it is noted."""
        try:
            event = self.loads(line)
            if not isinstance(event, dict):
                raise TypeError
            return self.event(number, event)
        except (ValueError, KeyError, TypeError, RecursionError):
            if line.strip():
                known = line.lstrip().startswith(b"{")
                self.source.notes.add(GARBLED if known else NO_EVENT, number)
            return []

    def event(self, number: int, event: dict[str, object]) -> list[Operation]:
        """The operations of an event; ValueError, KeyError or TypeError for a broken one."""
        name = event["event"] if "event" in event else event["name"]
        arguments = arguments_of(event)
        if name in ("allocate", "named_allocate"):
            return self.allocate(number, event, arguments)
        if name == "deallocate":
            details = self.details(event, arguments)
            pointer = arguments.get("memory_ptr", arguments.get("pointer"))
            return [*self.failed(details.thread), release(number, address(pointer), details)]
        if name in ("makeAllocator", "make_allocator"):
            self.name(arguments)
        self.source.notes.add(OTHER, number)
        return []

    def name(self, arguments: dict[str, object]) -> None:
        """Remember the name of an allocator."""
        name, ref = arguments.get("allocator_name"), arguments.get("allocator_ref")
        if isinstance(name, str) and isinstance(ref, str):
            self.names[ref] = name

    def allocate(
        self, number: int, event: dict[str, object], arguments: dict[str, object]
    ) -> list[Operation]:
        """One of the two lines of an allocation, or the only one."""
        size, details = whole(arguments["size"]), self.details(event, arguments)
        pointer = arguments.get("memory_ptr", arguments.get("pointer"))
        if pointer is None:
            failed = self.failed(details.thread)
            self.pending[details.thread] = Request(number, size, details)
            return failed
        self.pending.pop(details.thread, None)
        return [allocation(number, address(pointer), size, details)]

    def failed(self, thread: int) -> list[Operation]:
        """The request of this process that has no result, though another event follows."""
        request = self.pending.pop(thread, None)
        return [allocation(request.line, 0, request.size, request.details)] if request else []

    def details(self, event: dict[str, object], arguments: dict[str, object]) -> Details:
        """Allocator, process and time."""
        ref = str(arguments.get("allocator_ref", ""))
        time = whole(event["timestamp"]) if "timestamp" in event else None
        return Details(tag=self.names.get(ref, ref), thread=whole(event.get("uid", 0)), time=time)


def arguments_of(event: dict[str, object]) -> dict[str, object]:
    """All arguments and results of an event, by their names."""
    found: dict[str, object] = {}
    for part in ("payload", "result", "numeric_args", "string_args"):
        values = event.get(part, {})
        if isinstance(values, dict):
            found.update(values)
    return found


def whole(value: object) -> int:
    """A whole number below 2**64.  Raises ValueError for any other value."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_SIZE:
        raise ValueError
    return value


def address(pointer: object) -> int:
    """The number of an address.  Raises ValueError if it is none."""
    if pointer in NOTHING:
        return 0
    if not isinstance(pointer, str) or not ADDRESS.fullmatch(pointer):
        raise ValueError
    return int(pointer, 16)


def operations(source: Source) -> Iterator[Operation]:
    """The operations in the log; all other lines are noted."""
    reader = Reader(source)
    for number, line in enumerate(source.lines(), 1):
        yield from reader.line(number, line)
    for thread in [*reader.pending]:
        yield from reader.failed(thread)
