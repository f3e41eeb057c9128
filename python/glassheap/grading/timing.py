"""The time of a trace on the library: the median of many rounds, played in C++.

A round begins where the one before has freed all blocks.  A short trace has more rounds: the first
ones find a cold cache.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from glassheap._core import _play_foreign
from glassheap.grading.job import CALL
from glassheap.grading.library import Library, address_of

if TYPE_CHECKING:
    from glassheap.grading.job import Job, Place

ROUNDS = 7
"""The least number of rounds, if the time limit allows it."""
SECONDS = 0.05
"""The least time of all rounds, if they are not MOST."""
MOST = 1000
SHARE = 0.4
"""The share of the time limit after which no other round begins."""


def measure(library: Library, job: Job, place: Place) -> dict[str, object]:
    """Play the trace in rounds; the median of their nanoseconds.

    A round in which the library refuses more than in the first does not count: it measures a heap
    that is full, since the library does not use freed memory again.
    """
    began = time.monotonic()
    place.stage = CALL
    trace, functions = job.trace, addresses(library)
    rounds: list[tuple[int, int]] = []
    while not rounds or goes_on(len(rounds), time.monotonic() - began, job.seconds):
        columns = trace.kinds, trace.ids, trace.sizes
        rounds.append(_play_foreign(*columns, functions, place.words))
    refused = rounds[0][1]
    taken = sorted(nanoseconds for nanoseconds, no in rounds if no == refused)
    return {"nanoseconds": taken[len(taken) // 2]}


def goes_on(rounds: int, seconds: float, limit: float) -> bool:
    """True if another round is to be played after these, which took so long."""
    wanted = rounds < ROUNDS or seconds < SECONDS
    return wanted and rounds < MOST and seconds < SHARE * limit


def addresses(library: Library) -> tuple[int, int, int]:
    """The addresses of malloc, free and realloc."""
    functions = library.malloc, library.free, library.realloc
    malloc, free, realloc = map(address_of, functions)
    return malloc, free, realloc
