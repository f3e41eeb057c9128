"""Lists and counts in a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_LISTED = 16
"""The most items that a list names; the others are counted."""


def count_blocks(count: int) -> str:
    """A number of blocks."""
    return f"{count:,} block" + ("" if count == 1 else "s")


def listed(items: list[int], shown: Callable[[int], str]) -> str:
    """The first items, and the number of the others."""
    first = ", ".join(shown(item) for item in items[:MOST_LISTED])
    more = len(items) - MOST_LISTED
    return first + (f" and {more:,} more" if more > 0 else "")
