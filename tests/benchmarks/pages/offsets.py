"""docs/kv_cache.md: offsets, beside first fit over a sorted list of holes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tables import Page, bar, figures, head

if TYPE_CHECKING:
    from tables import Results

OURS, THEIRS = "holes:OffsetHeap", "holes:SortedList of holes"


def holes(it: Results) -> Page:
    """The section about holes."""
    ratios = {row: it.ratio(f"{THEIRS}/{row}", f"{OURS}/{row}") for row in it.rows(OURS)}
    slowest = min(ratios, key=lambda row: ratios[row])
    faster = "at least {} times as fast".format
    most = "5,000 holes before it"
    bars = [
        bar("a pair behind 5,000 holes that do not fit", faster(50), ratios[most]),
        bar("the smallest advantage", faster(1), ratios[slowest], slowest),
    ]
    title = "A malloc and a free from Python"
    return [head(it, bars), figures(it, title, "ns a pair", [OURS, THEIRS])], []
