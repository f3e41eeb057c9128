"""A file of results: a row a line, in JSON, written as the rows come.

A sweep that is killed leaves whole lines and at most one that is torn, which is dropped.  A sweep
locks its file: two at once would both replay what the file has not, and write it twice.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, get_type_hints

from glassheap.sweeping.errors import SweepError
from glassheap.sweeping.row import Row

if TYPE_CHECKING:
    from glassheap.sweeping.parts import Part

HEAD = b'{"trace": '
"""The start of every line."""


class Results:
    """The rows of a file, by their parts; new ones are appended.  Without a file: no rows."""

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self.known: dict[Part, Row] = {}
        """The rows that the file had."""
        self._path = path
        if path is None:
            return
        if os.path.exists(path) and not os.path.isfile(path):  # a device might never end
            raise SweepError(f"cannot open {os.fspath(path)}: it is not a regular file")
        try:
            self._file = open(path, "a+b")  # noqa: SIM115 (close closes it)
            self._lock()
            self._read()
        except OSError as error:
            raise self._error("open", error) from None

    def _lock(self) -> None:
        """Keep other sweeps away from the file, as long as it is open."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            told = "another sweep writes to it; expected another file, or the end of that sweep"
            raise SweepError(f"cannot open {os.fspath(self._path or '')}: {told}") from None
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP):  # the file system has no locks
                raise

    def _read(self) -> None:
        """Read the rows, and cut a torn line off."""
        self._file.seek(0)
        *lines, tail = self._file.read().split(b"\n")
        if not (tail.startswith(HEAD) or HEAD.startswith(tail)):
            lines.append(tail)
            tail = b""
        try:
            rows = [self._row(line, number) for number, line in enumerate(lines, 1)]
            self.known = {row.part: row for row in rows}
        except SweepError:
            self._file.close()
            raise
        if tail:
            self._file.truncate(self._file.tell() - len(tail))

    def _row(self, line: bytes, number: int) -> Row:
        """The row of a line."""
        try:
            row = Row(**json.loads(line))
        except (ValueError, TypeError, RecursionError):
            row = None
        if row is None or not all(isinstance(getattr(row, name), it) for name, it in HINTS.items()):
            told = f"line {number} is no row of a sweep; expected a file that --resume wrote"
            raise SweepError(f"{os.fspath(self._path or '')}: {told}")
        return row

    def append(self, row: Row) -> None:
        """Write a row, at once, so that no row is lost with the program."""
        if self._path is None:
            return
        try:
            self._file.write(json.dumps(row._asdict()).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise self._error("write", error) from None

    def close(self) -> None:
        """Close the file."""
        if self._path is not None:
            with suppress(OSError):  # `append` has said that the disk is full
                self._file.close()

    def _error(self, verb: str, error: OSError) -> SweepError:
        return SweepError(f"cannot {verb} {os.fspath(self._path or '')}: {error.strerror or error}")


HINTS = get_type_hints(Row)
"""The types of a row's values, by their names."""
