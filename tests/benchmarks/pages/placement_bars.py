"""The bars of docs/benchmarks-placement.md: limits that the project sets itself.

Most are ratios of two medians of one run, and so depend little on the machine. Where a bar is for
several workloads, the worst of them counts, and is named.
"""

from __future__ import annotations

from math import isnan, log, nan
from statistics import geometric_mean, linear_regression, mean
from typing import TYPE_CHECKING

from machine import ROOT
from tables import Row, bar, number

if TYPE_CHECKING:
    from tables import Results

TRACE, UNIFORM, LOG_NORMAL, LIFO = "trace:", "churn:uniform:", "churn:log-normal:", "lifo"
EVERY = (TRACE, UNIFORM, LOG_NORMAL, LIFO)
GROWTH = "growth"
"""The column beside the churns that holds the growth, which is no workload."""
LIVES = (100, 1_000, 10_000)
"""The live blocks of the churns by which growth is measured."""

CHURNS = [f"{kind}{live}" for kind in (UNIFORM, LOG_NORMAL) for live in (*LIVES, 100_000)]
TRACES = [f"{TRACE}{name}" for name in ("sqlite3", "cc1", "git", "jq")]
EARLIER = {
    "worst_fit": (
        *(69.7, 112.8, 99.1, 124.3),
        *(307.3, 421.6, 347.7, 777.4, 267.4, 457.2, 678.3, 908.3, 46.5),
    ),
    "buddy": (
        *(51.0, 51.9, 71.4, 138.7),
        *(89.7, 84.0, 109.5, 356.4, 122.1, 87.5, 101.6, 332.0, 65.4),
    ),
}
"""Medians of 2026-11-28 on an AMD EPYC, in ns: of the traces, the churns and one block at a time.

The times are to be halved. On another machine they say little.
"""

CORE, CORE_LINES = ("block", "policy", "space", "core"), 4_600
"""The folders of the core, and the lines that they had before it was rebuilt for speed."""


def add_growth(it: Results, kind: str) -> None:
    """Add the exponent k of the cost c * N^k, fitted on logarithmic axes."""
    for heap in it.rows(f"{kind}{LIVES[0]}"):
        costs = [log(it.figure(f"{kind}{live}/{heap}")) for live in LIVES]
        fitted = linear_regression([log(live) for live in LIVES], costs)
        it.values[f"{kind}{GROWTH}/{heap}"] = [fitted.slope]


def bars(it: Results) -> list[Row]:
    """Every bar."""
    return [*speed_bars(it), *instruction_bars(it), *memory_bars(it)]


def speed_bars(it: Results) -> list[Row]:
    """The bars of time."""
    fast, exact, lea = "segregated_fit", "first_fit", "dlmalloc"
    flat = it.figure(f"{UNIFORM}{GROWTH}/{exact}")
    unchecked = f"{fast}/no checks"
    return [
        worst(it, fast, lea, "at most 0.85 times", UNIFORM),
        worst(it, fast, lea, "at most 1.1 times", LOG_NORMAL),
        average(it, fast, lea, "at most 1.6 times", TRACE),
        worst(it, fast, lea, "at most 2.5 times", LIFO),
        average(it, fast, "conte tlsf", "at most 1 times", *EVERY),
        worst(it, fast, "conte tlsf", "at most 1.25 times", *EVERY),
        worst(it, "tlsf", fast, "at most 1.2 times", *EVERY),
        worst(it, exact, lea, "at most 1.7 times", UNIFORM),
        bar(f"{exact}, churn, uniform: growth from 100 to 10,000", "at most 0.15", flat),
        average(it, exact, lea, "at most 3 times", TRACE),
        worst(it, exact, lea, "at most 3 times", LIFO),
        worst(it, "next_fit", lea, "at most 4 times", *EVERY),
        worst(it, "best_fit", lea, "at most 4 times", *EVERY),
        halved(it, "worst_fit"),
        halved(it, "buddy"),
        worst(it, "quick_fit", lea, "at most 0.6 times", *(f"{UNIFORM}{live}" for live in LIVES)),
        worst(it, fast, unchecked, "at most 1.35 times", *EVERY),
    ]


