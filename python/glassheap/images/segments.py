"""The segments of shared memory on this machine, and the removal of those that nobody uses.

Only heaps that glassheap has put under a name are listed: not files at a path, and not heaps in
memory that another library keeps under a name. A segment that this user may not open is left out.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from glassheap import _core
from glassheap.errors import HeapError
from glassheap.images.copying import SHARED_MEMORY
from glassheap.images.wording import listed

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

UNITS = ((86400, "days"), (3600, "hours"), (60, "minutes"))


@dataclass(frozen=True)
class Segment:
    """A segment, as its front describes it."""

    name: str
    bytes: int
    """The size of the whole segment."""
    policy: str
    users: list[int]
    """Process ids of the living processes that have attached."""
    age: float
    """Seconds since it was made."""
    recovered: int
    """Number of processes that died inside a call."""

    def figures(self) -> dict[str, Any]:
        """The attributes, for JSON."""
        return asdict(self)

    def line(self) -> str:
        """The segment in a line."""
        shown = self.name if self.name.isprintable() else repr(self.name)
        users = f"process {listed(self.users, str)}" if self.users else "nobody"
        return (
            f"{shown}: {self.bytes:,} bytes, {self.policy}, {age_in_words(self.age)} old, used by "
            f"{users}, recovered after {self.recovered:,} deaths inside a call"
        )


def age_in_words(seconds: float) -> str:
    """An age in the largest unit of which it has two or more."""
    for length, name in UNITS:
        if seconds >= 2 * length:
            return f"{seconds // length:.0f} {name}"
    return f"{max(seconds, 0):.0f} seconds"


def segments() -> list[Segment]:
    """The segments of shared heaps in this machine's shared memory, by name. Changes nothing."""
    return list(_found())


def clean(names: Container[str] | None = None, *, dry_run: bool = False) -> list[Segment]:
    """Remove the segments that no living process has attached to, and return those.

    With `names`, only segments of these names; with `dry_run`, none is removed. The lock files that
    killed users of a heap in a buffer left in shared memory are removed too. A process that
    attaches at the same time either keeps its segment, or finds none. Raises OSError if the system
    refuses to remove one.
    """
    if not dry_run:
        _core._remove_deserted_locks()
    chosen = [found for found in _found() if names is None or found.name in names]
    unused = [segment for segment in chosen if not segment.users]
    return [segment for segment in unused if dry_run or _remove(segment)]


def _found() -> Iterator[Segment]:
    for name in sorted(os.listdir(SHARED_MEMORY)) if SHARED_MEMORY.is_dir() else []:
        with suppress(HeapError, OSError):  # another file, or another user's
            size, policy, recovered, users = _core._summarize_segment(os.fsencode(name))
            made = os.stat(SHARED_MEMORY / name).st_mtime
            yield Segment(name, size, policy, users, time.time() - made, recovered)


def _remove(segment: Segment) -> bool:
    """Remove the segment; False if it is used, or gone by now."""
    try:
        return _core._remove_unused_segment(os.fsencode(segment.name))
    except HeapError:
        return False
