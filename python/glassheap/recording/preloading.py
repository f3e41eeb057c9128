"""Runs a program with the recorder loaded before its libraries."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

PRELOAD, PATH = "LD_PRELOAD", "GLASSHEAP_TRACE"

FROM_THE_TERMINAL = (signal.SIGINT, signal.SIGQUIT)
"""The terminal sends these to the program as well."""
FROM_OTHERS = (signal.SIGTERM, signal.SIGHUP)
"""These are passed on to the program."""


def run(program: str, command: Sequence[str], recorder: str, path: str) -> int:
    """The exit status of a program, whose recording goes to `path`; 128 + N for a signal N.

    Raises OSError if and only if the program cannot be started.
    """
    started = subprocess.Popen(command, executable=program, env=environment(recorder, path))
    with started as process, outlived(process):
        status = process.wait()
    return status if status >= 0 else 128 - status


def environment(recorder: str, path: str) -> dict[str, str]:
    """The environment of this process, with the recorder before other libraries."""
    others = os.environ.get(PRELOAD)
    preload = f"{recorder}:{others}" if others else recorder
    return {**os.environ, PRELOAD: preload, PATH: path}


@contextmanager
def outlived(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Let signals end the program, and not this process before it."""

    def pass_on(number: int, _frame: FrameType | None) -> None:
        if number in FROM_OTHERS:
            process.send_signal(number)

    signals = [*FROM_THE_TERMINAL, *FROM_OTHERS]
    kept = [one for one in signals if signal.getsignal(one) != signal.SIG_IGN]
    before = {one: signal.signal(one, pass_on) for one in kept}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
