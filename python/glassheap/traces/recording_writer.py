"""A trace as a recording: `recording` reads what this writes.

Nothing is lost but the numbers of the lines, which a recording counts anew, and the lines of the
requests that failed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glassheap._core import _TraceWriter
from glassheap.traces.trace import Columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glassheap.traces.trace import Refused

SIXTY_FOUR_BITS = 2**64
PART = 2
"""The kind of a size of a batch, beside `MALLOC` and `REALLOC`."""


class RecordingWriter:
    """Writes batches of operations as the bytes of a recording."""

    def __init__(self) -> None:
        self._core: _TraceWriter | None = None
        self._tags: dict[str, int] = {"": 0}
        self._facts = 0
        self._written = 0

    def put(self, batch: Columns, tag_names: Sequence[str], facts: Sequence[str]) -> None:
        """Write a batch.  The names and the facts are those known so far, old ones included."""
        core = self._begun(batch)
        self._put_texts(core, tag_names, facts)
        start = 0
        for refused in batch.refused:
            stop = refused.position - self._written
            put_columns(core, batch, start, stop)
            self._put_refused(core, refused)
            start = stop
        put_columns(core, batch, start, len(batch))
        self._written += len(batch)

    def take(self) -> bytes:
        """The bytes that are complete since the last call."""
        return self._core.take() if self._core else b""

    def end(self) -> bytes:
        """The bytes that are left."""
        core = self._begun(Columns())
        core.end()
        return core.take()

    def _begun(self, first: Columns) -> _TraceWriter:
        """The writer; the first batch tells if the trace has times."""
        if self._core is None:
            timed = any(one.time is not None for one in first.refused)
            self._core = _TraceWriter(bool(first.times) or timed)
        return self._core

    def _put_texts(
        self, core: _TraceWriter, tag_names: Sequence[str], facts: Sequence[str]
    ) -> None:
        for number, name in enumerate(tag_names[len(self._tags) :], len(self._tags)):
            self._tags[name] = number
            core.put_tag(number, name)
        for text in facts[self._facts :]:
            core.put_fact(text)
        self._facts = len(facts)

    def _put_refused(self, core: _TraceWriter, one: Refused) -> None:
        time = (one.time or 0) % SIXTY_FOUR_BITS
        kind = PART if one.is_part else one.kind
        tag = self._tags[one.tag]
        core.put_refused(kind, one.block, one.size, one.align, tag, one.thread, time)


def put_columns(core: _TraceWriter, batch: Columns, start: int, stop: int) -> None:
    """Write the operations [start, stop) of a batch."""
    if start == stop:
        return
    names = ("kinds", "ids", "sizes", "aligns", "tags", "threads", "times")
    core.put(*(memoryview(getattr(batch, name))[start:stop] for name in names))
