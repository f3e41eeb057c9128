"""A Dask cluster as a crew.  Needs the extra `dask`, on the workers too.

A trace is scattered to every worker before the first of its parts is submitted; a worker that
comes later fetches it from another.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

from glassheap.sweeping.crews import AHEAD
from glassheap.sweeping.driving import one_line
from glassheap.sweeping.errors import SweepError
from glassheap.sweeping.playing import play
from glassheap.sweeping.shelf import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from glassheap.sweeping.parts import Part
    from glassheap.sweeping.row import Row

PATIENCE = 10
"""Seconds to wait for the scheduler, and for its first worker."""


class ClusterCrew:
    """The workers of a Dask cluster.  Dask itself replays what a dead worker had."""

    def __init__(self, scheduler: str) -> None:
        self._scheduler = scheduler
        try:
            from distributed import Client
        except ImportError:
            told = "a scheduler needs Dask; install it with pip install 'glassheap[dask]'"
            raise SweepError(told) from None
        with self._errors():
            self._client = Client(scheduler, timeout=PATIENCE, set_as_default=False)
        try:
            with self._errors():
                self._client.wait_for_workers(1, timeout=PATIENCE)
        except BaseException:
            self._client.close()
            raise
        self._executor = self._client.get_executor(pure=False)

    def window(self) -> int:
        """A few parts for each thread of the workers that there are now."""
        with self._errors():
            threads: int = sum(self._client.nthreads().values())
        return AHEAD * max(1, threads)

    def ship(self, file: Path) -> object:
        """The trace, on every worker."""
        with self._errors():
            return self._client.scatter(load(file), broadcast=True)

    def submit(self, part: Part, parcel: object) -> Future[Row]:
        """Have a part played."""
        with self._errors():
            future: Future[Row] = self._executor.submit(play, part, parcel)
        return future

    def close(self, *, finished: bool) -> None:  # noqa: ARG002
        """Disconnect; the cluster stays."""
        self._client.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn the errors of a lost connection into a sentence."""
        try:
            yield
        except (OSError, asyncio.TimeoutError, RuntimeError, ValueError) as error:
            told = f"cannot use the cluster at {self._scheduler}: {one_line(error)}"
            raise SweepError(told) from error
