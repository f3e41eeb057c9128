"""The smallest size that serves, where more is not always better.

Most policies are not monotone: a trace may fit in a region, and fail in one that is a little
larger, because the larger last block is chosen elsewhere.  So halving finds a size that serves,
next to one that does not, and there may be a smaller one.  The sizes below it are tried in
ascending order: if there is time for all of them, the size is exactly the smallest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Found(NamedTuple):
    """The result of a search."""

    size: int | None
    """The size; None if not even the limit serves."""
    exact: bool
    """True if no smaller size serves."""


def smallest(
    serves: Callable[[int], bool], low: int, limit: int, step: int, has_time: Callable[[], bool]
) -> Found:
    """The smallest multiple of `step` from `low` to `limit` that serves; all are multiples of it.

    O(log limit) sizes are tried, and then all sizes below the one found while `has_time()`.
    """
    refused = low - step
    size = low
    while not serves(size):
        if size >= limit:
            return Found(None, exact=False)
        refused, size = size, min(limit, size + max(step, size // 4 // step * step))
    size = halved(serves, refused, size, step)
    for below in range(low, size, step):
        if not has_time():
            return Found(size, exact=False)
        if serves(below):
            return Found(below, exact=True)
    return Found(size, exact=True)


def halved(serves: Callable[[int], bool], refused: int, size: int, step: int) -> int:
    """A size that serves, one step above one that does not, between these two."""
    while size - refused > step:
        middle = refused + (size - refused) // step // 2 * step
        if serves(middle):
            size = middle
        else:
            refused = middle
    return size