def instruction_bars(it: Results) -> list[Row]:
    """The bars of code: instructions, which are exact, and lines."""
    limits = {"segregated_fit": (220, 340), "first_fit": (240, 620)}
    rows = [
        bar(
            f"{heap}, instructions a pair: {load}",
            f"at most {limit}",
            it.figure(f"instructions:{load}/{heap}"),
        )
        for heap, both in limits.items()
        for load, limit in zip(("lifo", "churn"), both, strict=True)
    ]
    files = [path for folder in CORE for path in (ROOT / "cpp" / folder).iterdir()]
    lines = sum(path.read_bytes().count(b"\n") for path in files)
    return [*rows, bar(f"lines of cpp/{{{','.join(CORE)}}}", f"at most {CORE_LINES:,}", lines)]


def memory_bars(it: Results) -> list[Row]:
    """The bars of memory."""
    columns = [*it.groups("outside:1 MiB", "outside:64 MiB"), *it.groups("beyond_records:")]
    own = [
        (it.figure(f"{column}/{heap}"), f"{heap}, {column.rpartition(':')[2]}")
        for column in columns
        if column != "outside:1 MiB, holes"
        for heap in it.rows(column)
    ]
    beyond, where = max(own, default=(nan, ""))
    return [
        used(it, "segregated_fit", "at least 0.947"),
        used(it, "segregated_fit", "at least 0.9465", outside=True),
        used(it, "best_fit", "at least 0.96"),
        bar(
            "memory outside the region without 16 bytes a free block, worst policy",
            "at most 3%",
            beyond * 100,
            where,
        ),
    ]


# --- One bar. -------------------------------------------------------------------------------------


def ratios(it: Results, heap: str, other: str, *kinds: str) -> dict[str, float]:
    """The ratio of two heaps on each workload on which both were measured.

    A kind is a workload, or the beginning of several up to a colon.
    """
    beginnings = tuple(kind for kind in kinds if kind.endswith(":"))
    loads = [load for load in it.groups(*kinds) if load in kinds or load.startswith(beginnings)]
    found = {load: it.ratio(f"{load}/{heap}", f"{load}/{other}") for load in loads}
    found = {load: ratio for load, ratio in found.items() if not load.endswith(GROWTH)}
    return {load: ratio for load, ratio in found.items() if not isnan(ratio)}


def worst(it: Results, heap: str, other: str, target: str, *kinds: str) -> Row:
    """The bar of the largest ratio."""
    found = ratios(it, heap, other, *kinds)
    what = f"{heap} / {other.replace(f'{heap}/', 'the same, ')}, {described(kinds)}"
    if not found:
        return bar(what, target, nan)
    load = max(found, key=lambda name: found[name])
    both = (number(it.figure(f"{load}/{name}")) for name in (heap, other))
    return bar(what, target, found[load], f"{load}: {' / '.join(both)} ns")


def average(it: Results, heap: str, other: str, target: str, *kinds: str) -> Row:
    """The bar of the geometric mean of the ratios."""
    found = [*ratios(it, heap, other, *kinds).values()]
    what = f"{heap} / {other}, {described(kinds)}, geometric mean"
    return bar(what, target, geometric_mean(found) if found else nan, f"of {len(found)}")


def halved(it: Results, heap: str) -> Row:
    """The bar of the time, compared with an earlier one."""
    earlier = dict(zip((*TRACES, *CHURNS, LIFO), EARLIER[heap], strict=True))
    known = {load: it.figure(f"{load}/{heap}") / ns for load, ns in earlier.items()}
    found = {load: ratio for load, ratio in known.items() if not isnan(ratio)}
    load = max(found, key=lambda name: found[name])
    both = f"{number(it.figure(f'{load}/{heap}'))} / {earlier[load]} ns"
    what = f"{heap} / its time of 2026-11-28, {described(EVERY)}"
    return bar(what, "at most 0.5 times", found[load], f"{load}: {both}")


def used(it: Results, heap: str, target: str, outside: bool = False) -> Row:
    """The bar of the mean utilisation by the three large traces."""
    kind, more = ("used", ", plus the memory outside it") if outside else ("used_region", "")
    shares = [it.figure(f"{kind}:{trace}/{heap}/headerless") for trace in ("cc1", "git", "jq")]
    what = f"{heap}/headerless, utilisation of the smallest region{more}, mean of cc1, git, jq"
    return bar(what, target, mean(shares))


def described(kinds: tuple[str, ...]) -> str:
    """The words for several kinds of workloads."""
    names = {
        (TRACE,): "traces",
        (UNIFORM,): "churn, uniform, each N",
        (LOG_NORMAL,): "churn, log-normal, each N",
        (LIFO,): "one block at a time",
        EVERY: "each workload",
    }
    return names.get(kinds, "churn, uniform, up to 10,000")
