"""Ctrl-C, and SIGTERM as `kill`, `timeout` and schedulers of batches send it: they end a command.

Python's default for SIGTERM ends the process at once, and leaves its temporary folders behind; that
for Ctrl-C raises again in the middle of what the first one made the command do.
"""

from __future__ import annotations

import atexit
import signal
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import TypeAlias

    from typing_extensions import Self

    Handler: TypeAlias = Callable[[int, FrameType | None], object] | signal.Handlers

DEFAULTS: dict[signal.Signals, Handler] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
}
"""The signals, and the handlers that they have in a new Python."""


class Interruptions:
    """While it is entered, the first Ctrl-C or SIGTERM interrupts the command; others do nothing.

    A signal that the caller ignores or handles stays the caller's.  The handler is a function
    because a program that the command starts would inherit that a signal is ignored.
    """

    def __init__(self) -> None:
        self.first: int | None = None
        """The number of the first signal; of two before Python handles any, that of Ctrl-C."""
        self._raises = False
        self._taken: list[signal.Signals] = []
        self._report = sys.unraisablehook

    def __enter__(self) -> Self:
        """Take the signals; only the main thread of a process can."""
        if threading.current_thread() is threading.main_thread():
            self._taken = [one for one in DEFAULTS if signal.getsignal(one) == DEFAULTS[one]]
        for number in self._taken:
            signal.signal(number, self._handle)
        sys.unraisablehook = self._handle_lost
        return self

    def __exit__(self, *_: object) -> None:
        """Give the signals back; an interrupted process holds them back once it exits.

        Python gives up its handlers when it exits, and the status would be that of a later signal.
        """
        sys.unraisablehook = self._report
        if self.first is not None and self._taken:
            atexit.register(signal.pthread_sigmask, signal.SIG_BLOCK, self._taken)
        for number in self._taken:
            signal.signal(number, DEFAULTS[number])

    def begin(self) -> None:
        """From now on the first signal raises KeyboardInterrupt, also one that has come already."""
        self._raises = True
        if self.first is not None:
            raise KeyboardInterrupt

    def end(self) -> None:
        """The command is done: no signal raises any more."""
        self._raises = False

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.first is None:
            self.first = number
            if self._raises:
                raise KeyboardInterrupt

    def _handle_lost(self, lost: sys.UnraisableHookArgs) -> None:
        """Let the next signal raise, if the first did in a callback that cannot pass it on."""
        if issubclass(lost.exc_type, KeyboardInterrupt):
            self.first = None
        else:
            self._report(lost)
