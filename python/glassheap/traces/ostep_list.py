"""The list of operations of the OSTEP homework, as `glassheap ostep -A` takes it: `+10,+7,-0`.

`+SIZE` allocates, and `-k` frees the k-th allocation of the list, counted from 0.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from glassheap.traces.source import PLAIN, Numbers, Operation, Source
from glassheap.traces.trace import FREE, MALLOC

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT = "OSTEP list"
EXAMPLE = "an OSTEP list ('+10,+7,-0')"
ADDRESSES = False

LOOKS_LIKE = re.compile(rb"\A\s*[+-][0-9]+\s*(?:,|\Z)")
EXPECTED = "'+SIZE' or '-INDEX', joined by commas, with whole numbers below 2**64"


def operations(source: Source) -> Iterator[Operation]:
    """The operations of the list; `TraceError` at the first entry that is none."""
    numbers = Numbers()
    allocated = 0
    for number, line in enumerate(source.lines(), 1):
        for entry in line.strip().removesuffix(b",").split(b","):
            word = entry.strip()
            if not word and not line.strip():
                continue
            try:
                value = numbers[word[1:]]
            except ValueError:
                raise source.broken(number, entry, EXPECTED) from None
            if word.startswith(b"+"):
                yield number, MALLOC, allocated, value, PLAIN, None
                allocated += 1
            elif word.startswith(b"-"):
                yield number, FREE, value, 0, PLAIN, None
            else:
                raise source.broken(number, entry, EXPECTED)
