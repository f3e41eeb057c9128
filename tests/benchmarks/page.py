"""Write the results of rounds.py into a page of the documentation: tables, bars, verdicts.

    python tests/benchmarks/page.py calls calls.json docs/benchmarks.md
    python tests/benchmarks/page.py shared shared.json docs/benchmarks-shared.md

The head of the page, down to the mark, stays as it is. A round's figure is the median of its
values; a figure in a table is the median of the rounds. The exit status is 0 whatever the figures.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import calls
import pyperf
import shared
from tables import LOOP, Measured, Table, Times, difference, number, ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

MARK = "<!-- Written by tests/benchmarks/page.py from here on. -->\n"

TABLES = {"calls": calls.TABLES, "shared": shared.TABLES}

BUSY = 0.5
"""Runnable programs a processor, averaged over a minute, that make the figures doubtful."""

Results = dict[str, list[Any]]
"""The runs of each benchmark that have values, one a round."""


def load(file: Path) -> Results:
    """The runs in a JSON file of pyperf, without those of the calibration."""
    suite = pyperf.BenchmarkSuite.load(str(file))
    return {one.get_name(): [run for run in one.get_runs() if run.values] for one in suite}


def measured_of(table: Table, results: Results) -> Measured:
    """The results of a table, in the order of the first round."""
    group = f"{table.group}: "
    runs = {name.removeprefix(group): results[name] for name in results if name.startswith(group)}
    times = {row: [median(run.values) * table.scale for run in runs[row]] for row in runs}
    return Measured(times, {row: [run.get_metadata() for run in runs[row]] for row in runs})


def without_loop(measured: Measured) -> Measured:
    """The results of the other rows without the time of the empty loop."""
    rows = [row for row in measured.times if row != LOOP]
    return Measured({row: difference(row, LOOP)(measured) for row in rows}, measured.facts)


def section(table: Table, measured: Measured, loop: Times) -> str:
    """A table with its heading and notes."""
    rows = [cells(table, row, measured) for row in measured.times]
    derived = {row: figure(measured) for row, figure in table.derived.items()}
    rows += [[row, *table.cells(times, [])] for row, times in derived.items() if times]
    absent = [row for row in table.rows if row not in measured.times and row != LOOP]
    notes = [table.note]
    if loop:
        notes.append(f"The empty loop takes {number(median(loop))} ns, subtracted from every row.")
    if absent or not rows:
        notes.append(f"Not measured: {'; '.join(absent) or 'nothing was found'}.")
    return markdown(table.title, table.columns, rows, " ".join(filter(None, notes)))


def cells(table: Table, row: str, measured: Measured) -> list[str]:
    """A row of a table."""
    times = ratio(row, table.compared)(measured)
    found = table.cells(measured.times[row], measured.facts[row])
    return [row, *found, *([number(median(times))] if times else [])]


def markdown(title: str, columns: Sequence[str], rows: list[list[str]], note: str = "") -> str:
    """A section as Markdown."""
    rule = [":--", *["--:"] * (len(columns) - 1)]
    lines = [f"| {' | '.join(row)} |" for row in [columns, rule, *rows]] if rows else []
    return "\n\n".join(filter(None, [f"## {title}", note, "\n".join(lines)])) + "\n"


def machine(results: Results) -> str:
    """The machine and the time: facts to judge the figures, none that identify the machine."""
    runs = [run.get_metadata() for found in results.values() for run in found]
    runs.sort(key=lambda facts: str(facts["date"]))
    first, load, processors = runs[0], runs[0]["load_avg_1min"], runs[0]["cpu_count"]
    facts = {
        "measured": f"{first['date'][:16]} to {runs[-1]['date'][:16]}",
        "rounds": max(map(len, results.values())),
        "processor": f"{first.get('cpu_model_name', 'unknown')}, {processors} of them",
        "system": first["system"],
        "libc": first["libc"],
        "Python": f"{first['python_version'].split()[0]} ({first['python_compiler']})",
        "glassheap": first["glassheap"],
        "cffi": first["cffi"],
        "load at the start": f"{load:.2f}",
    }
    if load > BUSY * processors:
        facts["load at the start"] += " (BUSY: measure again on a quiet machine)"
    return "".join(f"- {name}: {value}\n" for name, value in facts.items())


def figures(tables: Sequence[Table], results: Results) -> str:
    """The part of a page below the mark: machine, bars, tables."""
    bars, sections = [], []
    for table in tables:
        measured = measured_of(table, results)
        loop = measured.times.get(LOOP, [])
        measured = without_loop(measured) if loop else measured
        bars += [bar.cells(measured) for bar in table.bars]
        sections.append(section(table, measured, loop))
    head = markdown("The bars", ["what", "bar", "figure", "verdict"], bars)
    return "\n".join([machine(results), head, *sections])


def main() -> int:
    """Write the page."""
    parser = argparse.ArgumentParser(description="Write the results of rounds.py into a page.")
    add = parser.add_argument
    add("script", choices=TABLES, help="the script that was measured")
    add("results", type=Path, help="the JSON file of rounds.py")
    add("page", type=Path, help="the page to write")
    options = parser.parse_args()
    head, mark, _ = options.page.read_text("utf-8").partition(MARK)
    if not mark:
        parser.error(f"{options.page} has no line '{MARK.strip()}'")
    text = figures(TABLES[options.script], load(options.results))
    options.page.write_text(f"{head}{mark}\n{text}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
