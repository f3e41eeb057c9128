"""Requests that failed in the recorded program are tried in a replay, where they failed."""

from __future__ import annotations

from array import array
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from command_helpers import printed, run
from glassheap import Heap, OffsetHeap, OutOfMemory
from glassheap.replay import diff, fit, replay, sizing, tried, why
from glassheap.replay.trying import BATCH, LEFT_OUT, RESIZED, TRIED, groups
from glassheap.traces import FREE, MALLOC, REALLOC, Refused, Trace, read
from trace_helpers import read_text, samples, states

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.any_interpreter

Row = tuple[int, int, int, int, str]
"""Kind, size, line, alignment, tag."""


def rows(trace: Trace) -> list[Row]:
    tags = trace.tags or array("I", bytes(4 * len(trace)))
    aligns = trace.aligns or array("Q", bytes(8 * len(trace)))
    names = [trace.tag_names[tag] for tag in tags]
    return [*zip(trace.kinds, trace.sizes, trace.lines, aligns, names, strict=True)]


def expected(trace: Trace) -> list[Row]:
    """The rows with two more for each request, inserted one by one from the end.

    Those of a batch are around those of the next size of it.
    """
    found = rows(trace)
    for one in reversed(trace.refused):
        at = one.position
        inner = 0
        if one.is_part:  # what stands there so far is its other sizes, unless the batch is cut off
            later = [other for other in trace.refused if other.line > one.line]
            inner = 2 * parts_of(one, later)
        kind = MALLOC if one.block is None else REALLOC
        request = (kind, one.size, one.line, one.align, one.tag)
        sizes = [dict(live) for live in states(trace)]
        held = 0 if one.block is None else sizes[at - 1][one.block]
        found[at + inner : at + inner] = [(kind if held else FREE, held, one.line, 0, "")]
        found[at:at] = [request]
    return found


def parts_of(one: Refused, later: list[Refused]) -> int:
    """How many of the later requests are of the batch of one."""
    count = 0
    for other in later:
        if other.position != one.position:
            return count
        count += 1
        if not other.is_part:
            return count
    return count


SCRIPT = "".join(f"a {i} {10 * i}\n" for i in range(9)) + "f 3\nr 4 500\nf 8\n"
REFUSED = st.lists(
    st.builds(
        Refused,
        position=st.integers(0, 12),
        line=st.integers(1, 99),
        kind=st.just(MALLOC),
        block=st.none(),
        is_part=st.booleans(),
        size=st.integers(0, 2**64 - 1),
        align=st.sampled_from([0, 16, 4096]),
        tag=st.sampled_from(["", "big", "small"]),
        thread=st.integers(0, 2),
        time=st.one_of(st.none(), st.integers(0, 9)),
    ),
    max_size=6,
)


def with_block(one: Refused) -> Refused:
    """Some are reallocs, of a block that is live then."""
    if one.thread and one.position >= 5 and not one.is_part:
        return one._replace(kind=REALLOC, block=4)
    return one


@given(REFUSED)
def test_each_request_is_a_malloc_and_a_free_at_its_place(refused: list[Refused]) -> None:
    trace = read_text(SCRIPT)
    refused = sorted(refused, key=lambda one: one.position)
    numbered = [one._replace(line=number) for number, one in enumerate(refused)]
    trace = replace(trace, refused=[*map(with_block, numbered)])
    found = tried(trace)
    assert rows(found) == expected(trace)
    assert found.peak_live == max(sum(live.values()) for live in states(found))
    assert max(found.ids) < found.id_count
    assert tried(found) is found


@pytest.mark.parametrize("name", samples())
def test_the_samples_with_failed_requests_are_tried(name: str) -> None:
    trace = read_text(samples()[name])
    assert rows(tried(trace)) == expected(trace)


LOG = "= Start\n@ x + 0x10 0x40\n@ x + (nil) 0x10000\n@ x - 0x10\n@ y + (nil) 0x40\n= End\n"


def test_a_replay_counts_the_requests_that_fail_again() -> None:
    trace = read_text(LOG)
    assert (len(trace), trace.id_count) == (2, 1)
    report = replay(trace, 4096)
    assert (report.operations, report.failures, report.first_failure) == (6, 1, 2)
    assert replay(trace, 2**17).failures == 0
    assert replay(trace).region >= 2**16 + 64


def test_a_region_that_fits_serves_the_requests_that_failed() -> None:
    found = fit(read_text(LOG))
    assert found.peak_live == 2**16 + 64
    assert found.region is not None
    assert why(read_text(LOG), found.region).failure is None
    assert why(read_text(LOG), found.region - 16).failure is not None


# --- A realloc that failed. -----------------------------------------------------------------------
def recorded(path: Path, heap: Heap, *calls: Callable[[Heap], object]) -> Trace:
    """The recording of calls, each of which may find no memory."""
    with heap:
        for call in calls:
            with suppress(OutOfMemory):
                call(heap)
    return read(path)


def test_a_realloc_that_failed_is_tried_as_one(tmp_path: Path) -> None:
    """It needs room for its block once, where that can grow in place, as a heap shows."""
    path = tmp_path / "app.trace"
    with Heap(65536, record=path) as heap:
        block = heap.malloc(40_000)
        with suppress(OutOfMemory):
            heap.realloc(block, 70_000)
        heap.free(block)
    trace = read(path)
    found = fit(trace)
    assert (found.peak_live, found.region) == (70_000, 70_016)
    with Heap(70_016) as heap:
        heap.realloc(heap.malloc(40_000), 70_000)
    assert [note.reason for note in tried(trace).skipped] == [RESIZED]
    failed = why(trace).failure
    assert failed is not None
    assert (failed.kind, failed.size, failed.line) == ("realloc", 70_000, 2)
    assert replay(trace, 65536).failures == 1


