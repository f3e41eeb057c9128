"""`fit` finds the smallest region that serves a trace, and tells what fills it.

The oracle is a linear search from the smallest heap on, by `replay`, or call by call where the
trace asks for alignments. The parts of the region are counted again from the blocks of a heap.
"""

from __future__ import annotations

import json
from array import array
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from command_helpers import assert_mistake, printed, run
from glassheap import Heap, InvalidAlignment, OffsetHeap, OutOfMemory
from glassheap.replay import Setup, fit, fit_all, fitting, replay
from glassheap.replay.searching import smallest
from glassheap.traces import FREE, MALLOC, Trace
from sizing_helpers import NAMES, TRACES, each_layout, each_policy
from trace_helpers import read_text

pytestmark = pytest.mark.any_interpreter


def linear(trace: Trace, policy: str, layout: Setup) -> int:
    """The first size, from the smallest on, in which nothing fails."""
    options = layout._replace(policy=policy).options
    step = layout.granule or 16
    sizes = count(step, step)
    return next(size for size in sizes if not replay(trace, size, **options).failures)


@each_layout
@each_policy
@settings(max_examples=12)
@given(trace=TRACES)
def test_a_fit_is_that_of_a_linear_search(policy: str, layout: Setup, trace: Trace) -> None:
    found = fit(trace, policy=policy, headers=layout.headers, granule=layout.granule)
    assert (found.region, found.exact) == (linear(trace, policy, layout), True)
    assert (found.policy, found.headers, found.granule) == (policy, layout.headers, layout.step)
    assert found.peak_live == trace.peak_live


@each_layout
@each_policy
@settings(max_examples=12)
@given(trace=TRACES)
def test_the_parts_are_those_of_the_blocks_at_their_peak(
    policy: str, layout: Setup, trace: Trace
) -> None:
    """A heap with much room is played one operation further at a time."""
    found = fit(trace, policy=policy, headers=layout.headers, granule=layout.granule)
    extents, sizes = [], []
    held: dict[int, int] = {}
    with layout._replace(policy=policy).heap(1 << 16) as heap:
        places: dict[int, int] = {}
        for kind, block, size in zip(trace.kinds, trace.ids, trace.sizes, strict=True):
            if kind == FREE:
                heap.free(places.pop(block))
                del held[block]
            else:
                old = places.pop(block, None)
                if old is not None:  # never in place, which gives the same extents
                    heap.free(old)
                places[block] = heap.malloc(size)
                held[block] = size
            extents.append(sum(info.extent for info in heap.walk() if info.live))
            sizes.append((sum(held.values()), len(held)))
    at = extents.index(max(extents))
    live, blocks = sizes[at]
    assert (found.peak_operation, found.live) == (at + 1, live)
    assert found.header_bytes == (16 * blocks if layout.headers else 0)
    assert found.live + found.header_bytes + found.rounding == extents[at]
    assert found.region is not None
    assert found.fragmentation == found.region - extents[at] >= 0


def aligned_linear(trace: Trace, policy: str, layout: Setup) -> int:
    """As `linear`, call by call, with the alignments of the trace."""
    step = layout.granule or 16
    return next(size for size in count(step, step) if serves(trace, policy, layout, size))


def serves(trace: Trace, policy: str, layout: Setup, size: int) -> bool:
    """True if a heap serves it that is opened as a program would, wherever its pages are."""
    heap = (
        Heap(size, policy=policy, headers=layout.headers)
        if layout.granule is None
        else OffsetHeap(size, policy=policy, granule=layout.granule)
    )
    places: dict[int, int] = {}
    try:
        for kind, block, wanted, align in zip(
            trace.kinds, trace.ids, trace.sizes, trace.aligns, strict=True
        ):
            if kind == FREE:
                heap.free(places.pop(block))
            else:
                places[block] = heap.malloc(wanted, align=max(align, heap.granule))
    except (OutOfMemory, InvalidAlignment):
        return False
    return True


@each_layout
@each_policy
@settings(max_examples=6)
@given(trace=TRACES, data=st.data())
def test_a_fit_keeps_the_alignments_of_the_trace(
    policy: str, layout: Setup, trace: Trace, data: st.DataObject
) -> None:
    plain = [kind in (MALLOC, FREE) for kind in trace.kinds]
    stop = plain.index(False) if False in plain else len(plain)
    aligns = data.draw(st.lists(st.sampled_from([0, 16, 64, 256]), min_size=stop, max_size=stop))
    cut = replace(
        trace,
        kinds=trace.kinds[:stop],
        ids=trace.ids[:stop],
        sizes=trace.sizes[:stop],
        lines=trace.lines[:stop],
        aligns=array("Q", aligns),
    )
    found = fit(cut, policy=policy, headers=layout.headers, granule=layout.granule)
    assert (found.region, found.exact) == (aligned_linear(cut, policy, layout), True)


