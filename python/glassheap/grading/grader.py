"""Grades a library: the rules of malloc, and then every trace."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from glassheap.grading.job import CHECK, NOBODY, TIME, Breach, Job, LibraryError, Names
from glassheap.grading.report import WEIGHT, Grade, TraceGrade
from glassheap.grading.rules import trace_of_rules
from glassheap.grading.running import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glassheap.progress import Progress
    from glassheap.traces import Trace


def grade(
    library: str | os.PathLike[str],
    traces: Sequence[Trace],
    *,
    names: Names | None = None,
    align: int = 16,
    heap: int | None = None,
    memory: int = 2**32,
    timeout: float = 10,
    weight: float = WEIGHT,
    reference: float | None = None,
    rules: bool = True,
    progress: Progress | None = None,
) -> Grade:
    """Play each trace on the library's malloc in a child process; check every answer, and time it.

    Args:
        library: The path of a shared library.
        traces: At least one trace.
        names: The names of the functions; by default they are found.
        align: The alignment (bytes) that every payload must have, a power of two.
        heap: The bytes that the library has. A request that exceeds them may be refused.
        memory: The bytes of address space that a child may have.
        timeout: The seconds that a child may take, for the checks and for the timing of a trace.
        weight: The weight of the utilisation in the score, from 0 to 1.
        reference: The operations a second for the full score; by default those of the C library.
        rules: True to check the calls that few traces make: free(NULL), realloc(p, 0) and others.
        progress: Called after every trace with the number of traces done and of all.

    Raises LibraryError if and only if the library cannot be loaded, lacks a function, or cannot
    start its heap; and the system's OSError if no child can be started. A library that crashes or
    hangs is a breach. Raises ValueError if and only if there is no trace. O(n log n) for n
    operations, and as long as the timeouts at most.
    """
    if not traces:
        raise ValueError("grade() needs a trace; expected at least one.")
    job = Job(
        CHECK, traces[0], os.path.abspath(library), names or Names(), align, heap, memory, timeout
    )
    grader = Grader(job, with_reference=reference is None)
    results = grader.grade_each(traces, progress)
    checked = grader.check_rules() if rules else None
    functions = tuple(grader.functions)
    return Grade(os.fspath(library), functions, checked, results, weight, reference)


@dataclass
class Grader:
    """Grades one trace after the other."""

    job: Job
    """The job of a child, for any trace."""
    with_reference: bool
    """True to time the C library too."""
    functions: Sequence[str] = ()
    """The names of the functions, once a child has found them."""

    def grade_each(
        self, traces: Sequence[Trace], progress: Progress | None
    ) -> tuple[TraceGrade, ...]:
        """Grade every trace, in order."""
        results = []
        for done, trace in enumerate(traces, 1):
            results.append(self.grade(trace))
            if progress is not None:
                progress(done, len(traces))
        return tuple(results)

    def grade(self, trace: Trace) -> TraceGrade:
        """Check the library on the trace; if it breaks no rule, time it."""
        job = replace(self.job, trace=trace)
        result, breaches = self.check(job)
        if breaches:
            return TraceGrade(trace.name, len(trace), breaches)
        timed = replace(job, task=TIME)
        outcome = run(timed)
        if outcome.breach is not None or outcome.result is None:
            found = (outcome.breach,) if outcome.breach else ()
            return TraceGrade(trace.name, len(trace), found)
        return TraceGrade(
            trace.name,
            len(trace),
            (),
            result["peak_payload"],
            result["footprint"],
            result["handed_out"],
            result["reused"],
            outcome.result["nanoseconds"],
            self.time_reference(timed) if self.with_reference else 0,
        )

    def check_rules(self) -> TraceGrade:
        """Check the calls that few traces make."""
        try:
            return self.check_alone(trace_of_rules(with_realloc=True))
        except LibraryError:  # it has no realloc, or else says so again
            return self.check_alone(trace_of_rules(with_realloc=False))

    def check_alone(self, trace: Trace) -> TraceGrade:
        """Check the library on a trace, and do not time it."""
        _, breaches = self.check(replace(self.job, trace=trace))
        return TraceGrade(trace.name, len(trace), breaches)

    def check(self, job: Job) -> tuple[dict[str, Any], tuple[Breach, ...]]:
        """Check the library on a trace: the figures, and the breaches in their order."""
        result, end = run(job)
        if result is None:
            return {}, (end,) if end else ()
        self.functions = result["names"]
        breaches = [Breach(*one) for one in result["breaches"]]
        return result, tuple(self.trace_back(job, one) for one in breaches)

    def trace_back(self, job: Job, breach: Breach) -> Breach:
        """For a changed payload, find the operation that changed it.

        A second run checks the block after every operation.
        """
        if breach.rule != "payload" or breach.block == NOBODY:
            return breach
        try:
            result, _ = run(replace(job, watched=breach.block))
        except LibraryError:
            return breach
        found = [Breach(*one) for one in result["breaches"]] if result else []
        culprits = (one for one in found if one.rule == "payload" and one.block == breach.block)
        return next((one._replace(times=breach.times) for one in culprits), breach)

    def time_reference(self, job: Job) -> float:
        """The nanoseconds of the C library for the same trace; 0 if it fails."""
        outcome = run(replace(job, library=None, names=Names()))
        return float(outcome.result["nanoseconds"]) if outcome.result else 0
