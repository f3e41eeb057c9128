"""`why` names the first failure of a trace in a region, its cause, and what would have served it.

The oracles are `replay` with the options of each remedy, a linear search for the sizes, and the two
stories of docs/owners.md as traces.
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
from glassheap import Heap, OutOfMemory
from glassheap.replay import Setup, Why, replay, why, why_lines
from glassheap.traces import FREE, MALLOC, Trace
from sizing_helpers import FRAGMENTED, NAMES, TRACES, each_layout, each_policy
from trace_helpers import read_text

pytestmark = pytest.mark.any_interpreter

REGIONS = st.integers(4, 60).map(lambda granules: 16 * granules)


def options(setup: Setup) -> dict[str, Any]:
    return setup.options


def first_failure(trace: Trace, size: int, setup: Setup) -> int:
    """By replay: the index of the first failure, or the number of operations."""
    report = replay(trace, size, **options(setup))
    return report.first_failure - 1 if report.failures else len(trace)


def text_of(answer: Why) -> str:
    return "\n".join(why_lines(answer))


# --- The failure ----------------------------------------------------------------------------------
@each_layout
@each_policy
@settings(max_examples=12)
@given(trace=TRACES, size=REGIONS)
def test_the_failure_and_the_remedies_are_those_of_replays(
    policy: str, layout: Setup, trace: Trace, size: int
) -> None:
    setup = layout._replace(policy=policy)
    answer = why(trace, size, **options(setup))
    index = first_failure(trace, size, setup)
    assert (answer.failure is None) == (index == len(trace))
    assert bool(text_of(answer))
    if answer.failure is None:
        assert answer.remedies == []
        return
    assert (answer.failure.operation, answer.failure.size) == (index + 1, trace.sizes[index])
    assert answer.failure.line == trace.lines[index]
    for one in answer.remedies:
        granule = one.granule if one.change == "granule" else setup.granule
        other = Setup(one.policy, one.headers, granule)
        assert first_failure(trace, one.size, other) == one.served > index
        assert one.whole == (one.served == len(trace))
    served = {one.policy for one in answer.remedies if one.change == "policy"}
    others = [setup._replace(policy=name) for name in NAMES if name != policy]
    expected = {other.policy for other in others if first_failure(trace, size, other) > index}
    assert served == expected
    assert_sizes(trace, setup, answer, index)


def assert_sizes(trace: Trace, setup: Setup, answer: Why, index: int) -> None:
    """The first size that serves the request, and the first for the whole trace, if another."""
    sizes = [one.size for one in answer.remedies if one.change == "size"]
    reached = {
        size: first_failure(trace, size, setup)
        for size in range(answer.size + setup.step, sizes[-1] + 1, setup.step)
    }
    request = next(size for size, done in reached.items() if done > index)
    whole = next(size for size, done in reached.items() if done == len(trace))
    assert sizes == list(dict.fromkeys([request, whole]))


@each_layout
@each_policy
@settings(max_examples=12)
@given(trace=TRACES, size=REGIONS)
def test_the_blocks_are_those_of_the_heap_at_that_moment(
    policy: str, layout: Setup, trace: Trace, size: int
) -> None:
    setup = layout._replace(policy=policy)
    answer = why(trace, size, **options(setup))
    failure = answer.failure
    if failure is None:
        assert [answer.holes, answer.between, answer.by_tag, answer.remedies] == [[]] * 4
        return
    cut = until(trace, failure.operation - 1)
    report = replay(cut, size, **options(setup))
    heap, stats = report.heap, report.stats
    live = sorted(block.address - heap.base for block in heap.walk() if block.live)
    offers = [(block.size, block.address - heap.base) for block in heap.walk() if not block.live]
    assert sum(one.blocks for one in answer.by_tag) == len(live)
    if policy != "quick_fit":  # it joins free blocks before it refuses
        assert (failure.available, failure.free_blocks) == (stats.available, len(offers))
        largest = sorted(size for size, _ in offers)[-2:]
        assert sorted(hole.size for hole in answer.holes) == largest
    if len(answer.holes) == 2:
        low, high = (hole.address for hole in answer.holes)
        assert [one.address for one in answer.between] == [at for at in live if low < at < high]


def until(trace: Trace, stop: int) -> Trace:
    return replace(
        trace,
        kinds=trace.kinds[:stop],
        ids=trace.ids[:stop],
        sizes=trace.sizes[:stop],
        lines=trace.lines[:stop],
    )


def test_an_alignment_that_no_hole_has_room_for() -> None:
    """In 1 KiB an aligned address is at 0, which is taken, and at 256, 512 and 768."""
    trace = read_text("a 0 16\na 1 784\na 2 200\n")
    aligned = replace(trace, aligns=array("Q", [0, 0, 256]))
    answer = why(aligned, 1024, headers=False)
    assert answer.failure is not None
    assert (answer.failure.operation, answer.failure.cause) == (3, "alignment")
    assert (answer.failure.align, answer.failure.largest_free) == (256, 224)
    assert "malloc of 200 bytes, aligned to 256" in text_of(answer)
    assert (answer.remedies[-1].change, answer.remedies[-1].whole) == ("size", True)


def test_an_alignment_of_more_than_a_quarter_of_the_region() -> None:
    trace = replace(read_text("a 0 16\n"), aligns=array("Q", [1024]))
    answer = why(trace, 1024, headers=False)
    assert answer.failure is not None
    assert (answer.failure.cause, answer.failure.shortfall) == ("alignment", None)
    assert "An alignment is at most a quarter of the region." in text_of(answer)
    assert [(one.change, one.size) for one in answer.remedies] == [("size", 4096)]


def test_ages_are_in_the_time_of_the_file() -> None:
    trace = read_text("a 0 100\na 1 100\na 2 500\n")
    timed = replace(trace, times=array("q", [0, 10**9, 3 * 10**9]))
    assert why(timed, 512).by_tag[0].oldest.nanoseconds == 3 * 10**9
    assert "3.000000 s" in text_of(why(timed, 512))


def test_a_realloc_that_fails_leaves_its_block_in_the_list() -> None:
    answer = why(read_text("a 0 100\nr 0 200\na 1 50\nr 0 1000\n"), 512)
    assert answer.failure is not None
    assert (answer.failure.kind, answer.failure.operation) == ("realloc", 4)
    assert [(one.blocks, one.bytes) for one in answer.by_tag] == [(2, 250)]


def test_a_request_that_nothing_serves_has_no_remedy() -> None:
    answer = why(read_text(f"a 0 {2**63}\n"), 4096)
    assert answer.failure is not None
    assert (answer.failure.cause, answer.remedies) == ("exhausted", [])
    assert text_of(answer).endswith("that was tried serves this request")


def test_a_granule_is_halved_and_serves() -> None:
    answer = why(read_text("a 0 600\na 1 600\na 2 600\n"), 2048, granule=1024)
    assert answer.failure is not None
    assert answer.failure.operation == 3
    granules = [one.granule for one in answer.remedies if one.change == "granule"]
    assert granules == [128, 64]  # 512 and 256 round 600 up too far


# --- The two stories of docs/owners.md ------------------------------------------------------------
def leaking_cache() -> Trace:
    """The cache that evicts its oldest block, and the request that finds nothing to evict."""
    heap = Heap(1 << 20, base=0, headers=False)
    evictable: list[tuple[int, int]] = []
    rows: list[tuple[int, int, int, str]] = []
    for number in count():
        leaks = number % 7 == 0
        tag = "request-17" if leaks else f"request-{number}"
        if heap.available_memory() < 20 << 10 and evictable:  # the oldest makes room
            block, address = evictable.pop(0)
            heap.free(address)
            rows.append((FREE, block, 0, ""))
        rows.append((MALLOC, number, 16 << 10, tag))
        try:
            address = heap.malloc(16 << 10, align=4096)
        except OutOfMemory:
            break
        if not leaks:
            evictable.append((number, address))
    return made(rows, 4096)


def made(rows: list[tuple[int, int, int, str]], align: int) -> Trace:
    """A trace of these kinds, ids, sizes and tags, in which each malloc has this alignment."""
    kinds, ids, sizes, tags = zip(*rows, strict=True)
    names = list(dict.fromkeys(["", *tags]))
    return Trace(
        kinds=bytearray(kinds),
        ids=array("I", ids),
        sizes=array("Q", sizes),
        tags=array("I", map(names.index, tags)),
        lines=array("Q", range(1, len(rows) + 1)),
        aligns=array("Q", [align if kind == MALLOC else 0 for kind in kinds]),
        name="made",
        format="none",
        id_count=max(ids) + 1,
        peak_live=0,
        tag_names=tuple(names),
        skipped=(),
    )


@pytest.mark.parametrize("granule", [None, 64])
def test_what_must_be_freed_is_told_in_bytes_asked_for(granule: int | None) -> None:
    """As the tables are, and the report of a replay. The heap knows the bytes it rounded up to."""
    trace = read_text("a 0 1000\na 1 900\na 2 1000\na 3 900\nf 0\nf 2\na 4 1500\n")
    answer = why(trace, 4096, headers=False, granule=granule)
    assert answer.failure is not None
    assert (answer.failure.cause, answer.failure.shortfall) == ("fragmented", 900)
    assert "Freeing blocks of 900 bytes in all would do." in text_of(answer)
    assert replay(trace, 4096, headers=False, granule=granule).failure == answer.failure


def test_the_leak_is_exhausted_and_names_who_holds_the_memory() -> None:
    trace = leaking_cache()
    answer = why(trace, (1 << 20) - 16, headers=False)
    assert answer.failure is not None
    assert answer.failure.cause == "exhausted"
    (most, *_) = answer.by_tag
    assert (most.tag, most.blocks, most.bytes) == ("request-17", 63, 63 << 14)
    assert (most.oldest.line, most.oldest.operations) == (1, answer.failure.operation - 1)
    assert {one.change for one in answer.remedies} == {"size"}


def test_the_wrong_place_is_fragmented_and_names_best_fit() -> None:
    answer = why(read_text(FRAGMENTED), 40 << 10, headers=False)
    failure = answer.failure
    assert failure is not None
    assert (failure.cause, failure.shortfall) == ("fragmented", 1024)
    assert (failure.operation, failure.line, failure.tag) == (8, 9, "next prompt")
    assert [(one.tag, one.line, one.operations) for one in answer.between] == [("session", 3, 6)]
    assert [hole.size for hole in answer.holes] == [15 << 10, 1 << 10]
    served = [one.policy for one in answer.remedies if one.change == "policy" and one.whole]
    assert "best_fit" in served


# --- The command ----------------------------------------------------------------------------------
def test_the_command_prints_the_answer_and_ends_with_0() -> None:
    text = printed("why", "-", "--size", "40K", "--no-headers", stdin=FRAGMENTED)
    for line in (
        "region: 40,960 bytes, first_fit, no headers",
        "first failure: operation 8 of 8 (line 9): malloc of 16,384 bytes, tag 'next prompt'",
        "fragmented: 16,384 bytes are free in 2 blocks, the largest of which has 15,360. "
        "Freeing blocks of 1,024 bytes in all would do.\nfragmentation index: 0.00\n",
        "between the largest two free blocks, of 15,360 and 1,024 bytes:",
        "   0x4000  2,048               6     3  session",
        "  21,504       1               4     5  weights",
        "  policy  best_fit        all of it",
    ):
        assert f"\n{line}\n" in text, line


def test_nothing_fails_and_the_status_is_0() -> None:
    text = printed("why", "-", "--size", "1M", stdin=FRAGMENTED)
    assert "nothing fails: every operation is served; peak live: 40,960 bytes" in text


def test_the_json_has_every_record() -> None:
    how = ["why", "-", "--size", "40K", "--no-headers", "--policy", "worst_fit", "--json"]
    found = json.loads(printed(*how, stdin=FRAGMENTED))
    answer = why(read_text(FRAGMENTED), 40 << 10, headers=False, policy="worst_fit")
    assert found == {**json.loads(json.dumps(answer.as_dict())), "trace": "standard input"}
    assert set(found["by_tag"][0]["oldest"]) >= {"tag", "line", "operations"}


def test_the_oldest_block_of_a_tag_may_be_above_others() -> None:
    (held, *_) = why(read_text("a 0 32\na 1 64\nf 0\na 2 16\na 3 512\n"), 256).by_tag
    assert (held.oldest.line, held.oldest.operations) == (2, 3)


def test_many_rows_are_cut_and_counted() -> None:
    script = "".join(f"a {i} 16\n" for i in range(40)) + "f 0\nf 30\na 40 30\n"
    text = text_of(why(read_text(script), 1280))
    assert "  and 19 more" in text


def test_a_tag_is_printed_without_what_controls_a_terminal() -> None:
    text = printed("why", "-", "--size", "64", stdin="@ a\x1b[2J + 0x10 0x1000\n")
    assert "\x1b" not in text
    assert "x1b[2J" in text


def test_a_request_that_the_program_was_refused_is_tried() -> None:
    log = "= Start\n@ x + 0x10 0x40\n@ big + (nil) 0x10000\n@ x + 0x80 0x40\n= End\n"
    lines = printed("why", "-", "--size", "4K", stdin=log).splitlines()
    assert lines[2] == (
        "first failure: operation 2 of 4 (line 3): malloc of 65,536 bytes, tag 'big'"
    )
    assert lines[-1] == (
        "note: request that failed in the program, tried here and freed at once: line 3"
    )


def test_misuse_is_reported_after_the_answer() -> None:
    done = run("why", "-", "--size", "64", stdin="a 0 8\nf 0\nf 0\n")
    assert done.returncode == 1
    assert "nothing fails" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        ("why -", "does not state the size of a heap: expected --size"),
        ("why - --size 8", "cannot make a region for standard input: "),
        ("why - --size 64G", "cannot make a region for standard input: "),
        ("why - --size 4K --granule 3", "granule must be a power of two"),
        ("why - --size 4K --policy all", "'all' is no policy"),
        ("why - --size 4K --policy tsf", "did you mean tlsf?"),
        ("why none.rep --size 4K", "cannot read none.rep"),
    ],
)
def test_a_mistake_is_one_sentence(arguments: str, phrase: str) -> None:
    assert_mistake(run(*arguments.split(), stdin="a 0 8\n"), phrase)
