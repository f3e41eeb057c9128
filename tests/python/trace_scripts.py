"""Read the scripts that the recorder writes, more strictly than users' traces are read.

This reader is independent of the package's. A line that is no operation, an `a` with a live ID, and
an `r` or `f` with an ID that is not live fail the test.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Totals(NamedTuple):
    """Totals of a script; sizes in bytes."""

    allocations: int
    resizes: int
    frees: int
    peak: int
    peak_blocks: int
    left: int
    left_bytes: int


def operations(lines: Iterable[str]) -> Iterator[tuple[str, int, int]]:
    """The letter, the ID and the size (0 for `f`) of every line except comments."""
    for number, line in enumerate(lines, 1):
        if line.startswith("#"):
            continue
        match = re.fullmatch(r"(?:([ar]) (\d+) (\d+)|(f) (\d+))\n", line)
        assert match, f"line {number} is no operation: {line!r}"
        yield match[1] or match[4], int(match[2] or match[5]), int(match[3] or 0)


def states(lines: Iterable[str]) -> Iterator[tuple[str, int, dict[int, int]]]:
    """After every operation: its letter, the live bytes, and one dictionary of ID to size."""
    live: dict[int, int] = {}
    current = 0
    for count, (letter, name, size) in enumerate(operations(lines), 1):
        assert (name in live) == (letter != "a"), f"operation {count}: {letter} {name}"
        current += size - live.pop(name, 0)
        if letter != "f":
            live[name] = size
        yield letter, current, live


def live_at_end(lines: Iterable[str]) -> dict[int, int]:
    """The blocks that the script never frees: ID to size."""
    live: dict[int, int] = {}
    for _, _, live in states(lines):  # noqa: B007
        pass
    return live


def totals(lines: Iterable[str]) -> Totals:
    letters: list[str] = []
    peak = peak_blocks = current = 0
    live: dict[int, int] = {}
    for letter, current, live in states(lines):
        letters.append(letter)
        peak = max(peak, current)
        peak_blocks = max(peak_blocks, len(live))
    a, r, f = map(letters.count, "arf")
    return Totals(a, r, f, peak, peak_blocks, len(live), current)
