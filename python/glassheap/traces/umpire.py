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
from glassheap.traces.source import Cache, Details, Operation, Source
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
BLANKS = " \t\r\n"
PARTS = ("payload", "result", "numeric_args", "string_args")
NOTHING = ("", "(nil)", "nullptr")

OTHER = "event that neither allocates nor frees, ignored"
NO_EVENT = "no event, ignored"
GARBLED = "garbled or cut-off event, skipped"


class Request(NamedTuple):
    """An allocation that is announced, and has no result yet."""

    line: int
    size: int
    details: Details
    time: int | None


class Reader:
    """The names of the allocators, and the requests without a result, by their processes."""

    def __init__(self, source: Source) -> None:
        from json import JSONDecoder

        self.source = source
        self.decode: Callable[[str], tuple[object, int]] = JSONDecoder().raw_decode
        self.names: dict[str, str] = {}
        self.known = Cache(details_of)
        self.pending: dict[int, Request] = {}

    def line(self, number: int, line: bytes) -> list[Operation]:
        """The operations on a line; if there is none, it is noted."""
        try:
            text = line.decode("utf-8", "surrogatepass").strip(BLANKS)
            event, end = self.decode(text)
            if end != len(text) or not isinstance(event, dict):
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
            details, time = self.details(event, arguments), time_of(event)
            pointer = arguments.get("memory_ptr", arguments.get("pointer"))
            freed = release(number, address(pointer), details, time)
            return [*self.failed(details.thread), freed]
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
        time = time_of(event)
        pointer = arguments.get("memory_ptr", arguments.get("pointer"))
        if pointer is None:
            failed = self.failed(details.thread)
            self.pending[details.thread] = Request(number, size, details, time)
            return failed
        self.pending.pop(details.thread, None)
        return [allocation(number, address(pointer), size, details, time)]

    def failed(self, thread: int) -> list[Operation]:
        """The request of this process that has no result, though another event follows."""
        request = self.pending.pop(thread, None)
        if request is None:
            return []
        return [allocation(request.line, 0, request.size, request.details, request.time)]

    def details(self, event: dict[str, object], arguments: dict[str, object]) -> Details:
        """Allocator and process."""
        ref = str(arguments.get("allocator_ref", ""))
        return self.known[self.names.get(ref, ref), whole(event.get("uid", 0))]


def time_of(event: dict[str, object]) -> int | None:
    """The time of an event in nanoseconds; None if it states none."""
    return whole(event["timestamp"]) if "timestamp" in event else None


def details_of(said: tuple[str, int]) -> Details:
    """Allocator and process."""
    return Details(tag=said[0], thread=said[1])


def arguments_of(event: dict[str, object]) -> dict[str, object]:
    """All arguments and results of an event, by their names."""
    found: dict[str, object] = {}
    for part in PARTS:
        if part in event and isinstance(values := event[part], dict):
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
