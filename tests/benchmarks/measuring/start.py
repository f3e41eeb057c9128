"""The time that `import glassheap` adds to the start of the interpreter.

An interpreter with and one without the import are started in turn and timed by the wall clock,
which is the time that a user waits.  Each starts in an empty folder, so that no other module is
imported by chance, and once in advance, so that the files are cached and compiled.  The figure is
the median of the differences.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from statistics import median
from time import perf_counter_ns
from typing import TYPE_CHECKING

from measuring.results import Bar, Section, middle, spread
from measuring.timing import differences, run_calls_interleaved

if TYPE_CHECKING:
    from collections.abc import Callable

PLAIN = "pass"
IMPORTING = "import glassheap"
MOST = 15
"""The bar, in milliseconds."""

STARTS_A_ROUND = 3


def measure(rounds: int, _seconds: float) -> Section:
    """Measure milliseconds of both starts, and their difference."""
    with tempfile.TemporaryDirectory() as folder:
        calls = {code: starter(code, folder) for code in (PLAIN, IMPORTING)}
        for call in calls.values():
            call()
        times = run_calls_interleaved(calls, rounds * STARTS_A_ROUND)
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
    """A call that runs an interpreter to its end and returns the milliseconds."""

    def start() -> float:
        begun = perf_counter_ns()
        subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
        return (perf_counter_ns() - begun) / 1e6

    return start
