"""A progress bar for what takes long, and nothing for what does not.

Most replays are over before a bar could be drawn, so it appears only after half a second, only on a
terminal, and only if rich is installed.  It is drawn on stderr and wiped afterwards: what the
command prints on stdout is the same with and without it.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PATIENCE = 0.5
"""Seconds of work before a bar is worth looking at."""


class Bar:
    """Call it with (done, total) as often as you like, and close it.

        with contextlib.closing(Bar("replaying")) as bar:
            replay(trace, progress=bar)

    A call costs well under a microsecond until the bar is shown.
    """

    def __init__(
        self, title: str, *, file: TextIO | None = None, patience: float = PATIENCE
    ) -> None:
        self._title = title
        self._file = sys.stderr if file is None else file
        self._due = time.monotonic() + patience if is_terminal(self._file) else float("inf")
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __call__(self, done: int, total: int) -> None:
        """Show that `done` of `total` steps are behind us."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=total)
        elif time.monotonic() >= self._due:
            self._start(done, total)

    def close(self) -> None:
        """Wipe the bar, if there is one."""
        if self._bar is not None:
            self._bar.stop()

    def _start(self, done: int, total: int) -> None:
        """Draw the bar; without rich, never ask again."""
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
    """Whether somebody is watching `file`; it may be missing (closed before we began)."""
    return file is not None and not file.closed and file.isatty()
