"""A replay executes exactly the operations of the trace, and its figures are the heap's.

The oracle is a second heap with the same operations as single calls. The figures are checked
against formulas, the chosen region against the next smaller one, and Ctrl-C between slices and at
the end of a slice.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import sys
from itertools import chain, repeat, starmap
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassheap import Heap, OutOfMemory, policies
from glassheap.replay import (
    ReplayInterrupted,
    Report,
    compare,
    replay,
    running,
    sizing,
    slices,
    table,
)
from glassheap.replay.setup import Setup
from glassheap.replay.timing import median_nanoseconds
from glassheap.traces import FREE, Trace
from trace_helpers import read_text, with_aligns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

NAMES = [policy.name for policy in policies()]
IDS, SIZES = st.integers(0, 9), st.integers(0, 2000)
FREES = st.builds("f {}\n".format, IDS)
TAKES = st.builds("{} {} {}\n".format, st.sampled_from("ar"), IDS, SIZES)
LINES = st.lists(st.one_of(TAKES, FREES), max_size=120)
TRACES = LINES.map(lambda lines: trace_of("".join(lines)))


def trace_of(text: str) -> Trace:
    return read_text("a 99 0\nf 99\n" + text)


def one_by_one(trace: Trace, size: int, policy: str, headers: bool) -> tuple[Heap, int]:
    """Run the operations as single calls; the heap, and the number of failed calls."""
    heap = Heap(size, base=0 if headers else None, policy=policy, headers=headers)
    held: dict[int, int] = {}
    failures = 0
    for kind, block, wanted in zip(trace.kinds, trace.ids, trace.sizes, strict=True):
        if kind == FREE:
            heap.free(held.pop(block, 0))
            continue
        try:
            held[block] = heap.realloc(held.get(block), wanted)
        except OutOfMemory:
            failures += 1
    return heap, failures


def blocks(heap: Heap) -> list[tuple[int, int, int, bool]]:
    base = heap.base
    return [(b.start - base, b.extent, b.size, b.live) for b in heap.walk()]


# --- Every policy, with and without headers -------------------------------------------------------
each_policy = pytest.mark.parametrize("policy", NAMES)
each_layout = pytest.mark.parametrize("headers", [True, False])


@pytest.mark.any_interpreter
@each_layout
@each_policy
@settings(max_examples=16)
@given(trace=TRACES, size=st.sampled_from([64, 512, 4096, 65536]))
def test_a_replay_has_the_effect_of_single_calls(
    policy: str, headers: bool, trace: Trace, size: int
) -> None:
    columns = trace.kinds[:], trace.ids[:], trace.sizes[:]
    report = replay(trace, size, policy=policy, headers=headers)
    assert columns == (trace.kinds, trace.ids, trace.sizes)
    heap, failures = one_by_one(trace, size, policy, headers)
    assert (report.policy, report.headers, report.failures) == (policy, headers, failures)
    assert blocks(report.heap) == blocks(heap)
    assert report.stats.requested == heap.stats().requested
    assert report.stats.peak_used == heap.stats().peak_used
    assert report.heap.check() == []


@each_layout
@pytest.mark.parametrize("policy", ["first_fit", "buddy"])
@given(size=st.integers(0, 5000))
def test_the_estimated_extent_of_a_block_is_exact(policy: str, headers: bool, size: int) -> None:
    with Heap(16384, policy=policy, headers=headers) as heap:
        heap.malloc(size)
        (taken,) = (info.extent for info in heap.walk() if info.live)
        assert sizing.layout(policy, headers).extent(size) == taken


def test_a_comparison_has_a_report_and_a_line_for_each_policy() -> None:
    trace = trace_of("".join(f"a {i} {i * 37 % 300}\n" for i in range(200)) + "f 7\n")
    reports = [*compare(trace, headers=False)]
    assert [report.policy for report in reports] == NAMES
    assert not any(report.headers or report.failures for report in reports)
    titles, *lines = table(reports)[: len(NAMES) + 1]
    assert len({len(line) for line in (titles, *lines)}) == 1
    for report, line in zip(reports, lines, strict=True):
        name, region, failures, utilisation, *_, nanoseconds = line.split()
        assert (name, region, failures) == (report.policy, f"{report.region:,}", "0")
        assert utilisation == f"{report.peak_utilisation:.2%}"
        assert nanoseconds == f"{report.nanoseconds_per_operation:.1f}"


def test_each_measure_of_a_comparison_is_in_the_column_of_its_name() -> None:
    trace = trace_of("".join(f"a {i} {i * 37 % 300}\n" for i in range(60)) + "f 7\nf 9\n")
    reports = [*compare(trace)]
    cells = {title: rows for text in tables(reports) for title, rows in text.items()}
    for report in reports:
        measures = report.measures
        assert measures is not None
        free, name = measures.at_end, report.policy
        ratios = [float(cells[f"J&W {n}"][name].rstrip("%")) / 100 for n in range(1, 5)]
        assert ratios == pytest.approx(measures.requested.johnstone_wilson, abs=0.0006)
        assert cells["free blocks"][name] == f"{free.blocks}"
        assert cells["external"][name] == f"{free.external:.2%}"
        assert cells["Sawicki"][name] == f"{free.sawicki:.2%}"
        assert cells["Pigweed"][name] == f"{free.pigweed:.2%}"
        assert cells["unusable"][name] == f"{free.unusable:.2%}"
        assert cells["internal"][name] == f"{measures.internal.all:.2%}"
        cost = "-" if measures.searched is None else f"{measures.searched:.1f}"
        assert cells["cost"][name] == cost


def tables(reports: list[Report]) -> Iterator[dict[str, dict[str, str]]]:
    """The cells of each table by title and policy; the last table is that of the end."""
    for text in "\n".join(table(reports)).split("\n\n"):
        titles, *lines = [line for line in text.splitlines() if line.startswith(("policy", *NAMES))]
        columns = re.split(r"  +", titles)
        rows = [re.split(r"  +", line) for line in lines]
        yield {title: {row[0]: row[at] for row in rows} for at, title in enumerate(columns) if at}


def test_a_comparison_with_the_c_library_has_its_time_in_every_report_and_in_a_last_row() -> None:
    trace = trace_of("".join(f"a {i} 30\nf {i}\n" for i in range(100)))
    (beside, *_), reports = libc_times(compare(trace, 4096, libc=True))
    alone = [*compare(trace, 4096)]
    assert {report.record()["libc_nanoseconds_per_operation"] for report in alone} == {None}
    assert not any(line.startswith("C library") for line in table(alone))
    if sys.platform == "linux":
        assert beside is not None
        assert 0 < beside < 1e6
        last = table(reports)[len(NAMES) + 1].split()
        assert last[:2] + last[-1:] == ["C", "library", f"{beside:.1f}"]


def test_the_time_beside_the_c_library_is_the_median_of_several_rounds() -> None:
    """The first was played before. No other one is if that took long."""
    trace = trace_of("".join(f"a {i} 30\nf {i}\n" for i in range(100)))
    assert 0 < median_nanoseconds(trace, Setup(), 4096, first=0) < 10**9
    assert 0 < median_nanoseconds(trace, Setup(), 4096, first=10**8) < 10**8
    assert median_nanoseconds(trace, Setup(), 4096, first=10**10) == 10**10


def libc_times(reports: Iterable[Report]) -> tuple[set[float | None], list[Report]]:
    """The times of the C library, of which there is one, and the reports."""
    found = [*reports]
    times = {report.libc_nanoseconds_per_operation for report in found}
    assert len(times) == 1
    return times, found


# --- The figures ----------------------------------------------------------------------------------
@given(TRACES)
def test_the_figures_agree_with_the_heap(trace: Trace) -> None:
    report = replay(trace, 8192)
    free = [b.size for b in report.heap.walk() if not b.live]
    live = [b.size for b in report.heap.walk() if b.live]
    figures = report.as_dict()
    assert (report.operations, report.completed, report.interrupted) == (len(trace),) * 2 + (False,)
    assert figures["free_blocks"] == len(free)
    assert figures["external_fragmentation"] == (
        pytest.approx(1 - max(free) / sum(free)) if sum(free) else 0
    )
    assert (figures["leaked_blocks"], figures["leaked_bytes"]) == (len(live), sum(live))
    assert report.peak_utilisation == report.stats.peak_requested / report.stats.peak_used
    if not report.failures:
        assert report.stats.peak_requested == trace.peak_live


def test_without_headers_the_utilisation_uses_the_requested_sizes() -> None:
    report = replay(trace_of("a 0 100\n"), 4096, headers=False)
    assert (report.stats.peak_requested, report.peak_live) == (112, 100)
    assert report.peak_utilisation == 100 / 112
    assert "4,096 bytes, first_fit, no headers" in "\n".join(report.lines())
    assert report.as_dict()["headers"] is False


def test_without_headers_the_bytes_still_live_are_those_requested() -> None:
    """Also where some requests failed, and where others were resized."""
    text = "a 0 100\na 1 33\na 2 9000\nr 0 51\na 3 7\nf 3\na 4 0\nr 1 9000\n"
    report = replay(trace_of(text), 4096, headers=False)
    assert (report.live_at_end, report.stats.requested) == (51 + 33, 64 + 48 + 16)
    assert report.as_dict()["leaked_bytes"] == 84
    assert "blocks still live       3 (84 bytes)" in report.lines()


def test_failures_are_counted_and_the_first_one_is_located() -> None:
    report = replay(trace_of("a 0 32\na 1 5000\nf 1\nr 1 16\nr 0 9000\nf 0\n"), 4096)
    assert (report.failures, report.first_failure) == (2, 4)
    assert report.completed == report.operations
    assert report.stats.live_blocks == 1
    assert "2, the first at operation 4" in "\n".join(report.lines())


def test_the_summary_contains_every_figure_and_so_does_the_json() -> None:
    report = replay(trace_of("a 0 100\nf 7\n"), 4096)
    text = "\n".join(report.lines())
    for row in (
        "trace                   t (CS107 script)\n",
        "region                  4,096 bytes, first_fit\n",
        "peak utilisation        78.12% (100 of 128 bytes)\n",
        "blocks still live       1 (100 bytes)\n",
    ):
        assert row in text
    assert text.endswith("skipped: line 4")
    assert "interrupted" not in text
    figures = json.loads(json.dumps(report.as_dict()))
    assert figures["skipped"][0]["first_line"] == 4
    assert (figures["region"], figures["first_failure"]) == (4096, None)
    assert figures["peak_utilisation"] == 100 / 128


# --- The region -----------------------------------------------------------------------------------
@pytest.mark.any_interpreter
@each_layout
@each_policy
@settings(max_examples=20)
@given(trace=TRACES)
def test_the_region_is_the_peak_of_the_extents_in_whole_pages_or_the_first_that_is_enough(
    policy: str, headers: bool, trace: Trace
) -> None:
    """No less than that demand will do. Buddies have extents that are powers of two."""
    layout = sizing.layout(policy, headers)
    taken: dict[int, int] = {}
    fullest = 0
    for kind, block, size in zip(trace.kinds, trace.ids, trace.sizes, strict=True):
        taken[block] = 0 if kind == FREE else layout.extent(size)
        fullest = max(fullest, sum(taken.values()))
    least = max(1, -(-fullest // sizing.PAGE)) * sizing.PAGE
    assert sizing.demand(trace, 2**30, layout) == (least, [])
    report = replay(trace, policy=policy, headers=headers)
    assert (report.failures, report.peak_live) == (0, trace.peak_live)
    assert report.region >= least
    assert report.region % sizing.PAGE == 0
    too_small = least if report.region > least else least - sizing.PAGE
    if too_small:
        assert replay(trace, too_small, policy=policy, headers=headers).failures


@pytest.mark.parametrize("slice_length", [1, 3, 4, 5, 4096])
def test_a_failure_in_any_slice_makes_the_region_grow(
    monkeypatch: pytest.MonkeyPatch, slice_length: int
) -> None:
    """Two blocks of 1600 bytes leave no room for 2000 in a page, even after one is freed."""
    monkeypatch.setattr(slices, "SLICE", slice_length)
    report = replay(trace_of("a 0 1600\na 1 1600\nf 0\na 2 2000\nf 2\nf 1\na 0 1\n"))
    assert (report.failures, report.region, report.completed) == (0, 8192, 9)


def test_an_empty_trace_needs_one_page() -> None:
    report = replay(read_text("1 0 0 0\n"))
    assert (report.region, report.operations, report.failures) == (sizing.PAGE, 0, 0)
    assert (report.peak_utilisation, report.nanoseconds_per_operation) == (1, 0)
    assert report.lines()


@pytest.mark.parametrize("size", [2**36, 2**40, 2**63, 2**63 + 1, 2**64 - 16, 2**64 - 1])
def test_an_impossible_size_fails_and_does_not_enlarge_the_region(size: int) -> None:
    text = f"a 0 {size}\nf 0\na 1 100\nr 1 {size}\nr 0 50\na 2 {size}\nr 2 7000\n"
    report = replay(trace_of(text))
    assert (report.failures, report.first_failure) == (3, 3)
    assert (report.stats.live_blocks, report.stats.requested) == (3, 100 + 50 + 7000)
    assert report.region <= 16384


@pytest.mark.parametrize("granule", [None, 16, 4096])
@pytest.mark.parametrize("align", [64, 1 << 16, 1 << 20])
def test_the_region_is_large_enough_for_every_alignment(align: int, granule: int | None) -> None:
    """A heap serves alignments of up to a quarter of its region."""
    trace = with_aligns(trace_of("a 0 100\na 1 100\nr 0 300\nf 1\n"), [0, 8, align, 8])
    report = replay(trace, granule=granule)
    assert report.failures == 0
    assert report.region >= 4 * align
    if align > (granule or 16):
        least = max(4 * align, sizing.layout("first_fit", True, granule).page)
        assert sizing.demand(trace, 2**40, sizing.layout("first_fit", True, granule)).bytes == least
        assert align % 4096 or replay(trace, 4 * align - 4096, granule=granule).failures == 1


@pytest.mark.parametrize("align", [1 << 40, 1 << 63])
def test_an_impossible_alignment_fails_and_does_not_enlarge_the_region(
    monkeypatch: pytest.MonkeyPatch, align: int
) -> None:
    monkeypatch.setattr(sizing, "memory_limit", lambda: 1 << 30)
    trace = with_aligns(trace_of("a 0 100\na 1 100\nf 1\na 1 100\n"), [0, 8, align, 64])
    report = replay(trace)
    assert (report.failures, report.first_failure, report.region) == (1, 4, sizing.PAGE)
    assert report.failure is not None
    assert (report.failure.cause, report.failure.align) == ("alignment", align)


def test_the_region_grows_up_to_the_limit_and_the_replay_is_completed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sizing, "memory_limit", lambda: 8192)
    report = replay(trace_of("".join(f"a {i} 1000\n" for i in range(20)) + "f 0\n"))
    assert report.region == 8192
    assert report.failures == 20 - 8192 // (16 + 1008)
    assert (report.completed, report.stats.frees) == (report.operations, 2)


@given(st.integers(1, 2**20), st.integers(0, 2**37))
def test_each_growth_is_positive_and_at_most_a_quarter(pages: int, limit: int) -> None:
    size = pages * sizing.PAGE
    larger = sizing.grown(size, limit)
    assert larger == limit or (size < larger <= size * 5 / 4 + sizing.PAGE)


def test_the_limit_is_the_memory_of_the_machine_or_if_that_is_unknown_the_largest_region(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert sizing.PAGE <= sizing.memory_limit() <= min(sizing.LARGEST_REGION, memory)

    def unknown(_: str) -> int:
        raise ValueError

    monkeypatch.setattr(os, "sysconf", unknown)
    assert sizing.memory_limit() == sizing.LARGEST_REGION


# --- Slices ---------------------------------------------------------------------------------------
@given(st.integers(0, 30000), st.sets(st.integers(0, 30000), max_size=8))
def test_slices_cover_every_operation_once_and_isolate_the_impossible_ones(
    total: int, chosen: set[int]
) -> None:
    impossible = sorted(index for index in chosen if index < total)
    for pieces in (list(slices.lenient(total)), list(slices.strict(total, impossible))):
        covered = [index for piece in pieces for index in range(piece.start, piece.stop)]
        assert covered == list(range(total))
        assert all(piece.stop - piece.start <= slices.SLICE for piece in pieces)
    lax = [piece.start for piece in slices.strict(total, impossible) if not piece.strict]
    assert lax == impossible
    assert not any(piece.strict for piece in slices.lenient(total))


LONG = trace_of("".join(f"a {i} 24\n" for i in range(30 * slices.SLICE)))


def test_progress_is_reported_after_every_slice() -> None:
    reported: list[tuple[int, int]] = []
    replay(LONG, 2**24, progress=lambda done, total: reported.append((done, total)))
    steps = [*range(slices.SLICE, len(LONG), slices.SLICE), len(LONG)]
    assert reported == [(done, len(LONG)) for done in steps]


# --- Ctrl-C ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("size", [2**24, None])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_an_interrupted_replay_reports_the_completed_operations(
    count: int, size: int | None
) -> None:
    completed = count * slices.SLICE

    def press_ctrl_c(done: int, _: int) -> None:
        if done >= completed:
            signal.raise_signal(signal.SIGINT)

    sentence = f"interrupted at operation {completed} of {len(LONG)}"
    with pytest.raises(KeyboardInterrupt, match=f"^{sentence}$") as caught:
        replay(LONG, size, progress=press_ctrl_c)
    assert isinstance(caught.value, ReplayInterrupted)
    report = caught.value.report
    assert report.stats.mallocs + report.stats.frees == report.completed == completed
    assert report.interrupted
    assert report.lines()[0].startswith(sentence)


def test_an_interruption_of_the_measures_keeps_the_figures_of_the_replay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The measures are missing, and the record has all of its names."""
    trace = trace_of("a 0 100\na 1 9000\n")
    whole = replay(trace, 4096)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "measure", interrupted)
    with pytest.raises(ReplayInterrupted) as caught:
        replay(trace, 4096)
    report = caught.value.report
    assert (report.measures, report.failure) == (None, None)
    assert (report.failures, report.first_failure, report.peak_live) == (1, 4, 100)
    assert [*report.record()] == [*whole.record()]
    assert report.record()["johnstone_wilson_1"] is None
    assert table([report])[1].split()[4:-1] == ["-"] * 5


