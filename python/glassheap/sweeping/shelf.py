"""The traces of a sweep, in files: the caller holds one at a time in memory, a worker two.

A worker of this machine reads a trace from its file when it first needs it, so the trace is sent
once a worker, and by the page cache.
"""

from __future__ import annotations

import pickle
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from glassheap.sweeping.errors import SweepError
from glassheap.traces import Trace, read

if TYPE_CHECKING:
    import os

HELD = 2
"""Traces that a worker keeps: parts are played trace by trace, but a lost one again."""


class Shelf:
    """A folder of traces, each in a file; `close` removes it."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="glassheap-sweep-")
        self._files: dict[tuple[str, str], Path] = {}

    def add(self, source: str | os.PathLike[str] | Trace) -> tuple[str, str]:
        """Read a trace, if it is a path, and put it into a file.  Returns its name and digest.

        Raises what `glassheap.traces.read` raises, and `SweepError` if the disk is full.
        """
        trace = source if isinstance(source, Trace) else read(source)
        key = trace.name, digest(trace)
        if key not in self._files:
            self._files[key] = self._put(trace)
        return key

    def _put(self, trace: Trace) -> Path:
        """Write a new file."""
        file = Path(self._folder.name, str(len(self._files)))
        try:
            with file.open("wb") as opened:
                pickle.dump(trace, opened, protocol=5)
        except OSError as error:
            told = f"cannot keep {trace.name} in {file.parent}: {error.strerror or error}"
            raise SweepError(told) from None
        return file

    def file(self, name: str, content: str) -> Path:
        """The file of the trace."""
        return self._files[name, content]

    def close(self) -> None:
        """Remove the files."""
        self._folder.cleanup()


def digest(trace: Trace) -> str:
    """A digest of what is replayed, in 32 hexadecimal digits.  O(n)."""
    hashed = blake2b(digest_size=16)
    for column in (trace.kinds, trace.ids, trace.sizes, trace.aligns):
        hashed.update(len(column).to_bytes(8, "little"))
        hashed.update(memoryview(column).cast("B"))
    return hashed.hexdigest()


def load(file: Path) -> Trace:
    """The trace in a file of the shelf."""
    with file.open("rb") as opened:
        trace: Trace = pickle.load(opened)
    return trace


load_once = lru_cache(HELD)(load)
"""The same for a worker, which keeps the last traces."""
