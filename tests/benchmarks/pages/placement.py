"""docs/benchmarks-placement.md: the cost of placement, beside other allocators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tables import Page, brief, figures, head

from .placement_bars import LIFO, LOG_NORMAL, TRACE, UNIFORM, add_growth, bars

if TYPE_CHECKING:
    from tables import Results

TRACES = "A trace is played in a loop. Blocks that its program never freed are freed at its end."
CHURNS = (
    "N live blocks, by columns; a pair frees one at random and allocates a new one. The growth is "
    "the exponent k of N^k, fitted to N = 100, 1,000 and 10,000: 0 is flat, 1 linear."
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