def test_a_block_has_its_old_size_after_a_realloc_that_failed() -> None:
    log = "@ x + 0x10 0x400\n@ x < 0x10\n@ x > (nil) 0x10000\n@ x + 0x800 0x400\n"
    trace = tried(read_text(log))
    assert [*trace.sizes] == [0x400, 0x10000, 0x400, 0x400]
    assert [*states(trace)][-1] == {0: 0x400, 1: 0x400}


def test_a_realloc_of_a_block_that_is_unknown_is_a_malloc() -> None:
    trace = read_text("@ y + 0x20 0x10\n@ x < 0x10\n@ x > (nil) 0x10000\n")
    (request,) = trace.refused
    assert (request.kind, request.block) == (REALLOC, None)
    assert [*tried(trace).kinds] == [MALLOC, MALLOC, FREE]


def test_a_realloc_with_a_move_that_failed_is_tried_as_one(tmp_path: Path) -> None:
    path = tmp_path / "app.trace"
    with OffsetHeap(64 << 10, granule=4096, record=path) as heap:
        block = heap.malloc(40_000)
        heap.malloc(4096)
        with suppress(OutOfMemory):
            heap.realloc(block, 60_000, move=lambda *_: None)
    failed = why(read(path)).failure
    assert failed is not None
    assert (failed.kind, failed.size, failed.cause) == ("realloc", 60_000, "exhausted")


# --- A batch that failed. -------------------------------------------------------------------------
def test_a_batch_that_failed_fails_again(tmp_path: Path) -> None:
    """Not one of its sizes would: it is all of them together, up to the one that found no place."""
    path = tmp_path / "app.trace"
    sizes = [1000, 2000, 900, 500, 8]
    trace = recorded(path, Heap(4096, record=path), lambda heap: heap.malloc_many(sizes))
    assert [(one.size, one.is_part) for one in trace.refused] == [
        (1000, True), (2000, True), (900, True), (500, False),
    ]  # fmt: skip
    failed = why(trace).failure
    assert failed is not None
    assert (failed.operation, failed.size, failed.line) == (4, 500, 4)
    assert [note.reason for note in tried(trace).skipped] == [BATCH]
    assert fit(trace).region == 4 * 16 + 1008 + 2000 + 912 + 512  # headers, and whole granules
    report = replay(trace, 4096)
    assert (report.operations, report.failures, report.stats.live_blocks) == (8, 1, 0)
    assert "failed                  1 request, the first of 500 bytes on line 4\n" in printed(
        "info", str(path)
    )


def test_a_batch_of_which_a_size_is_impossible_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "app.trace"
    trace = recorded(path, Heap(4096, record=path), lambda heap: heap.malloc_many([8, 1 << 62]))
    assert [(one.reason, one.lines, one.first_line) for one in tried(trace, 1 << 40).skipped] == [
        (LEFT_OUT, 1, 2),
    ]  # fmt: skip


def test_a_batch_that_is_cut_off_is_tried_as_far_as_it_is_there() -> None:
    one = Refused(3, 1, MALLOC, 8, 0, "", 0, None, is_part=True)
    other = one._replace(position=4)
    assert [*groups([one, one, other, other])] == [[one, one], [other, other]]


# --- A request that no machine serves. ------------------------------------------------------------
def test_an_impossible_request_is_left_out_everywhere(tmp_path: Path) -> None:
    path = tmp_path / "app.trace"
    trace = recorded(
        path, Heap(4096, record=path),
        lambda heap: heap.malloc(1 << 62),
        lambda heap: heap.malloc(3000),
        lambda heap: heap.malloc(2000),
    )  # fmt: skip
    answer, report, parting = why(trace), replay(trace), diff(trace)
    assert answer.failure is not None
    assert (answer.failure.operation, answer.failure.size) == (2, 2000)
    assert (answer.operations, report.operations, parting.first.operations) == (3, 3, 3)
    assert report.failures == 0
    for skipped in (answer.skipped, report.skipped, parting.first.skipped):
        assert sorted((note.reason, note.lines) for note in skipped) == [
            (LEFT_OUT, 1), (TRIED, 1),
        ]  # fmt: skip
    for command in (["why"], ["replay", "--no-map"], ["replay", "--compare"], ["fit"]):
        assert f"{LEFT_OUT}: line 1\n" in printed(*command, str(path))
    assert f"{LEFT_OUT}: line 1\n" in printed("diff", str(path), str(path))


def test_a_request_that_a_larger_region_serves_is_tried() -> None:
    """A region may be larger than the memory of the machine, which takes a page when it is used."""
    size = sizing.LARGEST_REGION
    trace = read_text(f"@ x + (nil) {size // 2:#x}\n")
    assert why(trace, size, headers=False).operations == 2


def test_a_request_that_no_machine_serves_leaves_the_rest_a_region() -> None:
    log = LOG.replace("0x10000", "0xffffffffff0000")
    assert fit(read_text(log)).region == fit(read_text(log.replace("@ x + (nil)", "#"))).region


def test_the_command_leaves_out_what_no_machine_serves(tmp_path: Path) -> None:
    """It says so, and finds the region for the rest."""
    file = tmp_path / "app.log"
    file.write_text(LOG.replace("0x10000", "0xffffffffff0000"))
    done = run("fit", str(file), "--policy", "first_fit", "--headers")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"note: {LEFT_OUT}: line 3\n" in done.stdout
    assert f"note: {TRIED}: line 5\n" in done.stdout
