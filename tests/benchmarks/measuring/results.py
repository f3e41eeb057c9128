"""The results of the parts of a benchmark: sections with tables and bars."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SIDES = {
    "at most": operator.le,
    "under": operator.lt,
    "at least": operator.ge,
    "more than": operator.gt,
}


class PeerMissingError(Exception):
    """Raised if a peer is not available on this machine; the message is the reason."""


@dataclass(frozen=True)
class Bar:
    """A target of the project; `figure` is None if it was not measured."""

    what: str
    side: str
    limit: float
    unit: str
    figure: float | None

    @property
    def reached(self) -> bool | None:
        """True if the figure is on the right side of the limit; None without a figure."""
        if self.figure is None:
            return None
        return bool(SIDES[self.side](self.figure, self.limit))

    def row(self) -> list[str]:
        """The row of a table: subject, bar, figure, verdict."""
        figure = "not measured" if self.figure is None else f"{number(self.figure)} {self.unit}"
        verdict = {None: "-", True: "reached", False: "NOT REACHED"}[self.reached]
        return [self.what, f"{self.side} {number(self.limit)} {self.unit}", figure, verdict]


@dataclass(frozen=True)
class Section:
    """A table with its title, notes, bars and samples."""

    title: str
    notes: list[str]
    columns: list[str]
    rows: list[list[str]]
    bars: list[Bar] = field(default_factory=list)
    samples: Mapping[str, list[float]] = field(default_factory=dict)
    """The figures of every round, by contender."""
    unit: str = ""
    """The unit of the samples."""


BAR_COLUMNS = ["what", "bar", "figure", "verdict"]


def number(value: float) -> str:
    """A number as text, with about three significant digits: 1.27, 48.3, 1,234."""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def middle(values: list[float]) -> str:
    """The median as text."""
    return number(median(values))


def spread(values: list[float]) -> str:
    """The minimum and the maximum as text."""
    return f"{number(min(values))} to {number(max(values))}"
