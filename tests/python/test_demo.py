"""The remarks of the tour are true of its output."""

from __future__ import annotations

import io
import re
import sys
from typing import TYPE_CHECKING

import pytest

from command_helpers import printed, run
from glassheap import demo, traces
from glassheap.demo import program
from glassheap.demo.steps import STEPS
from rendering_helpers import cells, number
from trace_helpers import read_text

if TYPE_CHECKING:
    from pathlib import Path

FRESH = "Free(4080)"


@pytest.fixture(scope="module")
def tour() -> dict[str, str]:
    """The output of the tour, by the title of each part."""
    out = io.StringIO()
    assert demo.run(file=out) == 0
    parts = re.split(r"^\d+\. (.*)\n", out.getvalue(), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_the_tour_has_every_step_and_a_real_program(tour: dict[str, str]) -> None:
    titles = list(tour)
    assert titles[: len(STEPS)] == [step.title for step in STEPS]
    assert titles[len(STEPS) :] == ["A real program: sqlite3"]


def test_every_step_shows_the_free_list_the_bytes_available_and_the_map(
    tour: dict[str, str],
) -> None:
    for title in [step.title for step in STEPS]:
        text = tour[title]
        offers = [int(size) for size in re.findall(r"Free\((\d+)\)", text)]
        assert offers or "\n(none)\n" in text
        assert number(r"(?m)^([\d,]+) bytes available$", text) == sum(offers)
        assert len(cells(text.splitlines())) == 256


def test_each_step_prints_the_free_list_named_in_its_remark(tour: dict[str, str]) -> None:
    free_list = re.compile(r"^(?:Free\(.*|\(none\))$", re.M)
    assert {title: free_list.findall(text) for title, text in tour.items()} == {
        "A fresh page": [FRESH],
        "Three blocks": ["Free(3408)"],
        "The bytes of a block": ["Free(3408)"],
        "A hole": ["Free(208)->Free(3408)"],
        "Merge": ["Free(336)->Free(3408)"],
        "Merge on both sides": [FRESH],
        "Two holes": ["Free(48)->Free(128)->Free(3808)"],
        "The lowest address that fits": ["Free(0)->Free(3808)"],
        "Free all": [FRESH],
        "Refill": ["(none)"],
        "External fragmentation": ["->".join(["Free(48)"] * 6)],
        "Misuse is detected": [FRESH],
        "An overwritten header": ["Free(4000)"],
        "Reset": [FRESH],
        "A real program: sqlite3": [],
    }


def test_the_steps_print_the_errors_that_they_explain_and_no_others(tour: dict[str, str]) -> None:
    found = {title: re.findall(r"^ {8}([A-Z]\w+): ", text, re.M) for title, text in tour.items()}
    misuse = ["InteriorPointer", "MisalignedPointer", "ForeignPointer", "DoubleFree"]
    assert {title: errors for title, errors in found.items() if errors} == {
        "Refill": ["OutOfMemory"],
        "External fragmentation": ["OutOfMemory"],
        "Misuse is detected": misuse,
        "An overwritten header": ["BadMagic", "HeapDamaged"],
    }


def test_the_map_shows_the_damage_and_the_dump_the_written_bytes(tour: dict[str, str]) -> None:
    assert cells(tour["An overwritten header"].splitlines()).startswith("!▒▒▒▒○")
    assert "|hello...........|" in tour["The bytes of a block"]


def test_the_real_program_is_shown_at_its_peak_and_at_its_end(tour: dict[str, str]) -> None:
    text = tour["A real program: sqlite3"]
    (recording,) = program.recordings()
    trace = traces.read(recording)
    full, end = re.findall(r"bytes: ([\d,]+) requested", text)
    assert full == f"{trace.peak_live:,}"
    assert re.search(rf"^peak utilisation .*{full} of ", text, re.M)
    assert re.search(rf"^blocks still live .*{end}", text, re.M)
    assert str(recording.parent) not in text


def test_the_peak_is_the_first_operation_that_reaches_it() -> None:
    trace = read_text("a 0 10\na 1 20\nr 0 30\nf 1\na 2 20\nf 2\nf 0\n")
    assert program.peak_operations(trace) == len(program.first(trace, 3)) == 3
    assert program.peak_operations(program.first(trace, 0)) == 0


@pytest.mark.parametrize("width", [40, 64, 120])
def test_only_figures_dumps_and_free_lists_are_wider_than_the_given_width(width: int) -> None:
    lines = printed("demo", "--width", f"{width}").splitlines()
    exempt = re.compile(r"[HPRNF] |H header|live block|Free\(| {4}p = |[A-Za-z &1-4-]+  ")
    assert [line for line in lines if len(line) > width and not exempt.match(line)] == []


def test_the_tour_can_be_printed_to_an_ascii_stream() -> None:
    assert "[######+[############+[" in run("demo", encoding="ascii").stdout


@pytest.mark.parametrize(
    ("stdin", "read"), [(io.StringIO("\n" * 100), len(STEPS)), (io.StringIO(""), 0), (None, 0)]
)
def test_with_pause_the_tour_waits_for_enter_after_every_step_unless_there_is_no_input(
    monkeypatch: pytest.MonkeyPatch, stdin: io.StringIO | None, read: int
) -> None:
    monkeypatch.setattr(sys, "stdin", stdin)
    assert demo.run(file=io.StringIO(), pause=True) == 0
    assert stdin is None or stdin.tell() == read


def test_an_installation_without_recordings_is_an_error_that_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(program, "RECORDINGS", tmp_path)
    with pytest.raises(FileNotFoundError, match="contains no recorded program"):
        demo.run(file=io.StringIO())
