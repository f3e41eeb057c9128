"""Slices of a trace: the operations that one call of the loop in C++ plays.

A slice has a few thousand operations: few enough that Ctrl-C and the progress bar are handled
without visible delay, enough that the cost of the calls is negligible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SLICE = 4096
"""Operations played in one call: under a millisecond when they are quick."""


class Slice(NamedTuple):
    """The operations [start, stop); a `strict` slice ends at the first failure."""

    start: int
    stop: int
    strict: bool


def lenient(total: int) -> Iterator[Slice]:
    """The slices of `total` operations, all of which continue after a failure."""
    return (Slice(at, min(at + SLICE, total), False) for at in range(0, total, SLICE))


def strict(total: int, impossible: Iterable[int]) -> Iterator[Slice]:
    """Slices that end at the first failure; each impossible operation is a lenient slice."""
    start = 0
    for index in [*impossible, total]:
        for at in range(start, index, SLICE):
            yield Slice(at, min(at + SLICE, index), True)
        if index < total:
            yield Slice(index, index + 1, False)
        start = index + 1
