"""The tour must show what it says: its remarks are promises, held against what it prints."""

from __future__ import annotations

import io
import re
import sys
from typing import TYPE_CHECKING

import pytest

from glassheap import demo, traces
from glassheap.demo import program
from glassheap.demo.steps import STEPS
from seeing import cells, number

if TYPE_CHECKING:
    from pathlib import Path

FRESH = "Free(4080)"


@pytest.fixture(scope="module")
def tour() -> dict[str, str]:
    """What the tour prints, part by part, by title."""
    out = io.StringIO()
    assert demo.run(file=out) == 0
    parts = re.split(r"^\d+\. (.*)\n", out.getvalue(), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_the_tour_has_every_step_and_the_real_program(tour: dict[str, str]) -> None:
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


def line_with(text: str, words: str) -> str:
    """The first line of the text that has these words in it."""
    return next(line for line in text.splitlines() if words in line)


@pytest.mark.parametrize(
    ("title", "free_list"),
    [
        ("A fresh page", FRESH),
        ("Three blocks", "Free(3408)"),
        ("A hole", "Free(208)->Free(3408)"),
        ("Merge", "Free(336)->Free(3408)"),
        ("Merge on both sides", FRESH),
        ("Two holes", "Free(48)->Free(128)->Free(3808)"),
        ("The lowest address that fits", "Free(0)->Free(3808)"),
        ("Free all", FRESH),
        ("Refill", "(none)"),
        ("External fragmentation", "->".join(["Free(48)"] * 6)),
        ("Misuse is detected", FRESH),
        ("Reset", FRESH),
    ],
)
def test_a_step_leads_to_the_free_list_that_its_remark_promises(
    tour: dict[str, str], title: str, free_list: str
) -> None:
    assert free_list in tour[title].splitlines()


@pytest.mark.parametrize(
    ("title", "errors"),
    [
        ("Refill", ["OutOfMemory"]),
        ("External fragmentation", ["OutOfMemory"]),
        (
            "Misuse is detected",
            ["InteriorPointer", "MisalignedPointer", "ForeignPointer", "DoubleFree"],
        ),
        ("An overwritten header", ["BadMagic", "HeapDamaged"]),
    ],
)
def test_a_step_meets_the_errors_that_it_is_about(
    tour: dict[str, str], title: str, errors: list[str]
) -> None:
    assert re.findall(r"^ {8}([A-Z]\w+): ", tour[title], re.MULTILINE) == errors


def test_no_other_step_meets_an_error(tour: dict[str, str]) -> None:
    met = {title for title, text in tour.items() if re.search(r"^ {8}[A-Z]\w+: ", text, re.M)}
    assert len(met) == 4


def test_the_damage_is_seen_in_the_map(tour: dict[str, str]) -> None:
    assert cells(tour["An overwritten header"].splitlines()).startswith("!▒▒▒▒○")


def test_the_dump_shows_what_was_written(tour: dict[str, str]) -> None:
    assert "|hello...........|" in tour["The bytes of a block"]


def test_the_real_program_is_shown_at_its_fullest_and_at_its_end(tour: dict[str, str]) -> None:
    text = tour["A real program: sqlite3"]
    (recording,) = program.recordings()
    trace = traces.read(recording)
    full, end = re.findall(r"bytes: ([\d,]+) requested", text)
    assert full == f"{trace.peak_live:,}"
    assert f"{trace.peak_live:,} of " in line_with(text, "peak utilisation")
    assert end in line_with(text, "blocks still live")
    assert str(recording.parent) not in text


def test_the_fullest_moment_is_the_first_at_which_the_peak_is_reached(tmp_path: Path) -> None:
    file = tmp_path / "small.script"
    file.write_text("a 0 10\na 1 20\nr 0 30\nf 1\na 2 20\nf 2\nf 0\n")
    trace = traces.read(file)
    assert program.peak_operations(trace) == 3
    assert len(program.first(trace, 3)) == 3


def test_a_trace_without_operations_has_no_fullest_moment(tmp_path: Path) -> None:
    file = tmp_path / "empty.script"
    file.write_text("# nothing\na 0 10\n")
    assert program.peak_operations(program.first(traces.read(file), 0)) == 0


@pytest.mark.parametrize("width", [40, 64, 120])
def test_no_line_but_a_figure_a_dump_or_a_free_list_is_wider_than_the_width(width: int) -> None:
    out = io.StringIO()
    demo.run(file=out, width=width)
    wide = [line for line in out.getvalue().splitlines() if len(line) > width]
    given = re.compile(r"[HPRNF] |H header|live block|Free\(| {4}p = |[a-z ]+  ")
    assert [line for line in wide if not given.match(line)] == []


def test_the_tour_can_be_printed_on_a_stream_of_ascii() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    demo.run(file=out)
    out.flush()
    assert b"[######+[############+[" in raw.getvalue()


def test_with_pause_the_tour_waits_after_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = io.StringIO("\n" * 100)
    monkeypatch.setattr(sys, "stdin", keys)
    demo.run(file=io.StringIO(), pause=True)
    assert keys.tell() == len(STEPS)


@pytest.mark.parametrize("stdin", [None, io.StringIO("")])
def test_with_pause_and_nobody_at_the_keyboard_the_tour_goes_on(
    monkeypatch: pytest.MonkeyPatch, stdin: io.StringIO | None
) -> None:
    monkeypatch.setattr(sys, "stdin", stdin)
    assert demo.run(file=io.StringIO(), pause=True) == 0


def test_an_installation_without_recordings_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(program, "RECORDINGS", tmp_path)
    with pytest.raises(FileNotFoundError, match="contains no recorded program"):
        demo.run(file=io.StringIO())
