"""The rows of a sweep as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from glassheap.sweeping.row import Row

TITLES = (
    "trace",
    "policy",
    "layout",
    "region",
    "failures",
    "first at line",
    "peak utilisation",
    "fragmentation",
    "ns/operation",
)
TEXTS = 3
"""Columns of text, which are aligned to the left."""


def table(rows: Iterable[Row]) -> list[str]:
    """A line for each row below a line of titles."""
    texts = [TITLES, *map(cells, rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return [line(row, widths) for row in texts]


def cells(row: Row) -> tuple[str, ...]:
    """The texts of a row."""
    return (
        row.trace,
        row.policy,
        layout(row),
        f"{row.region:,}",
        f"{row.failures:,}",
        "-" if row.first_failure_line is None else f"{row.first_failure_line:,}",
        f"{row.peak_utilisation:.2%}",
        f"{row.external_fragmentation:.2%}",
        f"{row.nanoseconds_per_operation:.1f}",
    )


def layout(row: Row) -> str:
    """The layout of the heap."""
    if row.granule is not None:
        return f"granule {row.granule:,}"
    return "headers" if row.headers else "no headers"


def line(texts: tuple[str, ...], widths: list[int]) -> str:
    """The texts of a line in columns."""
    columns = enumerate(zip(texts, widths, strict=True))
    return "  ".join(
        text.ljust(width) if column < TEXTS else text.rjust(width)
        for column, (text, width) in columns
    )
