"""Turns the results of the placement benchmark into docs/benchmarks-placement.md.

    python tests/benchmarks/cpp/page.py .build/bench/placement.json > docs/benchmarks-placement.md

A bar is a limit that the project wants a figure to reach. Every bar is shown with its figure and
with `reached` or `NOT REACHED`. None of them fails the run, which is a measurement and not a test.
"""

from __future__ import annotations

import json
import sys
import textwrap
from math import isnan, nan
from pathlib import Path
from statistics import geometric_mean, mean

from results import LIFO, LOG_NORMAL, REGIONS, TIMED, TRACE, UNIFORM, Results, group_of

INTRODUCTION = """\
# Cost of placement

Time and memory of each policy, with headers and without, beside other allocators: recorded programs
and synthetic loads, played by a C++ program through `glassheap::Heap`, the interface under the
Python bindings, with all checks on. A program writes this page. In a clone, these commands measure
again, and write it again:

    cmake --preset bench && cmake --build --preset bench
    python tests/benchmarks/cpp/measure.py --traces FOLDER --page docs/benchmarks-placement.md

The rules are the same for all contenders: a load fills the heap, runs until the heap has settled,
and only then runs against the clock, in processor time. Each load has a process of its own, in
which Google Benchmark runs the repetitions of all contenders in random order; a malloc that is
preloaded has another one. A figure is the median of the repetitions, with their minimum and maximum
in brackets. A ratio is that of two medians. The files in `tests/benchmarks/cpp` have the details.

Measured in {rounds} repetitions of {seconds} s, on:

- date: {date:.10}
- processor: {processor}, {num_cpus} of them
- system: {system}
- libc: {libc malloc}
- compiler: {compiler}
- glassheap: {glassheap}
- load at the start: {load_avg[0]:.2f}{busy}
"""

BUSY = 0.5
"""From this number of runnable programs per processor, over a minute, figures are doubtful."""

REGION, SYSTEM = "a region of its own", "the system"
PEERS = {
    "boost dlmalloc": (SYSTEM, "libboost-container-dev"),
    "boost rbtree_best_fit": (REGION, "libboost-container-dev"),
    "boost simple_seq_fit": (REGION, "libboost-container-dev"),
    "tbb fixed_pool": (REGION, "libtbb-dev"),
    "std::pmr pools": (REGION, "libstdc++"),
    "libc malloc": (SYSTEM, "libc6"),
    "mimalloc": (SYSTEM, "libmimalloc2.0"),
    "jemalloc": (SYSTEM, "libjemalloc2"),
    "tcmalloc": (SYSTEM, "libtcmalloc-minimal4"),
}
"""The origin of each peer's memory, and its Debian package."""

CHURN = (
    "N live blocks; a pair frees one at random and allocates a new one. The clock starts after 2 N "
    "pairs. The region is twice the peak of the blocks, plus 64 KiB."
)
TRACES = (
    "A trace is played in a loop. Blocks that its program never freed are freed at its end. The "
    "region is twice the peak of its blocks, plus 64 KiB."
)
GROUPS = {
    TRACE: ("Traces: ns an operation", TRACES),
    UNIFORM: ("Churn, 16 to 512 bytes: ns a pair", CHURN),
    LOG_NORMAL: ("Churn, log-normal sizes: ns a pair", CHURN),
    LIFO: ("One block at a time: ns a pair", "malloc(64) and free, on an otherwise empty heap."),
}
"""The title and the note of each group of workloads that share a table."""

WALK = ("sequential_fit", "first_fit")
DLMALLOC = ("segregated_fit", "boost dlmalloc")
TLSF = ("segregated_fit", "tlsf")


def number(value: float) -> str:
    """With the significant digits: 0.957, 1.27, 48.3, 100, 1,234; "-" for nan."""
    if isnan(value):
        return "-"
    if abs(value) >= 1000 or value == int(value):
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def section(title: str, notes: list[str], columns: list[str], rows: list[list[str]]) -> str:
    """A section with a table."""
    rule = [":--", *["--:"] * (len(columns) - 1)]
    cells = [["-" if "nan%" in cell else cell for cell in row] for row in rows]
    table = [f"| {' | '.join(row)} |" for row in [columns, rule, *cells]]
    wrapped = [textwrap.fill(note, 100, break_on_hyphens=False) for note in notes]
    return "\n\n".join([f"## {title}", *wrapped, "\n".join(table)]) + "\n"


