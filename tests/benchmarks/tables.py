"""The tables of the pages and their bars, declared beside the workloads of a script.

A bar is a target that the project sets itself. A missed bar is no failure: this is a benchmark, and
a timed test would fail on every busy machine.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workload import Workload

Times = list[float]
"""The figure of each round."""

Facts = list[Mapping[str, Any]]
"""The metadata of each round."""

LOOP = "the empty loop"
"""The row that is subtracted from the others of its table, round by round."""

NS, MS, ONE = 1e9, 1e3, 1
"""The units of a table in one unit of pyperf: a second, a byte."""


@dataclass(frozen=True)
class Measured:
    """The results of a table by row; a row that was not measured is absent."""

    times: dict[str, Times]
    facts: dict[str, Facts]

    def pairs(self, row: str, other: str) -> zip[tuple[float, float]]:
        """The figures of two rows in each round; empty if one of them is absent."""
        return zip(self.times.get(row, []), self.times.get(other, []), strict=False)


Figure = Callable[[Measured], Times]
"""A figure of each round, computed from the rows of a table; empty without them."""


def of(row: str) -> Figure:
    """The figures of a row."""
    return lambda measured: measured.times.get(row, [])


def ratio(row: str, other: str) -> Figure:
    """The ratio of a row to another one."""
    return lambda measured: [time / base for time, base in measured.pairs(row, other)]


def difference(row: str, other: str) -> Figure:
    """The difference of two rows."""
    return lambda measured: [time - base for time, base in measured.pairs(row, other)]


def worst(measured: Measured) -> Times:
    """The largest figure of all rows and rounds."""
    return [max(map(max, measured.times.values()))] if measured.times else []


def number(value: float) -> str:
    """A number as text, with about three significant digits: 1.27, 48.3, 1,234."""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def spread(times: Times, _facts: Facts | None = None) -> list[str]:
    """Two cells of a row: the median, and the minimum and the maximum."""
    return [number(median(times)), f"{number(min(times))} to {number(max(times))}"]


SIDES = {
    "at most": operator.le,
    "under": operator.lt,
    "at least": operator.ge,
    "more than": operator.gt,
}
TARGET = re.compile(rf"({'|'.join(SIDES)}) ([\d,.]+) (.+)")


@dataclass(frozen=True)
class Bar:
    """A target, such as "at most 60 ns", for the median of a figure."""

    what: str
    target: str
    figure: Figure

    def cells(self, measured: Measured) -> list[str]:
        """A row of the table of the bars: subject, bar, figure, verdict."""
        side, limit, unit = TARGET.fullmatch(self.target).groups()  # type: ignore[union-attr]
        times = self.figure(measured)
        if not times:
            return [self.what, self.target, "not measured", "-"]
        reached = SIDES[side](median(times), float(limit.replace(",", "")))
        figure = f"{number(median(times))} {unit}"
        return [self.what, self.target, figure, "reached" if reached else "NOT REACHED"]


@dataclass(frozen=True)
class Table:
    """A group of workloads, as a table in units of pyperf's unit times `scale`."""

    group: str
    title: str
    columns: Sequence[str]
    scale: float
    rows: Mapping[str, Workload]
    note: str = ""
    bars: Sequence[Bar] = ()
    cells: Callable[[Times, Facts], list[str]] = spread
    derived: Mapping[str, Figure] = field(default_factory=dict)
    """Rows that are computed from the measured ones."""
    compared: str = ""
    """The row whose ratio to each row is a further column."""
