"""Recorded allocations, read from files into one normal form.

Programs and courses write allocation traces in different grammars.  Each grammar has a small module
here that only converts lines into operations.  `opening` reads the bytes and detects the grammar by
their content.  `normalising` converts the operations into a `Trace`: three flat arrays in which
every operation is valid, so that a replay needs no checks.

    file --opening--> Source --script | rep | wee_alloc--> operations --normalising--> Trace
"""

from __future__ import annotations

from glassheap.traces.normalising import normalise
from glassheap.traces.opening import read
from glassheap.traces.trace import FREE, MALLOC, REALLOC, Note, Trace, TraceError

__all__ = ["FREE", "MALLOC", "REALLOC", "Note", "Trace", "TraceError", "normalise", "read"]
