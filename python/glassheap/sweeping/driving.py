"""The loop of a sweep: submits parts, yields rows as they are ready, and repeats what was lost."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, wait
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from glassheap.sweeping.errors import SweepError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Future

    from glassheap.sweeping.crews import Crew
    from glassheap.sweeping.parts import Part
    from glassheap.sweeping.row import Row
    from glassheap.sweeping.shelf import Shelf

ATTEMPTS = 3
"""How often a part is submitted whose worker dies, or one beside it in the pool."""


class Drive:
    """Parts on their way through a crew."""

    def __init__(self, parts: Iterable[Part], crew: Crew, shelf: Shelf) -> None:
        self._parts = [*parts]
        self._waiting = [*range(len(self._parts))]  # a heap: a lost part is the next again
        self._pending: dict[Future[Row], int] = {}
        self._crew = crew
        self._shelf = shelf
        self._parcels: dict[tuple[str, str], object] = {}
        self._left = Counter(part[:2] for part in self._parts)
        self._losses = Counter[int]()

    def rows(self) -> Iterator[Row]:
        """The rows, in the order in which they are ready.

        Raises `SweepError` if a part cannot be played, or if its worker died `ATTEMPTS` times.
        """
        try:
            while self._waiting or self._pending:
                self._fill()
                yield from self._collect()
        finally:
            for future in self._pending:
                self._crew.drop(future)

    def _fill(self) -> None:
        """Submit parts up to the crew's window, when half of it is free."""
        window = self._crew.window() if self._waiting else 0
        if 2 * len(self._pending) > window:
            return
        while self._waiting and len(self._pending) < window:
            number = heappop(self._waiting)
            self._pending[self._submit(self._parts[number])] = number

    def _submit(self, part: Part) -> Future[Row]:
        """Submit a part, and ship its trace before the first of its parts."""
        trace = part[:2]
        if trace not in self._parcels:
            self._parcels[trace] = self._crew.ship(self._shelf.file(*trace))
        try:
            return self._crew.submit(part, self._parcels[trace])
        except BrokenExecutor as error:
            raise SweepError(f"the executor is broken: {one_line(error)}") from error
        except RuntimeError as error:  # it is shut down
            raise SweepError(f"the executor takes no more parts: {one_line(error)}") from error

    def _collect(self) -> Iterator[Row]:
        """The rows of the parts that are complete; waits for one."""
        done = wait(self._pending, return_when=FIRST_COMPLETED).done
        for future in [it for it in self._pending if it in done]:  # in the order of the parts
            number = self._pending.pop(future)
            error = CANCELLED if future.cancelled() else future.exception()
            if error is None:
                self._finish(self._parts[number])
                yield future.result()
            elif isinstance(error, BrokenExecutor):
                self._lose(number, error)
            else:
                told = f"cannot replay {self._parts[number]}: {one_line(error)}"
                raise SweepError(told) from error

    def _finish(self, part: Part) -> None:
        """Let go of the trace after the last of its parts."""
        trace = part[:2]
        self._left[trace] -= 1
        if not self._left[trace]:
            self._parcels.pop(trace, None)

    def _lose(self, number: int, error: BaseException) -> None:
        """Have a part played again, before later ones, and its trace sent again."""
        part = self._parts[number]
        self._losses[number] += 1
        if self._losses[number] == ATTEMPTS:
            told = f"its worker died {ATTEMPTS} times; expected memory enough for every worker"
            raise SweepError(f"cannot replay {part}: {told}") from error
        self._parcels.pop(part[:2], None)
        heappush(self._waiting, number)


CANCELLED = BrokenExecutor("the part was cancelled")
"""Stands for the error of a part whose trace was lost with the workers that held it."""


def one_line(error: BaseException) -> str:
    """The first line of an error's message; its class if it has none."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__
