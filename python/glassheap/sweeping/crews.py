"""Crews: what plays the parts of a sweep.  Here: processes, and any executor.

A worker process ends when the caller does, however that ends: it waits for the end of a pipe whose
other end the caller alone holds.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Protocol

from glassheap.sweeping.playing import play

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor, Future
    from multiprocessing.connection import Connection
    from pathlib import Path

    from glassheap.sweeping.parts import Part
    from glassheap.sweeping.row import Row

AHEAD = 4
"""Parts submitted for each worker: enough that none is idle while rows are handled."""
INTERRUPTS = {signal.SIGINT, signal.SIGTERM}
"""The signals that the command line takes as an interruption."""
UNKNOWN = 64
"""Parts submitted to an executor that does not say how many workers it has."""


class Crew(Protocol):
    """Workers that play parts."""

    def window(self) -> int:
        """The number of parts that should be submitted at a time, at least 1."""
        ...

    def ship(self, file: Path) -> object:
        """The parcel that brings the trace in this file to the workers."""
        ...

    def submit(self, part: Part, parcel: object) -> Future[Row]:
        """Have a part played.  Raises `BrokenExecutor` if nothing plays any more."""
        ...

    def drop(self, future: Future[Row]) -> None:
        """Give up a part whose row nobody waits for."""
        ...

    def close(self, *, finished: bool) -> None:
        """End the workers, at once if the sweep is not finished."""
        ...


class ExecutorCrew:
    """The workers of an executor of the caller's, which stays open."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def window(self) -> int:
        """A number for every executor, because none says how many workers it has."""
        return UNKNOWN

    def ship(self, file: Path) -> object:
        """The file itself: the workers have the same disk."""
        return file

    def submit(self, part: Part, parcel: object) -> Future[Row]:
        """Have a part played."""
        return self._executor.submit(play, part, parcel)  # type: ignore[arg-type]

    def drop(self, future: Future[Row]) -> None:
        """Cancel the part, if no worker has begun it."""
        future.cancel()

    def close(self, *, finished: bool) -> None:
        """Nothing: the executor is the caller's."""


class ProcessCrew(ExecutorCrew):
    """Processes of this machine.  If one dies, all are replaced, and their parts are lost.

    They are spawned: a fork copies the locks of threads that it does not have.
    """

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._context = multiprocessing.get_context("spawn")
        self._lifeline, self._end = self._context.Pipe(duplex=False)
        self._pool = self._new_pool()

    def _new_pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(self._jobs, self._context, begin, (self._lifeline,))

    def window(self) -> int:
        """A few parts for each process."""
        return AHEAD * self._jobs

    def submit(self, part: Part, parcel: object) -> Future[Row]:
        """Have a part played, by new processes if one of the old ones has died."""
        with blocked_interrupts():  # a process starts here, and the signals are not for it
            try:
                return self._pool.submit(play, part, parcel)  # type: ignore[arg-type]
            except BrokenProcessPool:
                self._pool.shutdown()
                self._pool = self._new_pool()
                return self._pool.submit(play, part, parcel)  # type: ignore[arg-type]

    def drop(self, future: Future[Row]) -> None:
        """Do nothing: `close` ends the processes, and the pool would raise for a cancelled part."""

    def close(self, *, finished: bool) -> None:
        """End the processes; those of an unfinished sweep in the middle of a part.

        A second Ctrl-C has to wait: a process that still starts needs the locks of the pool.
        """
        with blocked_interrupts():
            if not finished:
                self._end.close()
            self._pool.shutdown(cancel_futures=True)
            self._end.close()
            self._lifeline.close()


def begin(lifeline: Connection) -> None:
    """Start a worker: Ctrl-C is the caller's, with which this process ends.

    It was started without SIGTERM too, with which the pool ends its processes.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTS)
    Thread(target=end_with, args=(lifeline,), daemon=True).start()


def end_with(lifeline: Connection) -> None:
    """End this process when the other end of the pipe is closed."""
    lifeline.poll(None)
    os._exit(1)


@contextmanager
def blocked_interrupts() -> Iterator[None]:
    """Hold Ctrl-C and SIGTERM back for a moment; a process that starts in it never gets one."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:  # one that has come already is raised by the next call, when it has blocked the others
        signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTS)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
