"""The figures of a grade, and the score of the CS:APP malloc lab.

The score is the performance index of mdriver.c in the malloc lab of Bryant and O'Hallaron, Computer
Systems: A Programmer's Perspective:

    P = w U + (1 - w) min(1, T / Tlibc)        w = 0.6

U is the mean of the traces' utilisation, T the operations of all traces divided by their time.  A
library with a breach has 0.  The lab has a constant for Tlibc; here it is measured on the same
traces, in the same manner, on the same machine, or given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glassheap.grading.job import Breach

WEIGHT = 0.6
"""The weight w of the utilisation."""

MUCH_MORE = 1.25
"""If all requests have so many times the bytes of the peak, most allocators use memory again."""


@dataclass(frozen=True)
class TraceGrade:
    """One trace on the library.  The figures after `breaches` are 0 if it broke a rule."""

    trace: str
    """The name of the trace."""
    operations: int
    """The number of operations in the trace."""
    breaches: tuple[Breach, ...]
    """The rules that the library broke, in the order in which that was found."""
    peak_payload: int = 0
    """The maximum of the bytes requested in live blocks."""
    footprint: int = 0
    """The bytes of the heap: as the library tells, or else from the lowest to the highest address
    handed out, or in the pages that held a payload, whichever is less."""
    handed_out: int = 0
    """The sum of the bytes requested; a block that is resized in place counts for its growth."""
    reused: bool = True
    """True if a byte of a freed block was handed out again."""
    nanoseconds: float = 0
    """The time of the trace."""
    reference_nanoseconds: float = 0
    """The time of the trace on the C library's malloc; 0 if it was not measured."""

    @property
    def utilisation(self) -> float:
        """The peak of the payload over the footprint: 0 to 1."""
        return self.peak_payload / self.footprint if self.footprint else 0.0

    @property
    def throughput(self) -> float:
        """Operations a second; 0 if the time was not measured."""
        return per_second(self.operations, self.nanoseconds)

    @property
    def reference_throughput(self) -> float:
        """Operations a second of the C library; 0 if they were not measured."""
        return per_second(self.operations, self.reference_nanoseconds)

    def remarks(self) -> list[str]:
        """Sentences about a trace that broke no rule."""
        enough = 0 < MUCH_MORE * self.peak_payload <= self.handed_out
        if self.breaches or self.reused or not enough:
            return []
        return [
            f"the library never hands out freed memory again: at most {self.peak_payload:,} bytes "
            f"were live, {self.handed_out:,} were requested, and the heap has {self.footprint:,}"
        ]

    def as_dict(self) -> dict[str, object]:
        """The figures by name, in types that `json.dumps` accepts."""
        return {
            "trace": self.trace,
            "operations": self.operations,
            "correct": not self.breaches,
            "breaches": [_breach(one) for one in self.breaches],
            "remarks": self.remarks(),
            "peak_payload": self.peak_payload,
            "footprint": self.footprint,
            "utilisation": self.utilisation,
            "throughput": self.throughput,
            "reference_throughput": self.reference_throughput,
        }


@dataclass(frozen=True)
class Grade:
    """The result for a library."""

    library: str
    """The path of the library."""
    functions: tuple[str, ...]
    """The names of malloc, free and, if there is one, realloc."""
    rules: TraceGrade | None
    """The calls that few traces make; None if they were not checked."""
    traces: tuple[TraceGrade, ...]
    """The traces, in their order."""
    weight: float = WEIGHT
    """The weight of the utilisation in the score: 0 to 1."""
    reference: float | None = None
    """The operations a second that were given in the place of the C library's."""

    @property
    def all(self) -> tuple[TraceGrade, ...]:
        """The rules, if they were checked, and the traces."""
        return ((self.rules,) if self.rules else ()) + self.traces

    @property
    def breaches(self) -> int:
        """The number of rules broken, summed over the traces."""
        return sum(len(one.breaches) for one in self.all)

    @property
    def utilisation(self) -> float:
        """The mean of the traces' utilisation."""
        return sum(one.utilisation for one in self.traces) / len(self.traces)

    @property
    def throughput(self) -> float:
        """Operations a second, over all traces whose time was measured."""
        timed = [one for one in self.traces if one.nanoseconds]
        return per_second(sum(t.operations for t in timed), sum(t.nanoseconds for t in timed))

    @property
    def reference_throughput(self) -> float:
        """The operations a second that earn the full score for throughput."""
        if self.reference is not None:
            return self.reference
        timed = [one for one in self.traces if one.reference_nanoseconds]
        taken = sum(one.reference_nanoseconds for one in timed)
        return per_second(sum(one.operations for one in timed), taken)

    @property
    def utilisation_points(self) -> float:
        """The part of the score for utilisation."""
        return 0.0 if self.breaches else 100 * self.weight * self.utilisation

    @property
    def throughput_points(self) -> float:
        """The part of the score for throughput."""
        if self.breaches or not self.reference_throughput:
            return 0.0
        return 100 * (1 - self.weight) * min(1.0, self.throughput / self.reference_throughput)

    @property
    def score(self) -> float:
        """The performance index of the CS:APP malloc lab: 0 to 100."""
        return self.utilisation_points + self.throughput_points

    def as_dict(self) -> dict[str, object]:
        """The figures by name, in types that `json.dumps` accepts."""
        return {
            "library": self.library,
            "functions": list(self.functions),
            "correct": not self.breaches,
            "rules": self.rules.as_dict() if self.rules else None,
            "traces": [one.as_dict() for one in self.traces],
            "utilisation": self.utilisation,
            "throughput": self.throughput,
            "reference_throughput": self.reference_throughput,
            "weight": self.weight,
            "score": self.score,
        }


def per_second(operations: int, nanoseconds: float) -> float:
    """Operations a second; 0 if there was no time."""
    return operations / nanoseconds * 1e9 if nanoseconds else 0.0


def _breach(breach: Breach) -> dict[str, object]:
    return {
        "rule": breach.rule,
        "operation": breach.operation + 1 if breach.operation >= 0 else None,
        "times": breach.times,
        "sentence": breach.sentence,
    }
