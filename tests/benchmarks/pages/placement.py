"""docs/benchmarks-placement.md: the cost of placement, beside other allocators."""

from __future__ import annotations

from statistics import geometric_mean, mean
from typing import TYPE_CHECKING

from tables import Page, brief, figures, head, number, section, table

from .placement_bars import LIFO, LOG_NORMAL, TRACE, UNIFORM, add_growth, bars

if TYPE_CHECKING:
    from tables import Results

TRACES = "A trace is played in a loop. Blocks that its program never freed are freed at its end."
CHURNS = (
    "N live blocks, by columns; a pair frees one at random and allocates a new one. The growth is "
    "the exponent k of N^k, fitted to N = 100, 1,000 and 10,000: 0 is flat, 1 linear."
)
SHORT = (
    "ns an operation of the traces (geometric mean), ns a pair of the others; the share of the "
    "region in use at its peak (mean of the traces). The bars and all figures follow."
)
USED = (
    "The peak payload, as a share of the smallest region found to serve the trace plus the heap's "
    "memory outside it. The search ends at a thousandth of the payload or 4 KiB. sequential_fit, "
    "which has the addresses of first_fit, and simple_seq_fit are too slow to be searched."
)
HOLES = "With holes: filled with blocks of 16 bytes, of which every other one was freed."
COUNTED = (
    "lifo is one block at a time; churn has 1,000 live blocks of 16 to 512 bytes. Counted by "
    "valgrind, so exact and independent of the machine."
)


def placement(it: Results) -> Page:
    """The page."""
    add_growth(it, UNIFORM)
    add_growth(it, LOG_NORMAL)
    lifo = "malloc(64) and free, on an otherwise empty heap."
    outside = "Memory outside the region, of a heap that was just opened, or has holes"
    sections = [
        in_short(it),
        head(it, bars(it)),
        figures(it, "Traces: ns an operation", "ns", it.groups(TRACE), TRACES),
        figures(it, "Churn, 16 to 512 bytes: ns a pair", "ns", it.groups(UNIFORM), CHURNS),
        figures(it, "Churn, log-normal sizes: ns a pair", "ns", it.groups(LOG_NORMAL), CHURNS),
        figures(it, "One block at a time: ns a pair", "ns", [LIFO], lifo),
        figures(it, "Instructions a pair", "", it.groups("instructions:"), COUNTED),
        figures(it, "Peak utilisation", "%", it.groups("used:"), USED),
        figures(it, "Peak utilisation of the region alone", "%", it.groups("used_region:")),
        figures(it, outside, "%", it.groups("outside:"), HOLES),
    ]
    load, memory = f"{UNIFORM}1000/", "outside:64 MiB/"
    peers = [f"{load}{peer}" for peer in ("dlmalloc", "libc malloc", "mimalloc")]
    used = [f"used:cc1/{policy}/headerless" for policy in ("segregated_fit", "first_fit")]
    walk, fast = f"{load}sequential_fit", f"{load}segregated_fit"
    summary = [
        brief(it, "a pair in C++, `first_fit`, 1,000 blocks", "ns", f"{load}first_fit", walk),
        brief(it, "the same, `segregated_fit`", "ns", fast, *peers),
        brief(it, "peak utilisation, `cc1`, `segregated_fit`", "%", *used),
        brief(it, "memory outside 64 MiB", "%", f"{memory}first_fit", f"{memory}best_fit"),
    ]
    return sections, summary


def in_short(it: Results) -> str:
    """The section that shows one figure of each kind for each heap."""
    loads = (LIFO, f"{UNIFORM}1000", f"{UNIFORM}100000", f"{LOG_NORMAL}1000")
    traces = it.groups(TRACE)
    rows = [
        [
            heap,
            number(geometric_mean([it.figure(f"{trace}/{heap}") for trace in traces])),
            *(number(it.figure(f"{load}/{heap}")) for load in loads),
            number(share_in_use(it, heap), "%"),
        ]
        for heap in it.rows(LIFO)
        if not heap.endswith("/no checks")
    ]
    titles = ["traces", "one block", "churn 1,000", "churn 100,000", "log-normal 1,000", "in use"]
    return section("In short", table(["", *titles], rows), SHORT)


def share_in_use(it: Results, heap: str) -> float:
    """The mean utilisation by the traces; nan if the heap was not searched."""
    return mean(it.figure(f"{trace}/{heap}") for trace in it.groups("used_region:"))
