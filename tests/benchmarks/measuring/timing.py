"""Contenders that take turns at the clock.

A machine is not equally fast all the time.  Running one contender to its end and then the next
would compare two moments rather than two contenders, so each is run for a moment, again and again,
in an order that moves on by one place every round.  Times of the same round belong together: the
empty loop of a round is taken off the others of that round, and ratios are formed within it.
"""

from __future__ import annotations

import gc
import timeit
from dataclasses import dataclass, field
from statistics import median
from time import process_time, process_time_ns
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

T = TypeVar("T")

Times = list[float]
"""Nanoseconds of one contender, a figure a round."""


@dataclass(frozen=True)
class Contender:
    """A statement to be run over and over; its names are local variables of the loop."""

    name: str
    statement: str
    names: Mapping[str, object] = field(default_factory=dict)

    def timer(self) -> timeit.Timer:
        """A timer of the statement, by processor time."""
        setup = "; ".join(f"{name} = names[{name!r}]" for name in self.names) or "pass"
        return timeit.Timer(self.statement, setup, process_time, {"names": self.names})


EMPTY_LOOP = Contender("the empty loop", "pass")


class Entry:
    """A contender with its timer, how often a turn runs its statement, and the times so far."""

    def __init__(self, contender: Contender, seconds: float) -> None:
        self.name = contender.name
        self.timer = contender.timer()
        self.number = repetitions(self.timer, seconds)
        self.times: Times = []

    def run(self) -> None:
        """Take one turn."""
        self.times.append(self.timer.timeit(self.number) / self.number * 1e9)


def race(contenders: Sequence[Contender], rounds: int, seconds: float) -> dict[str, Times]:
    """The times of one run of each statement by contender, and of the empty loop by its name.

    A turn takes about `seconds`.  The loop's time has been taken off the contenders'.
    """
    loop, *entries = (Entry(contender, seconds) for contender in (EMPTY_LOOP, *contenders))
    for entry in turns([loop, *entries], rounds):
        entry.run()
    net = {entry.name: differences(entry.times, loop.times) for entry in entries}
    return {EMPTY_LOOP.name: loop.times, **net}


def race_of_calls(calls: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, Times]:
    """The same for calls that take their own time and return it."""
    times: dict[str, Times] = {name: [] for name in calls}
    for name in turns(list(calls), rounds):
        times[name].append(calls[name]())
    return times


def turns(entries: Sequence[T], rounds: int) -> Iterator[T]:
    """Each entry once a round; who was first in one round is last in the next."""
    for turn in range(rounds):
        first = turn % len(entries)
        yield from entries[first:]
        yield from entries[:first]


def once(call: Callable[[], object]) -> float:
    """Nanoseconds of processor time of one call, with the garbage collector off."""
    gc.disable()
    try:
        start = process_time_ns()
        call()
        return process_time_ns() - start
    finally:
        gc.enable()


def repetitions(timer: timeit.Timer, seconds: float) -> int:
    """How often to run the statement so that it takes about `seconds`."""
    number = 1
    while (taken := timer.timeit(number)) < seconds / 8:
        number *= 2
    return max(1, round(number * seconds / taken))


def differences(times: Times, others: Times) -> Times:
    """Round by round."""
    return [time - other for time, other in zip(times, others, strict=True)]


def ratio(times: Times, others: Times) -> float:
    """How many times `others` the `times` are: the median of the rounds' ratios."""
    return median(time / other for time, other in zip(times, others, strict=True))
