"""The files of a recording: that of the program, and those of its children.

    app.trace           the program that was started
    app.trace.4711      the process 4711, which it forked or which it became
    app.trace.4711.2    the next program in the same process

A recording replaces an earlier one of the same name with all its files.  It never replaces a file
that is no recording, nor a recording of its own whose name looks like that of a child: the header
of a child's file says whose it is.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from contextlib import suppress
from typing import NamedTuple

from glassheap.traces.recording import HEADER, MAGIC, OF_CHILD, Header

OF_A_CHILD = re.compile(r"\.([0-9]+)(\.[0-9]+)?\Z")
SPECIAL = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
"""Places that are no files."""


class OutputError(Exception):
    """The recording has no place.  The message is one sentence."""


class Recorded(NamedTuple):
    """A file of the recording."""

    path: str
    size: int
    """Bytes that the program wrote, with those of the open block."""


def prepare(path: str) -> None:
    """Remove the files of an earlier recording of this name.

    Raises `OutputError` if and only if there is a file of this name that is no recording, if it is
    being recorded to, or if a file cannot be made there.  Nothing is opened that is no file: that
    would wait for the other end of a FIFO.
    """
    try:
        if os.path.lexists(path):
            require_old_recording(path)
        for old in [path, *children(path)]:
            if (old == path or is_of_child(old, path)) and not is_busy(old):
                with suppress(FileNotFoundError):
                    os.unlink(old)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        os.unlink(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from None


def require_old_recording(path: str) -> None:
    """Raise `OutputError` if this file must not be replaced."""
    mode = os.lstat(path).st_mode
    for is_one, kind in SPECIAL:
        if is_one(mode):
            raise OutputError(f"{path} is {kind}, and no earlier recording; expected another name")
    if not is_recording(path):
        raise OutputError(f"{path} exists, and is no recording; expected another name")
    if is_busy(path):
        raise OutputError(f"{path} is being recorded to; expected another name")


def children(path: str) -> list[str]:
    """The files with the names that children of a recorded program have."""
    folder, name = os.path.split(path)
    return [
        os.path.join(folder, one)
        for one in sorted(os.listdir(folder or "."))
        if one.startswith(name) and OF_A_CHILD.match(one, len(name))
    ]


def is_recording(path: str) -> bool:
    """True if there is a recording."""
    return head_of(path).startswith(MAGIC)


def is_of_child(path: str, parent: str) -> bool:
    """True if a child of a program wrote this file, when it was recorded to `parent`."""
    head = head_of(path)
    named = OF_A_CHILD.fullmatch(path, len(parent))
    if named is None or len(head) < HEADER.size or not head.startswith(MAGIC):
        return False
    header = Header(*HEADER.unpack(head))
    return bool(header.flags & OF_CHILD) and header.process == int(named[1])


def head_of(path: str) -> bytes:
    """The first bytes of a file; none if there is no file that can be read."""
    try:
        if not os.path.isfile(path):
            return b""
        with open(path, "rb") as file:
            return file.read(HEADER.size)
    except OSError:
        return b""


def is_busy(path: str) -> bool:
    """True if a process records to this file.  False if there is none."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def recorded(path: str, but_not: set[str]) -> list[Recorded]:
    """The files of a recording, the largest children first, after that of the program."""
    found = []
    for one in {path, *children(path)} - but_not:
        with suppress(OSError):  # a child's program may remove it
            if is_recording(one):
                found.append(Recorded(one, size_of(one)))
    return sorted(found, key=lambda one: (one.path != path, -one.size, one.path))


def size_of(path: str) -> int:
    """The bytes of a recording: of its frames, and of what is in its open block."""
    with open(path, "rb") as file:
        header = Header(*HEADER.unpack(file.read(HEADER.size)))
        frames = max(os.fstat(file.fileno()).st_size - HEADER.size - header.open_capacity, 0)
        return HEADER.size + header.open_length + frames
