"""Standard output while a command runs: it keeps its own error, to tell it from those of others."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Self


class Output:
    """While it is entered, `sys.stdout` is watched.  What its encoding lacks is printed escaped.

    A standard output that is closed, which Python makes None, stays None.
    """

    def __init__(self) -> None:
        self.error: OSError | None = None
        """The last error of writing to it."""
        self._before = sys.stdout

    def __enter__(self) -> Self:
        """Watch the stream."""
        if isinstance(self._before, io.TextIOWrapper):
            self._before.reconfigure(errors="backslashreplace")
        if self._before is not None:
            sys.stdout = cast("TextIO", Watched(self._before, self))
        return self

    def __exit__(self, *_: object) -> None:
        """Give the stream back."""
        sys.stdout = self._before

    def discard(self) -> None:
        """Point it at the null device, because Python's flush at exit would fail again."""
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self._before.fileno())
        os.close(null)


class Watched:
    """A stream, and the one of bytes below it, whose errors an `Output` gets to know."""

    def __init__(self, stream: Any, output: Output) -> None:
        self._stream = stream
        self._output = output

    def __getattr__(self, name: str) -> Any:
        """Any other attribute of the stream."""
        return getattr(self._stream, name)

    @property
    def buffer(self) -> Watched:
        """The stream of bytes."""
        return Watched(self._stream.buffer, self._output)

    def write(self, text: Any) -> int:
        """Write to the stream."""
        try:
            return int(self._stream.write(text))
        except OSError as error:
            self._output.error = error
            raise

    def writelines(self, lines: Iterable[Any]) -> None:
        """Write each of them."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush the stream."""
        try:
            self._stream.flush()
        except OSError as error:
            self._output.error = error
            raise
