"""A copy of a heap at one moment at which no process was inside it.

The heap is read until its sequence number did not change meanwhile. A heap that is never at rest
for that long is copied under its lock. After a death inside the heap the number stays odd and does
not change: such a heap is copied as it is.
"""

from __future__ import annotations

import mmap
import os
import stat
import time
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from glassheap import SharedHeap, _core
from glassheap.errors import HeapError
from glassheap.images.errors import ImageError, system_refusal

SHARED_MEMORY = Path("/dev/shm")
FRONT = 4096
"""Bytes at the start of an image, the sequence number among them."""
LONGEST_READ = 1 << 30
"""Bytes in one system call."""
BETWEEN_COPIES = 0.0005
"""Seconds."""
LONGEST_CALL = 0.05
"""Seconds after which an odd and unchanged sequence number means a death inside the heap."""

AT_REST, UNDER_LOCK = "at rest", "under its lock"


class Copy(NamedTuple):
    """The bytes of a heap at one moment."""

    memory: mmap.mmap
    method: str
    """`AT_REST` or `UNDER_LOCK`."""


def find(name: str) -> Path:
    """The file of a heap, given its name in shared memory or its path."""
    shared = SHARED_MEMORY / name
    return shared if name and "/" not in name and shared.exists() else Path(name)


def copy_image(path: Path, timeout: float) -> Copy:
    """Copy a heap at a moment at which no process is inside.

    The first half of `timeout` (seconds) is spent waiting for the heap to be at rest, the second
    half waiting for its lock. Raises ImageError if neither succeeds, or the file cannot be read.
    """
    with closing(Source(path)) as source:
        until = time.monotonic() + timeout / 2
        while True:
            memory, at_rest = source.copy()
            if at_rest:
                return Copy(memory, AT_REST)
            memory.close()
            if time.monotonic() >= until:
                return source.copy_busy(timeout / 2)
            time.sleep(BETWEEN_COPIES)


class Source:
    """A file or a segment, opened read-only."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = open_file(path)
        state = os.fstat(self.file)
        self.bytes = state.st_size
        if not stat.S_ISREG(state.st_mode):
            self.close()
            raise ImageError(f"cannot read {path}: it is not a regular file")

    def close(self) -> None:
        """Close the file."""
        os.close(self.file)

    def sequence_number(self) -> int | None:
        """The count of entries and exits, odd during a call; None if the file is too short."""
        return _core._image_generation(os.pread(self.file, FRONT, 0))

    def copy(self) -> tuple[mmap.mmap, bool]:
        """A copy of all bytes, and True if no process was inside the heap meanwhile."""
        before = self.sequence_number()
        memory = mmap.mmap(-1, max(self.bytes, 1))
        try:
            self.read_into(memory)
        except OSError as error:
            raise system_refusal("read", self.path, error) from None
        inside = bool(before and before % 2)
        return memory, before == self.sequence_number() and not inside

    def read_into(self, memory: mmap.mmap) -> None:
        """Read all bytes; fewer if the file has been cut short since it was opened."""
        done = 0
        with memoryview(memory) as whole:
            while done < self.bytes:
                with whole[done : done + LONGEST_READ] as part:
                    count = os.preadv(self.file, [part], done)
                if count == 0:
                    return
                done += count

    def copy_busy(self, timeout: float) -> Copy:
        """A copy under the heap's lock; after a death inside the heap, a copy as it is."""
        before = self.sequence_number()
        time.sleep(min(timeout, LONGEST_CALL))
        memory, _ = self.copy()
        if before == self.sequence_number():
            return Copy(memory, AT_REST)
        self.copy_locked(memory, timeout)
        return Copy(memory, UNDER_LOCK)

    def copy_locked(self, memory: mmap.mmap, timeout: float) -> None:
        """Copy all bytes under the heap's lock. Raises ImageError if it cannot be taken."""
        try:
            with closing(attach_any(self.path, timeout)) as heap:
                heap._copy_into(memory)
        except (HeapError, OSError) as error:
            raise ImageError(
                f"{self.path} is never at rest for as long as a copy takes, and its lock cannot "
                f"be taken: {error}"
            ) from None


def attach_any(path: Path, timeout: float) -> SharedHeap:
    """Attach to the heap in a file, with bytes or without."""
    place = b"", os.fsencode(path), None
    return _core._attach_shared(*place, timeout=timeout, policy="")


def open_file(path: Path) -> int:
    """A descriptor of the file, which is not waited for. Raises ImageError."""
    try:
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise system_refusal("read", path, error) from None