# --- The search -----------------------------------------------------------------------------------
@given(
    st.sets(st.integers(1, 60)), st.integers(1, 30), st.integers(1, 60), st.sampled_from([1, 16])
)
def test_a_search_with_time_finds_the_first_size_that_serves(
    good: set[int], low: int, limit: int, step: int
) -> None:
    limit = max(low, limit)
    good.add(limit)
    found = smallest(
        lambda size: size // step in good, low * step, limit * step, step, lambda: True
    )
    assert found == (min(one for one in good if low <= one <= limit) * step, True)


@given(st.sets(st.integers(1, 60)), st.integers(1, 30))
def test_a_search_without_time_finds_a_size_above_one_that_does_not_serve(
    good: set[int], low: int
) -> None:
    good.add(60)
    size, exact = smallest(good.__contains__, low, 60, 1, lambda: False)
    assert size in good
    assert size == low or size - 1 not in good
    assert exact == (size == low)


def test_a_search_in_vain_finds_nothing() -> None:
    assert smallest(lambda _: False, 16, 4096, 16, lambda: True) == (None, False)


def test_without_time_a_fit_says_so_unless_it_is_exact_anyway(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fitting, "OPERATIONS", 0)
    text = "a 0 100\na 1 100\nf 0\na 2 150\n"
    trace, resized = read_text(text), read_text(text + "r 1 200\n")
    for exact in (True, False):
        assert fit(trace, exact=exact).exact
        assert fit(resized, exact=exact).exact == exact
        assert fit(trace, policy="best_fit", exact=exact).exact == exact


NOT_MONOTONE = "a 9 16\na 3 112\na 0 48\na 2 16\nf 3\na 4 64\nf 2\na 1 128\nf 1\nf 0\n"
"""Worst fit serves it in 304 bytes, not in 368, and again in 384; halving finds the latter."""


def test_a_region_that_serves_is_found_below_one_that_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trace = read_text(NOT_MONOTONE)
    how: dict[str, Any] = {"policy": "worst_fit", "headers": False}
    failures = [replay(trace, size, **how).failures for size in (288, 304, 368, 384)]
    assert failures == [1, 0, 1, 0]
    assert fit(trace, **how)[3:5] == (304, True)
    monkeypatch.setattr(fitting, "OPERATIONS", 0)
    assert fit(trace, **how, exact=True)[3:5] == (304, True)
    assert fit(trace, **how)[3:5] == (384, False)


# --- The table ------------------------------------------------------------------------------------
SCRIPT = "a 0 100\na 1 200\nf 0\na 2 150\n"


def test_all_policies_and_layouts_are_fitted_by_default() -> None:
    fits = list(fit_all(read_text(SCRIPT)))
    assert [(one.policy, one.headers) for one in fits] == [
        (name, headers) for name in NAMES for headers in (True, False)
    ]
    assert json.loads(printed("fit", "-", "--json", stdin=SCRIPT)) == [
        one._asdict() for one in fits
    ]


def test_the_table_has_the_parts_and_names_the_smallest() -> None:
    """In the end 200 + 150 bytes live, in 208 + 160, behind a hole of 112."""
    lines = printed(
        "fit", "-", "--policy", "first_fit", "--policy", "buddy", "--no-headers", stdin=SCRIPT
    ).splitlines()
    assert lines[:3] == [
        "standard input (CS107 script), 4 operations",
        "peak live: 350 bytes; no region can be smaller",
        "",
    ]
    assert lines[4].split() == [
        "first_fit",
        "no",
        "headers",
        "480",
        "350",
        "0",
        "18",
        "112",
        "37.14%",
    ]
    assert lines[5].startswith("buddy")
    assert lines[7] == "smallest: 480 bytes, first_fit, no headers"


def test_a_granule_is_an_offset_heap() -> None:
    (one,) = json.loads(
        printed("fit", "-", "--policy", "tlsf", "--granule", "1K", "--json", stdin=SCRIPT)
    )
    assert (one["region"], one["headers"], one["granule"]) == (2048, False, 1024)


def test_a_request_that_no_region_holds_has_no_fit() -> None:
    done = run("fit", "-", "--policy", "tlsf", stdin=f"a 0 {2**63}\n")
    assert (done.returncode, done.stderr) == (3, "")
    assert "none: no region that this machine has memory for serves the trace" in done.stdout
    assert fit(read_text(f"a 0 {2**63}\n")).region is None


def test_misuse_is_reported_after_the_table() -> None:
    done = run("fit", "-", "--policy", "tlsf", stdin="a 0 8\nf 0\nf 0\n")
    assert done.returncode == 1
    assert done.stderr.startswith("glassheap: ")
    assert "note: " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        ("fit - --granule 3", "granule must be a power of two"),
        ("fit - --granule 0", "granule must be a power of two"),
        ("fit - --granule 4K --headers", "not allowed with argument"),
        ("fit - --policy tsf", "did you mean tlsf?"),
        ("fit none.rep", "cannot read none.rep"),
    ],
)
def test_a_mistake_is_one_sentence(arguments: str, phrase: str) -> None:
    assert_mistake(run(*arguments.split(), stdin=SCRIPT), phrase)