@pytest.mark.parametrize("count", [1, 2, 30])
def test_the_count_is_exact_after_a_signal_within_a_slice(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """It is compared with the heap's own counters.

    The signal comes at the end of the slice, from the C library: Python handles it later, at the
    first bytecode that does so. No Python code runs between the slice and the signal.
    """
    raise_in_c: Callable[[int], int] = ctypes.CDLL(None)["raise"]
    numbers = chain(repeat(0, count - 1), [signal.SIGINT], repeat(0))

    def signalled(play: Callable[..., int], calls: Iterable[Any]) -> Iterator[int]:
        signals = map(raise_in_c, numbers)
        return map(itemgetter(0), zip(starmap(play, calls), signals, strict=False))

    monkeypatch.setattr(running, "starmap", signalled)
    with pytest.raises(ReplayInterrupted) as caught:
        replay(LONG, 2**24)
    report = caught.value.report
    assert report.stats.mallocs + report.stats.frees == report.completed == count * slices.SLICE


@settings(max_examples=10)
@given(trace=TRACES, granule=st.sampled_from([1, 16, 4096]), policy=st.sampled_from(NAMES))
def test_a_replay_with_a_granule_is_one_in_an_offset_heap(
    trace: Trace, granule: int, policy: str
) -> None:
    """Its extents are whole granules; at 16 it is the replay in a heap without headers."""
    report = replay(trace, policy=policy, granule=granule)
    assert report.failures == 0
    assert report.as_dict()["granule"] == granule
    assert all(extent % granule == 0 for _, extent, _, _ in blocks(report.heap))
    if granule == 16:
        assert blocks(report.heap) == blocks(replay(trace, policy=policy, headers=False).heap)
    if granule != 16:
        assert f"granule {granule:,}" in report.lines()[3]
