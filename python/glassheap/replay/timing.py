"""The time of a trace on a heap and on the C library's malloc, measured alike.

Each is the median of many rounds, played in C++ on memory that an earlier round has touched.  The
blocks that a round leaves are freed outside of its time.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from glassheap._core import Player
from glassheap.replay.measuring import play

if TYPE_CHECKING:
    from glassheap.replay.setup import Setup
    from glassheap.traces import Trace

SECONDS = 1
"""The time limit of the rounds on a heap; no round begins after 40 % of it."""
LIBC_SECONDS = 60
"""The time limit of the process for the C library."""


def median_nanoseconds(trace: Trace, setup: Setup, size: int, first: int) -> int:
    """The time of all operations in a heap of `size` bytes: the median of the rounds.

    The first has been played, and took `first` nanoseconds.
    """
    from glassheap.grading.timing import goes_on

    began = time.monotonic() - first / 1e9
    rounds = [first]
    with setup.heap(size) as heap:
        while goes_on(len(rounds), time.monotonic() - began, SECONDS):
            heap.reset()
            player = Player(heap, trace.id_count)
            play(player.play, trace, 0, len(trace))
            rounds.append(player.nanoseconds)
    return sorted(rounds)[len(rounds) // 2]


def libc_nanoseconds(trace: Trace) -> float | None:
    """The mean time of an operation of `trace` on malloc, realloc and free of the C library.

    In nanoseconds, in a process that does nothing else; alignments are not asked for.  None for an
    empty trace, for one that takes longer than a minute, where no process can be started, and on
    another system than Linux.
    """
    if sys.platform != "linux" or not len(trace):
        return None
    from glassheap.grading.job import TIME, Job, LibraryError
    from glassheap.grading.running import run

    try:
        result = run(Job(TIME, trace, seconds=LIBC_SECONDS)).result
    except (LibraryError, OSError):
        return None
    return result["nanoseconds"] / len(trace) if result else None
