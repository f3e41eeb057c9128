"""The results of the placement benchmark: the files of Google Benchmark, by workload and heap."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log, nan
from statistics import linear_regression, median
from typing import Any

TRACE, UNIFORM, LOG_NORMAL, LIFO = "trace", "churn:uniform", "churn:log-normal", "lifo"
TIMED = (TRACE, UNIFORM, LOG_NORMAL, LIFO)
"""The groups of workloads whose figures are times."""

REGIONS = {"4 KiB": 4096, "64 KiB": 64 << 10, "1 MiB": 1 << 20, "64 MiB": 64 << 20}
GROWTH_LIVES = (100, 1_000, 10_000)
"""The live blocks of the churns by which growth is measured."""


def group_of(workload: str) -> str:
    """The group of a workload: churn:uniform of churn:uniform:100."""
    return workload.rpartition(":")[0] or workload


@dataclass
class Runs:
    """The repetitions of one heap on one workload."""

    times: list[float] = field(default_factory=list)
    """Nanoseconds a step, of each repetition; or one time that is a lower bound."""
    failure: str = ""
    """`refused`, `over` for a lower bound, or `-` if the heap was not measured."""
    counters: dict[str, float] = field(default_factory=dict)

    def add(self, run: dict[str, Any]) -> None:
        """Add a repetition."""
        self.failure, _, bound = run.get("error_message", "").partition(" ")
        if bound:
            self.times = [float(bound)]
        elif not self.failure:
            self.counters = run
            if "steps" in run:
                self.times.append(run["cpu_time"] / run["steps"])

    @property
    def time(self) -> float:
        """The median of the times; nan if there is none."""
        return median(self.times) if self.times else nan


class Results:
    """The repetitions by workload and heap. A figure that was not measured is nan."""

    def __init__(self, results: dict[str, Any]) -> None:
        """Read the format of Google Benchmark, without its aggregates."""
        self.context: dict[str, Any] = results["context"]
        self.runs: dict[str, dict[str, Runs]] = {}
        for run in results["benchmarks"]:
            workload, _, heap = run["name"].partition("/")
            if run["run_type"] == "iteration":
                self.runs.setdefault(workload, {}).setdefault(heap, Runs()).add(run)

    def of(self, workload: str, heap: str) -> Runs:
        """The repetitions of a heap on a workload."""
        return self.runs.get(workload, {}).get(heap) or Runs(failure="-")

    def workloads(self, *groups: str) -> list[str]:
        """The workloads of the groups that were measured."""
        return [workload for workload in self.runs if group_of(workload) in groups]

    def time(self, workload: str, heap: str) -> float:
        """Nanoseconds a step, or a lower bound of them."""
        return self.of(workload, heap).time

    def ratio(self, workload: str, heaps: tuple[str, str]) -> float:
        """The time of the first heap over that of the second."""
        return self.time(workload, heaps[0]) / self.time(workload, heaps[1])

    def ratios(self, heaps: tuple[str, str], *groups: str) -> list[float]:
        """The ratios on all workloads of the groups; one nan if there is none."""
        found = [self.ratio(workload, heaps) for workload in self.workloads(*groups)]
        return [ratio for ratio in found if ratio > 0] or [nan]

    def churn_times(self, group: str, heap: str) -> list[float]:
        """The times by which growth is measured."""
        return [self.time(f"{group}:{live}", heap) for live in GROWTH_LIVES]

    def growth(self, group: str, heap: str) -> float:
        """The exponent k of the cost c * N^k, fitted on logarithmic axes."""
        costs = [log(time) for time in self.churn_times(group, heap)]
        return linear_regression([log(live) for live in GROWTH_LIVES], costs).slope

    def own_memory(self, region: int, heap: str) -> float:
        """The bytes of a heap outside its region."""
        return self.of(f"own_memory:{region}", heap).counters.get("own_memory", nan)

    def utilisation(self, trace: str, heap: str) -> tuple[float, float]:
        """Peak payload over the region and the memory outside it; and over the region alone."""
        heap = heap.replace("sequential_fit", "first_fit")  # the same addresses
        missing = {"payload": nan, "region": nan, "own_memory": nan}
        found = self.of(f"utilisation:{trace}", heap).counters or missing
        both = found["region"] + found["own_memory"]
        return found["payload"] / both, found["payload"] / found["region"]
