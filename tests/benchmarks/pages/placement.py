"""docs/benchmarks-placement.md: the cost of placement, beside other allocators."""

from __future__ import annotations

from math import isnan, log, nan
from statistics import geometric_mean, linear_regression, mean
from typing import TYPE_CHECKING

from tables import Page, Row, bar, brief, figures, head

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tables import Results

TRACE, UNIFORM, LOG_NORMAL, LIFO = "trace:", "churn:uniform:", "churn:log-normal:", "lifo"
LIVES = (100, 1_000, 10_000)
"""The live blocks of the churns by which growth is measured."""
GROWTH = "growth"
"""The column beside the churns that holds the growth, which is no workload."""

TRACES = "A trace is played in a loop. Blocks that its program never freed are freed at its end."
CHURNS = (
    "N live blocks, by columns; a pair frees one at random and allocates a new one. The growth is "
    "the exponent k of N^k, fitted to N = 100, 1,000 and 10,000: 0 is flat, 1 linear."
)
USED = (
    "The peak payload, as a share of the smallest region found to serve the trace plus the heap's "
    "memory outside it. The search ends at a thousandth of the payload or 4 KiB. sequential_fit "
    "has the addresses of first_fit, and so its figures."
)


def ratios(it: Results, heap: str, other: str, *kinds: str) -> list[float]:
    """The ratios of two heaps on these workloads; nan if there is none."""
    loads = [load for load in it.groups(*kinds) if not load.endswith(GROWTH)]
    found = [it.ratio(f"{load}/{heap}", f"{load}/{other}") for load in loads]
    return [ratio for ratio in found if not isnan(ratio)] or [nan]


def add_growth(it: Results, kind: str) -> None:
    """Add the exponent k of the cost c * N^k, fitted on logarithmic axes."""
    for heap in it.rows(f"{kind}{LIVES[0]}"):
        costs = [log(it.figure(f"{kind}{live}/{heap}")) for live in LIVES]
        fitted = linear_regression([log(live) for live in LIVES], costs)
        it.values[f"{kind}{GROWTH}/{heap}"] = [fitted.slope]


def bars(it: Results) -> list[Row]:
    """Every bar."""
    slow, fast, churn = "first_fit", "segregated_fit", "churn of 16 to 512 bytes"
    growth = it.figure(f"{UNIFORM}{GROWTH}/{slow}")
    slowest = worst(it.figure(f"{UNIFORM}{live}/{slow}") for live in LIVES)
    (walk,) = ratios(it, "sequential_fit", slow, f"{UNIFORM}100000")
    dlmalloc = ratios(it, fast, "boost dlmalloc", TRACE)
    tlsf = ratios(it, fast, "tlsf", TRACE, UNIFORM, LOG_NORMAL, LIFO)
    used = mean(it.figure(f"used:{trace}/{fast}/headerless") for trace in ("cc1", "git", "jq"))
    large = ("outside:1 MiB", "outside:64 MiB")
    own = worst(it.figure(f"{size}/{heap}") for size in large for heap in it.rows(*large))
    return [
        bar(f"{slow}, {churn}, growth from 100 to 10,000", "at most 0.1", growth),
        bar(f"{slow}, {churn}, slowest of 100 to 10,000", "at most 80 ns a pair", slowest),
        bar(f"sequential_fit / {slow}, {churn}, at 100,000", "at least 300 times", walk),
        bar(f"{slow}, one block at a time", "at most 10 ns a pair", it.figure(f"{LIFO}/{slow}")),
        bar(f"{fast} / dlmalloc, mean of traces", "at most 1.1 times", geometric_mean(dlmalloc)),
        bar(f"{fast} / dlmalloc, worst of the traces", "at most 1.1 times", max(dlmalloc)),
        bar(
            f"{fast}, {churn}, at 1,000", "at most 30 ns a pair", it.figure(f"{UNIFORM}1000/{fast}")
        ),
        bar(f"{fast} / tlsf, worst of all loads", "at most 1 times", max(tlsf)),
        bar(f"{fast}/headerless, utilisation, mean of cc1, git, jq", "at least 0.9", used),
        bar("memory outside the region, worst policy, from 1 MiB up", "at most 3%", own * 100),
    ]


def worst(values: Iterable[float]) -> float:
    """The largest; nan if one was not measured, or none."""
    found = list(values)
    return nan if any(map(isnan, found)) else max(found, default=nan)


def placement(it: Results) -> Page:
    """The page."""
    add_growth(it, UNIFORM)
    add_growth(it, LOG_NORMAL)
    lifo = "malloc(64) and free, on an otherwise empty heap."
    outside = "Memory outside the region, of a heap that was just opened"
    sections = [
        head(it, bars(it)),
        figures(it, "Traces: ns an operation", "ns", it.groups(TRACE), TRACES),
        figures(it, "Churn, 16 to 512 bytes: ns a pair", "ns", it.groups(UNIFORM), CHURNS),
        figures(it, "Churn, log-normal sizes: ns a pair", "ns", it.groups(LOG_NORMAL), CHURNS),
        figures(it, "One block at a time: ns a pair", "ns", [LIFO], lifo),
        figures(it, "Peak utilisation", "%", it.groups("used:"), USED),
        figures(it, "Peak utilisation of the region alone", "%", it.groups("used_region:")),
        figures(it, outside, "%", it.groups("outside:")),
    ]
    load, memory = f"{UNIFORM}1000/", "outside:64 MiB/"
    peers = [f"{load}{peer}" for peer in ("boost dlmalloc", "libc malloc", "mimalloc")]
    used = [f"used:cc1/{policy}/headerless" for policy in ("segregated_fit", "first_fit")]
    walk, fast = f"{load}sequential_fit", f"{load}segregated_fit"
    summary = [
        brief(it, "a pair in C++, `first_fit`, 1,000 blocks", "ns", f"{load}first_fit", walk),
        brief(it, "the same, `segregated_fit`", "ns", fast, *peers),
        brief(it, "peak utilisation, `cc1`, `segregated_fit`", "%", *used),
        brief(it, "memory outside 64 MiB", "%", f"{memory}first_fit", f"{memory}best_fit"),
    ]
    return sections, summary
