"""Interleaved runs: the contenders take turns.

The speed of a machine varies over time.  To run one contender to its end and then the next would
compare two moments rather than two contenders.  So each contender runs for a moment in every round,
in an order that moves on by one place from round to round.  The time of the empty loop is
subtracted within a round, and ratios are formed within a round.
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
"""The nanoseconds of one contender in each round."""


@dataclass(frozen=True)
class Contender:
    """A statement to run repeatedly; its names are local variables of the loop."""

    name: str
    statement: str
    names: Mapping[str, object] = field(default_factory=dict)

    def timer(self) -> timeit.Timer:
        """A timer of the statement, by processor time."""
        setup = "; ".join(f"{name} = names[{name!r}]" for name in self.names) or "pass"
        return timeit.Timer(self.statement, setup, process_time, {"names": self.names})


EMPTY_LOOP = Contender("the empty loop", "pass")


class Entry:
    """A contender with its timer, the repetitions of its statement in a turn, and its times."""

    def __init__(self, contender: Contender, seconds: float) -> None:
        self.name = contender.name
        self.timer = contender.timer()
        self.number = repetitions(self.timer, seconds)
        self.times: Times = []

    def run(self) -> None:
        """Take one turn."""
        self.times.append(self.timer.timeit(self.number) / self.number * 1e9)


def run_interleaved(
    contenders: Sequence[Contender], rounds: int, seconds: float
) -> dict[str, Times]:
    """The times of one execution of each statement and of the empty loop, by name.

    A turn takes about `seconds`.  The time of the loop is subtracted from those of the contenders.
    """
    loop, *entries = (Entry(contender, seconds) for contender in (EMPTY_LOOP, *contenders))
    for entry in turns([loop, *entries], rounds):
        entry.run()
    net = {entry.name: differences(entry.times, loop.times) for entry in entries}
    return {EMPTY_LOOP.name: loop.times, **net}


def run_calls_interleaved(
    calls: Mapping[str, Callable[[], float]], rounds: int
) -> dict[str, Times]:
    """The figures of calls that measure themselves and return the figure, by name."""
    times: dict[str, Times] = {name: [] for name in calls}
    for name in turns(list(calls), rounds):
        times[name].append(calls[name]())
    return times


def turns(entries: Sequence[T], rounds: int) -> Iterator[T]:
    """Yield each entry once a round; the first entry of a round is the last of the next one."""
    for turn in range(rounds):
        first = turn % len(entries)
        yield from entries[first:]
        yield from entries[:first]


def time_once(call: Callable[[], object]) -> float:
    """Nanoseconds of processor time of one call, with the garbage collector off."""
    gc.disable()
    try:
        start = process_time_ns()
        call()
        return process_time_ns() - start
    finally:
        gc.enable()


def repetitions(timer: timeit.Timer, seconds: float) -> int:
    """The number of executions of the statement that takes about `seconds`."""
    number = 1
    while (taken := timer.timeit(number)) < seconds / 8:
        number *= 2
    return max(1, round(number * seconds / taken))


def differences(times: Times, others: Times) -> Times:
    """The difference in each round."""
    return [time - other for time, other in zip(times, others, strict=True)]


def ratio(times: Times, others: Times) -> float:
    """The ratio of `times` to `others`: the median of the rounds' ratios."""
    return median(time / other for time, other in zip(times, others, strict=True))
