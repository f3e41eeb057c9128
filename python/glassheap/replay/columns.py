"""Rows of texts as aligned lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def table_of(rows: Sequence[Sequence[str]], names: int = 1) -> list[str]:
    """A line for each row: the first `names` columns to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [_line(row, widths, names).rstrip() for row in rows]


def _line(row: Sequence[str], widths: Sequence[int], names: int) -> str:
    cells = zip(row, widths, strict=True)
    return "  ".join(
        text.ljust(width) if column < names else text.rjust(width)
        for column, (text, width) in enumerate(cells)
    )
