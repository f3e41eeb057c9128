"""`diff` finds the first operation at which two replays part, and what each of them does there.

The oracle plays both traces call by call, and compares the places of the blocks.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from command_helpers import assert_mistake, printed, run
from glassheap import OutOfMemory
from glassheap.replay import Setup, diff, diff_lines
from glassheap.traces import FREE, Trace
from sizing_helpers import FRAGMENTED, NAMES, TRACES, each_layout
from trace_helpers import read_text

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.any_interpreter

FAILS = "fails"


def places(trace: Trace, setup: Setup, size: int) -> list[object]:
    """Where each operation puts its block, up to the first that fails."""
    found: list[object] = []
    held: dict[int, int] = {}
    options: dict[str, Any] = {} if setup.granule is None else {"move": lambda *_: None}
    with setup.heap(size) as heap:
        for kind, block, wanted in zip(trace.kinds, trace.ids, trace.sizes, strict=True):
            if kind == FREE:
                heap.free(held.pop(block))
                found.append(None)
                continue
            try:
                held[block] = heap.realloc(held.get(block), wanted, **options)
            except OutOfMemory:
                return [*found, FAILS]
            found.append(held[block] - heap.base)
    return found


@each_layout
@settings(max_examples=60)
@given(trace=TRACES, data=st.data())
def test_two_policies_part_at_the_first_block_that_is_placed_elsewhere(
    layout: Setup, trace: Trace, data: st.DataObject
) -> None:
    names = data.draw(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)))
    size = 16 * data.draw(st.integers(4, 80))
    found = diff(trace, None, size, policies=names, headers=layout.headers, granule=layout.granule)
    first, second = (places(trace, layout._replace(policy=name), size) for name in names)
    pairs = zip(first, second, strict=False)
    expected = next((at for at, (one, other) in enumerate(pairs) if one != other), None)
    assert found.operation == (None if expected is None else expected + 1)
    assert bool("\n".join(diff_lines(found)))
    for one, all_of_it in ((found.first, first), (found.second, second)):
        assert one.served == len(all_of_it) - (FAILS in all_of_it)
        if expected is not None:
            here = all_of_it[expected]
            assert one.address == (None if here == FAILS else here)
            assert one.line == trace.lines[expected]
    if expected is not None:
        fails = FAILS in (first[expected], second[expected])
        assert found.reason == ("failure" if fails else "placement")


@settings(max_examples=60)
@given(TRACES)
def test_first_fit_and_the_textbook_never_part(trace: Trace) -> None:
    found = diff(trace, policies=("first_fit", "sequential_fit"))
    assert (found.operation, found.reason) == (None, None)
    assert found.first.is_whole
    assert found.second.is_whole


HOW = ["--policy", "first_fit", "--policy", "best_fit", "--size", "40K", "--no-headers"]


def test_the_second_story_parts_at_the_late_step() -> None:
    put = "malloc of 1,024 bytes (tag 'late step') is put at"
    assert printed("diff", "-", *HOW, stdin=FRAGMENTED).splitlines() == [
        "A: standard input, first_fit: the lowest address that fits",
        "B: standard input, best_fit: the smallest block that fits, and the lowest of equals",
        "region: 40,960 bytes, no headers",
        "",
        "they part at operation 7: the block is put elsewhere",
        f"  A: line 8: {put} 0x0, into the free block of 16,384 bytes at 0x0",
        f"  B: line 8: {put} 0x4800, into the free block of 1,024 bytes at 0x4800",
        "A: fails first at operation 8 of 8",
        "B: serves all of its 8 operations",
    ]


def test_an_empty_trace_is_no_mistake() -> None:
    empty = "1 0 0 0\n"
    assert "they do not part\n" in printed("diff", "-", *HOW, stdin=empty)
    assert "nothing fails" in printed("why", "-", "--size", "64", stdin=empty)
    assert "smallest: 16 bytes" in printed("fit", "-", stdin=empty)


def test_the_json_has_both_sides() -> None:
    found = json.loads(printed("diff", "-", *HOW, "--json", stdin=FRAGMENTED))
    assert (found["operation"], found["reason"]) == (7, "placement")
    assert found["second"]["hole"] == {"address": 0x4800, "size": 1024}


@pytest.mark.parametrize(
    ("second", "operation", "reason"),
    [
        ("a 0 100\na 1 50\n", None, None),
        ("a 0 100\na 1 60\n", 2, "request"),
        ("a 0 100\nf 0\n", 2, "request"),
        ("a 0 100\n", 2, "end"),
        ("a 0 100\na 1 50\nf 0\n", 3, "end"),
    ],
)
def test_two_traces_part_where_they_ask_for_different_things(
    second: str, operation: int | None, reason: str | None
) -> None:
    first = read_text("a 0 100\na 1 50\n")
    found = diff(first, read_text(second), policies=("tlsf", "tlsf"))
    assert (found.operation, found.reason) == (operation, reason)


def test_two_files_are_compared_with_one_policy(tmp_path: Path) -> None:
    file = tmp_path / "b.script"
    file.write_text("a 0 100\n", encoding="utf-8")
    text = printed("diff", "-", str(file), stdin="a 0 100\na 1 50\n")
    assert "they part at operation 2: one trace ends here" in text
    assert "  B: the trace has ended\n" in text


def test_both_fail_at_the_same_request() -> None:
    """What they would do differently after that is of no interest."""
    first = "@ x + 0x10 0x99999\n"
    text = printed("diff", "-", *HOW, stdin=first + FRAGMENTED)
    assert "they do not part until both fail" in text
    assert text.endswith("B: fails first at operation 1 of 9\n")


def test_the_blocks_that_are_freed_are_named(tmp_path: Path) -> None:
    """A line that says no more than "free" would be the same on both sides."""
    file = tmp_path / "b.log"
    head = "= Start\n@ x + 0x10 0x64\n@ y + 0x100 0x32\n@ x < 0x10\n@ x > 0x10 0x78\n"
    file.write_text(head + "@ z - 0x100\n= End\n")
    done = ["diff", "-", str(file)]
    text = printed(*done, stdin=head + "@ z - 0x10\n= End\n")
    free = "line 6: free (tag 'z') of the block of"
    assert f"  A: {free} 120 bytes that line 2 allocated (tag 'x')\n" in text
    assert f"  B: {free} 50 bytes that line 3 allocated (tag 'y')\n" in text
    found = json.loads(printed(*done, "--json", stdin=head + "@ z - 0x10\n= End\n"))
    assert found["first"]["block"] == {"line": 2, "size": 120, "tag": "x"}
    assert found["second"]["block"] == {"line": 3, "size": 50, "tag": "y"}


def test_a_block_that_is_resized_is_named() -> None:
    first, second = read_text("a 0 8\na 1 9\nr 0 50\n"), read_text("a 0 8\na 1 9\nr 1 50\n")
    text = "\n".join(diff_lines(diff(first, second)))
    assert "  A: line 3: realloc of 50 bytes, of the block of 8 bytes that line 1 allocated" in text
    assert "  B: line 3: realloc of 50 bytes, of the block of 9 bytes that line 2 allocated" in text


def test_one_fails_where_the_other_serves() -> None:
    """Buddies round 33 bytes up to 64."""
    names = ("first_fit", "buddy")
    found = diff(read_text("a 0 33\n"), None, 48, policies=names, headers=False)
    assert (found.operation, found.reason) == (1, "failure")
    assert (found.first.address, found.second.address) == (0, None)
    assert "  B: line 1: malloc of 33 bytes fails" in list(diff_lines(found))


def test_a_block_that_stays_in_its_place() -> None:
    """The realloc of A grows into what the smaller block of B leaves no need for."""
    first, second = read_text("a 0 100\nr 0 200\n"), read_text("a 0 100\nr 0 50\n")
    found = diff(first, second, policies=("first_fit", "first_fit"))
    assert (found.operation, found.first.hole, found.second.hole) == (2, None, None)
    assert " stays at 0x10" in "\n".join(diff_lines(found))


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        ("diff -", "expected two traces, or --policy twice"),
        ("diff - --policy tlsf", "expected two traces, or --policy twice"),
        ("diff - -", "standard input can be read once"),
        ("diff - --policy tlsf --policy tlsf --policy tlsf", "at most two policies, not 3"),
        ("diff - none.rep", "cannot read none.rep"),
        ("diff - --policy tlsf --policy buddy --size 8", "cannot make a region"),
        ("diff - --policy tlsf --policy buddy --granule 3", "must be a power of two"),
        ("diff - --policy all --policy buddy", "'all' is no policy"),
    ],
)
def test_a_mistake_is_one_sentence(arguments: str, phrase: str) -> None:
    assert_mistake(run(*arguments.split(), stdin="a 0 8\n"), phrase)


def test_misuse_is_reported_after_the_answer() -> None:
    done = run("diff", "-", *HOW, stdin="a 0 8\nf 0\nf 0\n")
    assert done.returncode == 1
    assert "they do not part" in done.stdout
