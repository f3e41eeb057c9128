"""The results of a page, read from the JSON of pyperf, Google Benchmark and measure.py; and tables.

A benchmark has the name GROUP/ROW. Its values are nanoseconds, a step if it has steps; of a figure
that needs no repetition, the figure. Its median is shown, with the least and the most in brackets.

A bar is a target that the project sets itself. Every bar is shown with its figure and a verdict.
None of them fails the run, which is a measurement and not a test.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections import defaultdict
from math import isnan, nan
from statistics import median
from typing import TYPE_CHECKING, Any

import pyperf
from tabulate import tabulate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Row = list[str]
Page = tuple[list[str], list[Row]]
"""The sections of a page, and its rows in the summary."""

SCALES = {"ms": 1e-6, "%": 100}
"""The units of a table that are not those of the values."""
TARGET = re.compile(r"(at most|at least) ([\d,.]+)(.*)")


class Results:
    """The values by name, in the order of the files; a figure that was not measured is nan."""

    def __init__(self, folder: Path) -> None:
        """Read every file in the folder."""
        self.values: dict[str, list[float]] = defaultdict(list)
        self.notes: dict[str, str] = {}
        """`refused`; `over`, if the only value is a lower bound; or a larger region."""
        self.facts: dict[str, Any] = json.loads((folder / "facts.json").read_text("utf-8"))
        for file in sorted(folder.glob("*.json")):
            content = json.loads(file.read_text("utf-8"))
            if "context" in content:
                self.add_google(content)
            elif "benchmarks" in content:
                self.add_pyperf(file)
        for name, figure in self.facts.get("figures", {}).items():
            self.values[name].append(figure)

    def add_google(self, content: dict[str, Any]) -> None:
        """Add the repetitions in a file of Google Benchmark, which may have been interleaved."""
        self.facts["machine"]["compiler"] = content["context"]["compiler"]
        for run in sorted(content["benchmarks"], key=lambda run: run["family_index"]):
            if run["run_type"] == "iteration":
                self.add_run(run["name"], run)

    def add_run(self, name: str, run: dict[str, Any]) -> None:
        """Add a repetition, or the reason why there is none."""
        reason, _, bound = run.get("error_message", "").partition(" ")
        if "used" in run:
            row = name.removeprefix("size:").partition("/iterations:")[0]
            self.values[f"used:{row}"] = [run["used"]]
            self.values[f"used_region:{row}"] = [run["used_region"]]
            return
        if not reason:
            self.values[name].append(run["cpu_time"] / run["steps"])
            reason = f"region × {run['region']:.0f}" if run["region"] > 1 else ""
        elif bound:
            self.values[name] = [float(bound)]
        self.notes[name] = reason

    def add_pyperf(self, file: Path) -> None:
        """Add the benchmarks in a file of pyperf."""
        for benchmark in pyperf.BenchmarkSuite.load(str(file)):
            unit = 1e9 if benchmark.get_unit() == "second" else 1
            self.values[benchmark.get_name()] += [it * unit for it in benchmark.get_values()]

    def groups(self, *beginnings: str) -> list[str]:
        """The groups that begin with one of these."""
        names = dict.fromkeys(name.partition("/")[0] for name in self.values)
        return [name for name in names if name.startswith(beginnings)]

    def rows(self, *groups: str) -> list[str]:
        """The rows of any of the groups."""
        names = [name.partition("/") for name in self.values]
        return list(dict.fromkeys(row for group, _, row in names if group in groups))

    def figure(self, name: str) -> float:
        """The median of a benchmark."""
        return median(self.values.get(name) or [nan])

    def ratio(self, name: str, other: str) -> float:
        """The ratio of two medians."""
        return self.figure(name) / self.figure(other)

    def cell(self, name: str, unit: str) -> str:
        """The figure and its spread, as text."""
        values, note = self.values.get(name), self.notes.get(name, "")
        if not values:
            return note or "-"
        middle, least, most = (number(find(values), unit) for find in (median, min, max))
        if note == "over":
            return f"over {middle}"
        spread = f" ({least} to {most})" if least != most else ""
        return f"{middle}{spread}{note and f', {note}'}"


def number(value: float, unit: str = "") -> str:
    """With about three significant digits: 0.957, 1.27, 48.3, 1,234; "-" for nan."""
    if isnan(value):
        return "-"
    value *= SCALES.get(unit, 1)
    digits = 3 - sum(abs(value) >= limit for limit in (1, 10, 1000))
    sign = unit if unit == "%" else ""
    return f"{value:,.{digits if value != int(value) else 0}f}{sign}"


# --- Sections and tables. -------------------------------------------------------------------------


def table(columns: Sequence[str], rows: Sequence[Row], side: str = "right") -> str:
    """A table whose first column is on the left."""
    aligned = ["left", *[side] * (len(columns) - 1)]
    return tabulate(rows, columns, tablefmt="pipe", colalign=aligned, disable_numparse=True)


def section(title: str, content: str, note: str = "") -> str:
    """A section of a page."""
    wrapped = textwrap.fill(note, 100, break_on_hyphens=False)
    return "\n\n".join(filter(None, [title and f"## {title}", wrapped, content]))


def figures(it: Results, title: str, unit: str, groups: Sequence[str], note: str = "") -> str:
    """The section of a group of benchmarks, or of several with the same rows, side by side."""
    rows = [
        [row, *(it.cell(f"{group}/{row}", unit) for group in groups)] for row in it.rows(*groups)
    ]
    columns = [unit] if len(groups) == 1 else [group.rpartition(":")[2] for group in groups]
    return section(title, table(["", *columns], rows), note)


def head(it: Results, bars: list[Row]) -> str:
    """The machine and the bars."""
    machine = [f"- {name}: {value}" for name, value in it.facts["machine"].items()]
    columns = ["what", "bar", "figure", "verdict"]
    return "\n".join([*machine, "", section("The bars", table(columns, bars))])


def bar(what: str, target: str, figure: float, where: str = "") -> Row:
    """The row of a bar, whose target is such as "at most 60 ns"."""
    side, limit, unit = TARGET.fullmatch(target).groups()  # type: ignore[union-attr]
    if isnan(figure):
        return [what, target, "not measured", "-"]
    over = figure - float(limit.replace(",", ""))
    reached = over <= 0 if side == "at most" else over >= 0
    verdict = "reached" if reached else "NOT REACHED"
    return [what, target, f"{number(figure)}{unit}{where and f' ({where})'}", verdict]


def brief(it: Results, what: str, unit: str, own: str, *others: str) -> Row:
    """A row of the summary: a figure, and others for comparison."""
    found = {name: f"{number(it.figure(name), unit)} {unit.strip('%')}" for name in (own, *others)}
    compared = (f"{found[name].strip()} {name.partition('/')[2]}" for name in others)
    return [what, found[own].strip(), "; ".join(compared)]
