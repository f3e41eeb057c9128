"""A Dask cluster as a crew.  Needs the extra `dask`, on the workers too.

A trace is scattered to every worker before the first of its parts is submitted; a worker that
comes later fetches it from another.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import BrokenExecutor, CancelledError, Future
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from glassheap.sweeping.crews import AHEAD
from glassheap.sweeping.driving import one_line
from glassheap.sweeping.errors import SweepError
from glassheap.sweeping.playing import play
from glassheap.sweeping.shelf import load

if TYPE_CHECKING:
    from collections.abc import Iterator
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
            from distributed.comm.addressing import resolve_address
        except ImportError:
            told = "a scheduler needs Dask; install it with pip install 'glassheap[dask]'"
            raise SweepError(told) from None
        with self._errors():
            resolve_address(scheduler)  # the destructor of a client without one fails
            self._client = Client(scheduler, timeout=PATIENCE, set_as_default=False)
        try:
            with self._errors():
                self._client.wait_for_workers(1, timeout=PATIENCE)
        except BaseException:
            self._client.close()
            raise

    def window(self) -> int:
        """A few parts for each thread of the workers that there are now."""
        with self._errors():
            threads: int = sum(self._client.nthreads().values())
        return AHEAD * max(1, threads)

    def ship(self, file: Path) -> object:
        """The trace, on every worker.  One that was lost is sent under another key than before."""
        with self._errors():
            return self._client.scatter(load(file), broadcast=True, hash=False, timeout=PATIENCE)

    def submit(self, part: Part, parcel: object) -> Future[Row]:
        """Have a part played."""
        promise: Future[Row] = Future()
        promise.set_running_or_notify_cancel()
        with self._errors():
            future = self._client.submit(play, part, parcel, pure=False)
            future.add_done_callback(partial(settle, promise))
        return promise

    def drop(self, future: Future[Row]) -> None:
        """Cancel the part, if no worker has begun it."""
        future.cancel()

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


def settle(promise: Future[Row], future: Any) -> None:
    """Pass the outcome of a Dask future on; `Client.get_executor` passes not every loss on.

    A row that was lost before it was fetched, with its trace, counts as cancelled.
    """
    try:
        promise.set_result(future.result())
    except (CancelledError, asyncio.CancelledError):
        promise.set_exception(BrokenExecutor("the workers that had the trace are lost"))
    except Exception as error:  # noqa: BLE001 (the sweep raises it)
        promise.set_exception(error)
