"""Records what the running interpreter asks of its allocators."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from glassheap._core import _start_recording, _stop_recording

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def record(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Record the allocations of this interpreter while the with block runs, and yield the path.

    All threads are recorded, by the allocators of CPython: what objects, lists and strings ask for,
    in bytes, with the thread and the time in microseconds.  A request is tagged with its domain:
    "object", "mem" or "raw".  Calls of malloc in C extensions are not seen, nor are forked
    children; the command `glassheap record` sees both.  `glassheap.traces.read` and the commands
    that read traces take the file.  An earlier recording of this name is replaced, no other
    file.  If the disk is full, a sentence on stderr says so, the recording ends, and the program
    runs on.  Each call takes O(1) longer; once the block has ended, a call takes a few instructions
    longer.

    Raises RuntimeError if and only if this interpreter is being recorded already or is
    free-threaded, and OSError if and only if the file cannot be made or has another recorder.
    """
    place = Path(path)
    command = shlex.join(sys.orig_argv).encode(errors="replace").decode()
    if not _start_recording(os.fsencode(place), command):
        raise RuntimeError("this interpreter is being recorded already; expected that to end.")
    try:
        yield place
    finally:
        _stop_recording()
