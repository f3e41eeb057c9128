"""Recordings of real programs: what they ask of malloc, call by call.

`record` records the running interpreter.  The command `glassheap record` records any program by a
library that is loaded before all others (cpp/tools/record_malloc.cpp): `programs` tells if that is
possible, `elf` reads what a program's file says of it, `preloading` runs the program, and `outputs`
are its files.  `glassheap.traces` reads a recording.
"""

from __future__ import annotations

from glassheap.recording.interpreter import record

__all__ = ["record"]
