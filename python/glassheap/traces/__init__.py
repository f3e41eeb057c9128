"""Recorded allocations, read from files into one plain form.

Programs and courses write allocation traces in grammars of their own.  Each grammar has one small
module here, which turns lines into operations and knows nothing else; `opening` fetches the bytes
and tells the grammars apart by looking at them; `normalising` turns the operations into a `Trace`,
three flat arrays in which every operation is sure to make sense.  So a replay never has to ask.

    file --opening--> Source --script | rep | wee_alloc--> operations --normalising--> Trace
"""

from __future__ import annotations

from glassheap.traces.normalising import normalise
from glassheap.traces.opening import read
from glassheap.traces.trace import FREE, MALLOC, REALLOC, Note, Trace, TraceError

__all__ = ["FREE", "MALLOC", "REALLOC", "Note", "Trace", "TraceError", "normalise", "read"]