class Page:
    """The sections of the page."""

    def __init__(self, results: Results) -> None:
        self.results = results
        found = dict.fromkeys(heap for runs in results.runs.values() for heap in runs)
        self.policies = [heap for heap in found if heap not in PEERS]
        self.heaps = [*self.policies, *PEERS]

    def markdown(self) -> str:
        """The whole page."""
        busy = self.results.context["load_avg"][0] > BUSY * self.results.context["num_cpus"]
        note = " (BUSY: measure again on a quiet machine)" if busy else ""
        groups = [group for group in TIMED if self.results.workloads(group)]
        parts = [
            INTRODUCTION.format_map(self.results.context | {"busy": note}),
            section("The bars", [], ["what", "bar", "figure", "verdict"], self.bars()),
            self.contenders(),
            *map(self.times, groups),
            self.growth(),
            self.ratios(),
            self.utilisation(),
            self.own_memory(),
        ]
        return "\n".join(parts)

    def contenders(self) -> str:
        """The heaps, their versions, and those that are missing."""
        note = (
            "The contenders of glassheap lock, and check every pointer. std::pmr and "
            "Boost.Interprocess run without a lock. They have no realloc: a block is moved "
            "instead, as in dlmalloc where it cannot grow in place."
        )
        context = self.results.context
        rows = [[heap, context["glassheap"], REGION] for heap in self.policies]
        for heap, (memory, package) in PEERS.items():
            rows.append([heap, context.get(heap, f"MISSING (Debian: {package})"), memory])
        return section("Contenders", [note], ["name", "version", "memory comes from"], rows)

    def times(self, group: str) -> str:
        """The times on the workloads of one group."""
        title, note = GROUPS[group]
        workloads = self.results.workloads(group)
        rows = [[heap, *(self.cell(load, heap) for load in workloads)] for heap in self.heaps]
        notes = [note, *self.larger_regions(workloads)]
        return section(title, notes, ["by", *map(label, workloads)], rows)

    def cell(self, workload: str, heap: str) -> str:
        """The median, and in brackets the least and the most."""
        runs = self.results.of(workload, heap)
        if not runs.times:
            return runs.failure
        if runs.failure == "over":
            return f"over {number(runs.time)}"
        return f"{number(runs.time)} ({number(min(runs.times))} to {number(max(runs.times))})"

    def larger_regions(self, workloads: list[str]) -> list[str]:
        """A sentence that names the heaps that needed a larger region, if any did."""
        pairs = [(heap, load) for heap in self.heaps for load in workloads]
        times = {pair: self.results.of(*pair[::-1]).counters.get("region", 1) for pair in pairs}
        found = [f"{h} on {label(w)}: {n:.0f} times" for (h, w), n in times.items() if n > 1]
        sentence = f"Refused in that region, and run in a larger one: {'; '.join(found)}."
        return [sentence] if found else []

    def growth(self) -> str:
        """The growth of a churn's cost from 100 live blocks to 10,000."""
        note = "The exponent k of N^k, fitted to N = 100, 1,000 and 10,000: 0 is flat, 1 linear."
        k = self.results.growth
        groups = (UNIFORM, LOG_NORMAL)
        rows = [[heap, *(number(k(group, heap)) for group in groups)] for heap in self.heaps]
        columns = ["by", "16 to 512 bytes", "log-normal"]
        return section("Growth of the cost of a churn", [note], columns, rows)

    def ratios(self) -> str:
        """Pairs of heaps, compared on each workload."""
        note = (
            "The first contender's time over the second's, all with headers. Where a walk did not "
            "settle, the ratio is a lower bound."
        )
        rows, pairs = [], (WALK, DLMALLOC, TLSF)
        for load in self.results.workloads(*TIMED):
            name = f"{GROUPS[group_of(load)][0].partition(':')[0]}, {label(load)}"
            rows.append([name, *(number(self.results.ratio(load, pair)) for pair in pairs)])
        return section("Ratios", [note], ["load", *map(" / ".join, pairs)], rows)

    def utilisation(self) -> str:
        """The part of a heap's memory that its program can use."""
        note = (
            "The peak payload, as a share of the smallest region found to serve the trace plus the "
            "heap's memory outside it; in brackets, as a share of the region alone. The search "
            "ends at a thousandth of the payload or 4 KiB. sequential_fit has the addresses of "
            "first_fit, and so its figures."
        )
        traces = [label(load) for load in self.results.workloads("utilisation")]
        rows = []
        for heap in self.policies:
            shares = [self.results.utilisation(trace, heap) for trace in traces]
            rows.append([heap, *(f"{whole:.1%} ({region:.1%})" for whole, region in shares)])
        return section("Peak utilisation", [note], ["policy", *traces], rows)

    def own_memory(self) -> str:
        """The memory of a heap outside its region."""
        own = self.results.own_memory
        least = -worst([-own(4096, heap) for heap in self.policies])
        note = (
            "Bytes in brackets, for a heap that was just opened. A heap of 4,096 bytes needs at "
            f"least {number(least)} bytes outside its region."
        )
        rows = []
        for heap in self.policies:
            found = [(own(size, heap), size) for size in REGIONS.values()]
            rows.append([heap, *(f"{it / size:.1%} ({number(it)})" for it, size in found)])
        columns = ["policy", *(f"of {size}" for size in REGIONS)]
        return section("Memory outside the region", [note], columns, rows)

    def bars(self) -> list[list[str]]:
        """Every bar."""
        it, pair, slow, fast = self.results, " ns a pair", "first_fit", "segregated_fit"
        churn, used, parts = "first_fit, churn of 16 to 512 bytes, ", "cc1, git and jq", "% of it"
        slowest = worst(it.churn_times(UNIFORM, slow))
        walk = it.ratio(f"{UNIFORM}:100000", WALK)
        at_1000 = it.time(f"{UNIFORM}:1000", fast)
        on_traces, against_tlsf = it.ratios(DLMALLOC, TRACE), it.ratios(TLSF, *TIMED)
        on_average = geometric_mean(on_traces)
        shares = [it.utilisation(t, f"{fast}/headerless")[0] for t in ("cc1", "git", "jq")]
        sizes = [(100 / size, size, heap) for size in (1 << 20, 64 << 20) for heap in self.policies]
        own = worst([percent * it.own_memory(size, heap) for percent, size, heap in sizes])
        return [
            bar(f"{churn}growth from 100 to 10,000", "most", 0.1, "", it.growth(UNIFORM, slow)),
            bar(f"{churn}slowest of 100 to 10,000", "most", 80, pair, slowest),
            bar(f"{churn}sequential_fit at 100,000", "least", 300, " times as slow", walk),
            bar("first_fit, one block at a time", "most", 10, pair, it.time(LIFO, slow)),
            bar(f"{fast} / dlmalloc, mean of the traces", "most", 1.1, " times", on_average),
            bar(f"{fast} / dlmalloc, worst of the traces", "most", 1.1, " times", max(on_traces)),
            bar(f"{fast}, churn of 16 to 512 bytes, at 1,000", "most", 30, pair, at_1000),
            bar(f"{fast} / tlsf, worst of all loads", "most", 1, " times", max(against_tlsf)),
            bar(f"{fast}/headerless, utilisation, mean of {used}", "least", 0.9, "", mean(shares)),
            bar("memory outside the region, worst policy, from 1 MiB up", "most", 3, parts, own),
        ]


def worst(values: list[float]) -> float:
    """The largest; nan if one was not measured, or none."""
    return nan if any(map(isnan, values)) else max(values, default=nan)


def label(workload: str) -> str:
    """The name of a workload in the tables."""
    last = workload.rpartition(":")[2]
    if last.isdigit():
        return f"N = {int(last):,}"
    return "64 bytes" if last == LIFO else last


def bar(what: str, side: str, limit: float, unit: str, figure: float) -> list[str]:
    """The row of a bar: a figure is to be at `most` or at `least` a limit."""
    words = f"at {side} {number(limit)}{unit}"
    if isnan(figure):
        return [what, words, "not measured", "-"]
    reached = figure <= limit if side == "most" else figure >= limit
    return [what, words, f"{number(figure)}{unit}", "reached" if reached else "NOT REACHED"]


if __name__ == "__main__":
    print(Page(Results(json.loads(Path(sys.argv[1]).read_text()))).markdown(), end="")
