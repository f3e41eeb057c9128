"""Recorded programs, replayed: the cost of an operation inside the heap, without Python around it.

The first replay of a trace finds the size of the region. Each round then uses a new region of that
size, so the figure includes the first access to its pages.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from glassheap import traces
from glassheap.replay import replay
from measuring.results import Section, middle, number, spread
from measuring.timing import Times, run_calls_interleaved

if TYPE_CHECKING:
    from pathlib import Path

    from glassheap.replay import Report
    from glassheap.traces import Trace

SUFFIXES = {".rep", ".script", ".trace"}
"""Suffixes of traces, before an optional .gz."""


def measure(folder: Path, rounds: int) -> Section:
    """Measure nanoseconds an operation for every trace under `folder`."""
    found, notes = read_all(folder)
    reports = {trace.name: replay(trace) for trace in found}
    calls = {trace.name: partial(play, trace, reports[trace.name].region) for trace in found}
    times = run_calls_interleaved(calls, rounds)
    return Section(
        title="Replayed traces",
        notes=notes,
        columns=["trace", "operations", "ns an operation", "all rounds", "region", "utilisation"],
        rows=[row(reports[name], taken) for name, taken in times.items()],
        samples=times,
        unit="ns",
    )


def play(trace: Trace, size: int) -> float:
    """Replay the trace once; nanoseconds an operation."""
    report = replay(trace, size)
    report.heap.close()
    return report.nanoseconds_per_operation


def read_all(folder: Path) -> tuple[list[Trace], list[str]]:
    """The traces under `folder`, and a sentence about each file that is not a valid trace."""
    found: list[Trace] = []
    notes: list[str] = []
    for file in sorted(path for path in folder.rglob("*") if is_named_as_trace(path)):
        result = read(file, file.relative_to(folder).as_posix())
        if isinstance(result, str):
            notes.append(result)
        else:
            found.append(result)
    return found, notes or ([] if found else ["There is no trace in the folder."])


def read(file: Path, name: str) -> Trace | str:
    """The trace, or a sentence with the reason why the file is skipped."""
    try:
        return traces.read(file, name)
    except traces.TraceError as error:
        return f"Skipped: {error}."


def is_named_as_trace(path: Path) -> bool:
    """True if the file has the name of a trace."""
    suffixes = path.suffixes[:-1] if path.suffix == ".gz" else path.suffixes
    return path.is_file() and bool(suffixes) and suffixes[-1] in SUFFIXES


def row(report: Report, times: Times) -> list[str]:
    """The row of a trace in the table."""
    return [
        report.name,
        number(report.operations),
        middle(times),
        spread(times),
        number(report.region),
        f"{report.peak_utilisation:.1%}",
    ]
