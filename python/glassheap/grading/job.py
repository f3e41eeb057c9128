"""What the grading process and its child both know: the job, the place, the findings."""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from glassheap.traces import FREE, MALLOC

if TYPE_CHECKING:
    from pathlib import Path

    from glassheap.traces import Trace

JOB, PLACE, RESULT = "job.pickle", "place", "result.json"
"""The files in the folder of a child."""

CHECK, TIME = "check", "time"
"""What a child does."""

BOOT, LOAD, START, CALL, WRITE, READ = range(6)
"""Where a child is: Python starts; the library is loaded; the functions that start its heap are
called; malloc, realloc or free is called; a payload is written; one is read."""

NOBODY = -1
"""The id of no block, the index of no operation."""


class LibraryError(ValueError):
    """The library cannot be graded at all.  The message is one sentence."""


class Names(NamedTuple):
    """The names of the library's functions; None for those that are to be found."""

    malloc: str | None = None
    """Default: my_malloc, mm_malloc or malloc, the first that the library has."""
    free: str | None = None
    """Default: the name of malloc with free in the place of malloc."""
    realloc: str | None = None
    """Default: the name of malloc with realloc in its place; it may be missing if no trace needs
    it."""
    start: tuple[str, ...] = ()
    """Functions without arguments that are called in turn before a trace; -1 is a failure."""
    region: tuple[str, str] | None = None
    """Two functions that return the first and the last byte of the heap.  Default: mem_heap_lo and
    mem_heap_hi, if the library has them."""


@dataclass(frozen=True)
class Job:
    """The work of one child."""

    task: str
    """`CHECK` or `TIME`."""
    trace: Trace
    library: str | None = None
    """The absolute path; None for the C library of this machine."""
    names: Names = field(default_factory=Names)
    align: int = 16
    heap: int | None = None
    """The bytes that the library has; None if that is not known."""
    memory: int = 2**32
    """The bytes of address space that the child may have."""
    seconds: float = 10
    """The time limit."""
    watched: int = NOBODY
    """The id of a block whose payload is checked after every operation."""
    parent: int = field(default_factory=os.getpid)
    """The process that waits for the child."""


class Breach(NamedTuple):
    """A rule that the library broke: the first breach in a trace, and how many there were."""

    rule: str
    """crash, hang, exit, alignment, overlap, region, payload, realloc, refusal or size."""
    operation: int
    """The index of the operation at which it was found, or -1."""
    sentence: str
    """What was wrong, and where."""
    times: int = 1
    """The number of breaches of this rule in the trace."""
    block: int = NOBODY
    """The id of the block concerned, or -1."""


class Place:
    """The operation that runs and its stage, in a page that two processes share."""

    def __init__(self, path: Path) -> None:
        """Map the page in the file at `path`."""
        with path.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        self.words = memoryview(self._page).cast("Q")
        """The index of the operation, and the stage: at first 0, `BOOT`."""

    @property
    def operation(self) -> int:
        """The index of the operation that runs."""
        return self.words[0]

    @property
    def stage(self) -> int:
        """`BOOT` and so on."""
        return self.words[1]

    @stage.setter
    def stage(self, stage: int) -> None:
        self.words[1] = stage

    def close(self) -> None:
        """Unmap the page."""
        self.words.release()
        self._page.close()


def describe(trace: Trace, index: int) -> str:
    """An operation, for a sentence: operation 3 (line 7, malloc of 64 bytes, block 2).  O(n).

    The line is left out where it has the number of the operation.
    """
    number, line = index + 1, trace.lines[index]
    place = "" if line == number else f"line {line:,}, "
    return f"operation {number:,} ({place}{_call(trace, index)})"


def _call(trace: Trace, index: int) -> str:
    kind, block, size = trace.kinds[index], trace.ids[index], trace.sizes[index]
    if kind == MALLOC:
        return f"malloc of {size:,} bytes, block {block}"
    given = f"block {block}" if _had_block(trace, index) else "NULL"
    return f"free of {given}" if kind == FREE else f"realloc of {given} to {size:,} bytes"


def _had_block(trace: Trace, index: int) -> bool:
    """True if the last operation on the same id before this one allocated or resized a block."""
    block = trace.ids[index]
    before = (trace.kinds[at] for at in range(index - 1, -1, -1) if trace.ids[at] == block)
    return next(before, FREE) != FREE
