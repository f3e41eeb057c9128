"""The progress of long work, and a bar that shows it.

Most replays end within half a second, so the bar appears only after that time, only on a terminal,
and only if rich is installed.  It is drawn on stderr and erased afterwards: the output on stdout is
the same with and without it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as Drawn
    from rich.progress import TaskID

Progress = Callable[[int, int], object]
"""Called with the number of steps that are done, and with their total number."""

SHARES = 1000
"""The steps of a part of weight 1."""

DELAY = 0.5
"""Seconds until the bar is shown."""


def ignore(_done: int, _total: int) -> None:
    """Show no progress."""


class Stages:
    """Work whose parts tell their progress one after the other, told as one.

    stages = Stages(progress, [1, 3])     # the second part takes three times as long
    first(progress=stages.next())
    second(progress=stages.next())
    """

    def __init__(self, progress: Progress | None, weights: Iterable[int]) -> None:
        self._tell = progress or ignore
        self._weights = [SHARES * weight for weight in weights]
        self._begun = 0
        self._done = 0

    def next(self) -> Progress:
        """The progress of the next part, which begins; the parts before it are done.

        Where a part goes back, since its total was estimated too low, the whole stands still.
        """
        start, weight = sum(self._weights[: self._begun]), self._weights[self._begun]
        total = sum(self._weights)
        self._begun += 1

        def tell(done: int, steps: int) -> None:
            self._done = max(self._done, start + (weight * done // steps if steps else weight))
            self._tell(self._done, total)

        tell(0, 1)
        return tell


class Bar:
    """A callable that shows its arguments (done, total), until it is closed.

        with contextlib.closing(Bar("replaying")) as bar:
            replay(trace, progress=bar)

    A call costs well under a microsecond until the bar is shown, so it can be made often.
    """

    def __init__(self, title: str, *, file: TextIO | None = None, delay: float = DELAY) -> None:
        self._title = title
        self._file = sys.stderr if file is None else file
        self._due = time.monotonic() + delay if is_terminal(self._file) else float("inf")
        self._bar: Drawn | None = None
        self._task: TaskID | None = None

    def __call__(self, done: int, total: int) -> None:
        """Show that `done` of `total` steps are complete."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=total)
        elif time.monotonic() >= self._due:
            self._start(done, total)

    def close(self) -> None:
        """Erase the bar, if it is shown."""
        if self._bar is not None:
            self._bar.stop()

    def _start(self, done: int, total: int) -> None:
        """Draw the bar; without rich, disable it."""
        self._due = float("inf")
        try:
            from rich.console import Console
            from rich.progress import Progress
        except ImportError:
            return
        self._bar = Progress(console=Console(file=self._file), transient=True)
        self._task = self._bar.add_task(self._title, completed=done, total=total)
        self._bar.start()


def is_terminal(file: TextIO | None) -> bool:
    """True if and only if `file` is an open terminal; `sys.stderr` is None if it was closed."""
    return file is not None and not file.closed and file.isatty()
