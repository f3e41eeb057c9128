"""A grade as lines of text: a table of the traces, sentences about them, the score.

trace            operations  result   utilisation  Kops/s  libc Kops/s
short1.rep               12  right         66.20%  31,200       45,800
realloc-bal.rep      14,401  payload            -       -            -
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glassheap.grading.report import Grade, TraceGrade
    from glassheap.terminal import Line

TITLES = ("trace", "operations", "result", "utilisation", "Kops/s", "libc Kops/s")
LEFT = (0, 2)
"""The columns that begin at the left."""


def lines(grade: Grade) -> Iterator[Line]:
    """The lines, with their styles."""
    yield from table(grade)
    sentences = [*sentences_of(grade)]
    if sentences:
        yield []
        yield from sentences
    yield []
    yield from ([(line, "")] for line in totals(grade))


def table(grade: Grade) -> Iterator[Line]:
    """The figures of each trace, a line for each below a line of titles."""
    rows = [TITLES, *map(_row, grade.all)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    styles = ["title", *("error" if one.breaches else "" for one in grade.all)]
    for row, style in zip(rows, styles, strict=True):
        cells = (
            text.ljust(width) if column in LEFT else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        yield [("  ".join(cells).rstrip(), style)]


def sentences_of(grade: Grade) -> Iterator[Line]:
    """A line for each breach and each remark."""
    for one in grade.all:
        for breach in one.breaches:
            more = f" ({breach.times:,} times; this is the first)" if breach.times > 1 else ""
            yield [(f"{one.trace}: {breach.rule}: {breach.sentence}{more}", "error")]
        yield from ([(f"{one.trace}: {remark}", "")] for remark in one.remarks())


def totals(grade: Grade) -> list[str]:
    """The figures over all traces, and the score."""
    functions = ", ".join(grade.functions)
    lines = [f"{'functions':<14}{functions}"] if functions else []
    if grade.breaches:
        return [*lines, f"{'score':<14}0 of 100, since it broke a rule"]
    mean, points = f"{grade.utilisation:.2%}", f"{grade.utilisation_points:.1f}"
    speed = f"{kilo(grade.throughput)} of {kilo(grade.reference_throughput)} Kops/s"
    whose = "" if grade.reference else " (libc)"
    return [
        *lines,
        f"{'utilisation':<14}{mean}, {points} of {100 * grade.weight:g} points",
        f"{'throughput':<14}{speed}{whose}, {grade.throughput_points:.1f} of "
        f"{100 - 100 * grade.weight:g} points",
        f"{'score':<14}{grade.score:.0f} of 100",
    ]


def kilo(throughput: float) -> str:
    """Thousands of operations a second."""
    return f"{throughput / 1000:,.0f}"


def _row(one: TraceGrade) -> tuple[str, ...]:
    result = ", ".join(breach.rule for breach in one.breaches) or "right"
    measured = one.nanoseconds > 0
    return (
        one.trace,
        f"{one.operations:,}",
        result,
        f"{one.utilisation:.2%}" if measured else "-",
        kilo(one.throughput) if measured else "-",
        kilo(one.reference_throughput) if one.reference_nanoseconds else "-",
    )
