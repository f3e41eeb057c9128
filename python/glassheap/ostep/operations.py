"""The operations of the homework: a list from the command line, or random ones.

    8. `random.seed(seed, version=1)`. Until there are enough operations: if `random.random()` is
       below percent / 100, allocate `int(random.random() * largest) + 1`; otherwise, if any block
       is live, free `live[int(random.random() * len(live))]`, where `live` holds the numbers of the
       live allocations in the order of their allocation; otherwise nothing is done or counted.
       A failed allocation uses up a number and is not live.

(The other rules are in `glassheap.model.free_list`.)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LARGEST = 2**63 - 1
ENTRY = re.compile(r"\s*([+-])\s*([0-9]+)\s*")
MAX_SHOWN = 40  # characters of a malformed entry


class Allocate(NamedTuple):
    """Allocate a block."""

    size: int
    """Bytes requested, without header and rounding."""


class Free(NamedTuple):
    """Free the block of an allocation."""

    number: int
    """The number of the allocation, counted from 0."""


Operation = Allocate | Free


class OperationList(NamedTuple):
    """The operations of `-A`, and their original text."""

    text: str
    operations: tuple[Operation, ...]

    def __str__(self) -> str:
        return self.text

    @classmethod
    def parse(cls, text: str) -> OperationList:
        """Read a list such as "+10,+10,-0"; an empty text is an empty list.

        Raises ValueError, whose message names the entry, if and only if an entry is malformed.
        """
        entries = text.split(",") if text else []
        return cls(text, tuple(_operation(entry, k) for k, entry in enumerate(entries, 1)))


def random_operations(
    seed: int, count: int, largest: int, percent: int, live: Sequence[int]
) -> Iterator[Operation]:
    """Rule 8. The caller updates `live` after each operation."""
    from random import Random

    random = Random()
    random.seed(seed, version=1)
    made = 0
    while made < count:
        if random.random() < percent / 100:
            yield Allocate(int(random.random() * largest) + 1)
        elif live:
            yield Free(live[int(random.random() * len(live))])
        else:
            continue
        made += 1


def _operation(entry: str, place: int) -> Operation:
    match = ENTRY.fullmatch(entry)
    if match is None:
        raise ValueError(
            f"{_malformed(entry, place)}; expected +SIZE or -NUMBER, with commas between them, "
            "as in +10,+10,-0"
        )
    digits = match[2].lstrip("0")
    if len(digits) > len(str(LARGEST)) or int(digits or "0") > LARGEST:
        raise ValueError(f"{_malformed(entry, place)}; expected a number up to {LARGEST}")
    return (Allocate if match[1] == "+" else Free)(int(digits or "0"))


def _malformed(entry: str, place: int) -> str:
    """The first half of the message about entry number `place`."""
    if not entry.strip():
        return f"entry {place} of the list is empty"
    shown = entry if len(entry) <= MAX_SHOWN else entry[: MAX_SHOWN - 3] + "..."
    return f"entry {place} of the list, {shown!r}, is not an operation"
