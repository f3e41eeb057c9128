"""The report as text for a terminal, as Markdown for the documentation, and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from measuring.results import BAR_COLUMNS, Bar, Section

if TYPE_CHECKING:
    from collections.abc import Iterator

BARS = "The bars"

INTRODUCTION = """\
# Cost of calls from Python

The time of calls from Python, beside other ways to do the same, all measured in one run. The
benchmark writes this page itself:

    {command}

Contenders take turns, in {rounds} rounds. A figure is the median of the rounds, with their minimum
and maximum beside it. A ratio is the median of the rounds' ratios. Calls are timed in processor
time, the start of the interpreter by the wall clock. Every contender of a pair has one block at a
time, in a heap that is otherwise empty: the best case for all of them alike.
`python tests/benchmarks/calls.py --help` and the files beside it have the details. The cost of
placement, by policy, is in [benchmarks-placement.md](benchmarks-placement.md).
"""


@dataclass(frozen=True)
class Report:
    """The results of a run, with its command and its machine."""

    command: str
    rounds: int
    machine: dict[str, str]
    sections: list[Section]
    introduction: str = INTRODUCTION
    """The start of the page, a format string with the command and the rounds."""

    @property
    def bars(self) -> list[Bar]:
        """The bars of all sections."""
        return [bar for section in self.sections for bar in section.bars]

    def bar_section(self) -> Section:
        """A section with all bars."""
        return Section(BARS, [], BAR_COLUMNS, [bar.row() for bar in self.bars])

    def as_dict(self) -> dict[str, object]:
        """The tables and the figures of every round, for JSON."""
        return {
            "command": self.command,
            "rounds": self.rounds,
            "machine": self.machine,
            "bars": [{**asdict(bar), "reached": bar.reached} for bar in self.bars],
            "sections": [asdict(section) for section in self.sections],
        }


def machine_lines(machine: dict[str, str]) -> list[str]:
    """The facts about the machine, one a line."""
    return [f"{name + ':':<20}{value}" for name, value in machine.items()]


def text(section: Section) -> str:
    """A section as text for a terminal."""
    lines = [section.title, "=" * len(section.title), *section.notes]
    if section.rows:
        lines += ["", *aligned([section.columns, *section.rows])]
    return "\n".join(lines) + "\n"


def aligned(rows: list[list[str]]) -> Iterator[str]:
    """Rows as lines with aligned columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *rest in rows:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        yield "  ".join([first.ljust(widths[0]), *cells]).rstrip()


def markdown(report: Report) -> str:
    """The whole report as a Markdown page."""
    head = report.introduction.format(command=report.command, rounds=report.rounds)
    machine = "\n".join(f"- {name}: {value}" for name, value in report.machine.items())
    sections = [report.bar_section(), *report.sections]
    return "\n".join([head, machine, "", *map(markdown_section, sections)]).rstrip() + "\n"


def markdown_section(section: Section) -> str:
    """A section as Markdown: heading, notes, table."""
    lines = [f"## {section.title}", "", *section.notes]
    if section.notes and section.rows:
        lines.append("")
    if section.rows:
        rule = [":--", *["--:"] * (len(section.columns) - 1)]
        lines += [f"| {' | '.join(row)} |" for row in [section.columns, rule, *section.rows]]
    return "\n".join(lines) + "\n"
