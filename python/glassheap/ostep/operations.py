"""What the homework is asked to do: operations listed by hand, or drawn at random.

    8. `random.seed(seed, version=1)`. Until enough operations are made: if `random.random()` is
       below percent / 100, allocate `int(random.random() * largest) + 1`; otherwise, if anything
       is live, free `live[int(random.random() * len(live))]`, where `live` holds the numbers of the
       live allocations in the order of their allocation; otherwise nothing is done or counted.
       A failed allocation uses up a number and is not live.

(The number of the rule goes on from those in `glassheap.model.free_list`.)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LARGEST = 2**63 - 1
ENTRY = re.compile(r"\s*([+-])\s*([0-9]+)\s*")
SHOWN = 40  # characters of a malformed entry


class Allocate(NamedTuple):
    """Allocate a block."""

    size: int
    """In bytes, without header and rounding."""


class Release(NamedTuple):
    """Free what an allocation returned."""

    number: int
    """Which one, counted from 0."""


Operation = Allocate | Release


class OperationList(NamedTuple):
    """The operations of `-A`, and how they were written."""

    text: str
    operations: tuple[Operation, ...]

    def __str__(self) -> str:
        return self.text

    @classmethod
    def parse(cls, text: str) -> OperationList:
        """Read a list such as "+10,+10,-0"; an empty text is an empty list.

        Raises ValueError, with a sentence that says which, if and only if an entry is malformed.
        """
        entries = text.split(",") if text else []
        return cls(text, tuple(_operation(entry, k) for k, entry in enumerate(entries, 1)))


def drawn(
    seed: int, count: int, largest: int, percent: int, live: Sequence[int]
) -> Iterator[Operation]:
    """Rule 8. The caller keeps `live` up to date between one operation and the next."""
    from random import Random

    random = Random()
    random.seed(seed, version=1)
    made = 0
    while made < count:
        if random.random() < percent / 100:
            yield Allocate(int(random.random() * largest) + 1)
        elif live:
            yield Release(live[int(random.random() * len(live))])
        else:
            continue
        made += 1


def _operation(entry: str, place: int) -> Operation:
    match = ENTRY.fullmatch(entry)
    if match is None:
        raise ValueError(
            f"{_which(entry, place)}; expected +SIZE or -NUMBER, with commas between them, "
            "as in +10,+10,-0"
        )
    digits = match[2].lstrip("0")
    if len(digits) > len(str(LARGEST)) or int(digits or "0") > LARGEST:
        raise ValueError(f"{_which(entry, place)}; expected a number up to {LARGEST}")
    return (Allocate if match[1] == "+" else Release)(int(digits or "0"))


def _which(entry: str, place: int) -> str:
    if not entry.strip():
        return f"entry {place} of the list is empty"
    shown = entry if len(entry) <= SHOWN else entry[: SHOWN - 3] + "..."
    return f"entry {place} of the list, {shown!r}, is no operation"
