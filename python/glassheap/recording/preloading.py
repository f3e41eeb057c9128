"""Runs a program with the recorder loaded before its libraries."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from typing_extensions import Self

PRELOAD, PATH = "LD_PRELOAD", "GLASSHEAP_TRACE"

FROM_THE_TERMINAL = (signal.SIGINT, signal.SIGQUIT)
"""The terminal sends these to the program as well."""
FROM_OTHERS = (signal.SIGTERM, signal.SIGHUP)
"""These are passed on to the program."""


def run(program: str, command: Sequence[str], recorder: str, path: str) -> int:
    """The exit status of a program, whose recording goes to `path`; 128 + N for a signal N.

    Raises OSError if and only if the program cannot be started.
    """
    with (
        Signals() as signals,
        subprocess.Popen(command, executable=program, env=environment(recorder, path)) as process,
    ):
        signals.pass_on_to(process)
        status = process.wait()
    return status if status >= 0 else 128 - status


def environment(recorder: str, path: str) -> dict[str, str]:
    """The environment of this process, with the recorder before other libraries."""
    others = os.environ.get(PRELOAD)
    preload = f"{recorder}:{others}" if others else recorder
    return {**os.environ, PRELOAD: preload, PATH: path}


class Signals:
    """Signals that end the program, and not this process before it.

    One that comes before the program has started is passed on once it has.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []

    def __enter__(self) -> Self:
        """Take the signals that this process does not ignore."""
        signals = [*FROM_THE_TERMINAL, *FROM_OTHERS]
        kept = [one for one in signals if signal.getsignal(one) != signal.SIG_IGN]
        self._before = {one: signal.signal(one, self._handle) for one in kept}
        return self

    def __exit__(self, *_: object) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def pass_on_to(self, process: subprocess.Popen[bytes]) -> None:
        """Pass signals on to this program from now on."""
        self._process = process
        for number in self._early:
            process.send_signal(number)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if number in FROM_OTHERS and self._process is None:
            self._early.append(number)
        elif number in FROM_OTHERS and self._process is not None:
            self._process.send_signal(number)
