"""What `import glassheap` adds to the start of the interpreter.

The two are started in turn, by the wall clock, because a user waits by it.  Each starts in an empty
folder, so that nothing there is imported by chance, and once beforehand, so that the files are in
the system's cache and compiled.  The figure is the median of the differences.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from statistics import median
from time import perf_counter_ns
from typing import TYPE_CHECKING

from measuring.results import Bar, Section, middle, spread
from measuring.timing import differences, race_of_calls

if TYPE_CHECKING:
    from collections.abc import Callable

PLAIN = "pass"
IMPORTING = "import glassheap"
MOST = 15
"""Milliseconds."""

STARTS_A_ROUND = 3


def measure(rounds: int, _seconds: float) -> Section:
    """Milliseconds of both, and between them."""
    with tempfile.TemporaryDirectory() as folder:
        calls = {code: starter(code, folder) for code in (PLAIN, IMPORTING)}
        for call in calls.values():
            call()
        times = race_of_calls(calls, rounds * STARTS_A_ROUND)
    added = differences(times[IMPORTING], times[PLAIN])
    rows = [[f"python -c '{code}'", middle(times[code]), spread(times[code])] for code in calls]
    return Section(
        title="The start of the interpreter",
        notes=[f"Each command was started {rounds * STARTS_A_ROUND} times."],
        columns=["what", "ms", "all rounds"],
        rows=[*rows, ["the import adds", middle(added), spread(added)]],
        bars=[Bar("import glassheap, added to the start", "at most", MOST, "ms", median(added))],
        samples=times,
        unit="ms",
    )


def starter(code: str, folder: str) -> Callable[[], float]:
    """A call that runs an interpreter to its end and returns the milliseconds that took."""

    def start() -> float:
        begun = perf_counter_ns()
        subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
        return (perf_counter_ns() - begun) / 1e6

    return start
