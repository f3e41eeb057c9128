"""SIGTERM, as `kill`, `timeout` and schedulers of batches send it: a command ends as by Ctrl-C.

The default ends the process at once, and leaves its temporary folders behind.
"""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import FrameType

    from typing_extensions import Self


class Termination:
    """While it is entered, SIGTERM raises KeyboardInterrupt, unless the caller has a handler."""

    def __init__(self) -> None:
        self.came = False
        """True once there was one."""
        self._taken = False

    def __enter__(self) -> Self:
        """Take the signal; only the main thread of a process can."""
        ours = threading.current_thread() is threading.main_thread()
        self._taken = ours and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        if self._taken:
            signal.signal(signal.SIGTERM, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        """Give the signal back."""
        if self._taken:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _handle(self, _number: int, _frame: FrameType | None) -> NoReturn:
        self.came = True
        raise KeyboardInterrupt
