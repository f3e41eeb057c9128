"""Recorded allocations, read from files into one normal form.

Programs and courses write allocation traces in different grammars.  Each grammar has a small module
here that only converts lines into operations.  `opening` reads the bytes, and `grammars` detects
their grammar by their content.  `normalising` converts the operations into flat arrays in which
every operation is valid, so that a replay needs no checks.

    file --opening--> Source --script | rep | wee_alloc | ...--> operations --normalising--> Trace

`read` returns a whole trace, `stream` a batch of operations at a time.  `calls` has what the tools'
grammars share, `snapshot` what the two of PyTorch do.  `summary` sums a trace up, `wording` prints
the figures, and `writing` writes a trace in another format.
"""

from __future__ import annotations

from glassheap.traces.opening import Stream, read, stream
from glassheap.traces.trace import (
    FREE,
    MALLOC,
    REALLOC,
    Columns,
    Note,
    Refused,
    Trace,
    TraceError,
)

__all__ = [
    "FREE",
    "MALLOC",
    "REALLOC",
    "Columns",
    "Note",
    "Refused",
    "Stream",
    "Trace",
    "TraceError",
    "read",
    "stream",
]
