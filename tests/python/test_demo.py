"""The remarks of the tour are true of its output."""

from __future__ import annotations

import io
import re
import sys
from typing import TYPE_CHECKING

import pytest

from glassheap import demo, traces
from glassheap.demo import program
from glassheap.demo.steps import STEPS
from rendering_helpers import cells, number

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


def line_with(text: str, words: str) -> str:
    """The first line of the text with these words."""
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
def test_a_step_prints_the_free_list_named_in_its_remark(
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
def test_a_step_prints_the_errors_that_it_explains(
    tour: dict[str, str], title: str, errors: list[str]
) -> None:
    assert re.findall(r"^ {8}([A-Z]\w+): ", tour[title], re.MULTILINE) == errors


def test_no_other_step_prints_an_error(tour: dict[str, str]) -> None:
    found = {title for title, text in tour.items() if re.search(r"^ {8}[A-Z]\w+: ", text, re.M)}
    assert len(found) == 4


def test_the_map_shows_the_damage(tour: dict[str, str]) -> None:
    assert cells(tour["An overwritten header"].splitlines()).startswith("!▒▒▒▒○")


def test_the_dump_shows_the_written_bytes(tour: dict[str, str]) -> None:
    assert "|hello...........|" in tour["The bytes of a block"]


def test_the_real_program_is_shown_at_its_peak_and_at_its_end(tour: dict[str, str]) -> None:
    text = tour["A real program: sqlite3"]
    (recording,) = program.recordings()
    trace = traces.read(recording)
    full, end = re.findall(r"bytes: ([\d,]+) requested", text)
    assert full == f"{trace.peak_live:,}"
    assert f"{trace.peak_live:,} of " in line_with(text, "peak utilisation")
    assert end in line_with(text, "blocks still live")
    assert str(recording.parent) not in text


def test_the_peak_is_the_first_operation_that_reaches_it(tmp_path: Path) -> None:
    file = tmp_path / "small.script"
    file.write_text("a 0 10\na 1 20\nr 0 30\nf 1\na 2 20\nf 2\nf 0\n")
    trace = traces.read(file)
    assert program.peak_operations(trace) == 3
    assert len(program.first(trace, 3)) == 3


def test_a_trace_without_operations_has_its_peak_at_0(tmp_path: Path) -> None:
    file = tmp_path / "empty.script"
    file.write_text("# nothing\na 0 10\n")
    assert program.peak_operations(program.first(traces.read(file), 0)) == 0


@pytest.mark.parametrize("width", [40, 64, 120])
def test_only_figures_dumps_and_free_lists_are_wider_than_the_given_width(width: int) -> None:
    out = io.StringIO()
    demo.run(file=out, width=width)
    wide = [line for line in out.getvalue().splitlines() if len(line) > width]
    exempt = re.compile(r"[HPRNF] |H header|live block|Free\(| {4}p = |[a-z ]+  ")
    assert [line for line in wide if not exempt.match(line)] == []


def test_the_tour_can_be_printed_to_an_ascii_stream() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    demo.run(file=out)
    out.flush()
    assert b"[######+[############+[" in raw.getvalue()


def test_with_pause_the_tour_waits_for_enter_after_every_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys = io.StringIO("\n" * 100)
    monkeypatch.setattr(sys, "stdin", keys)
    demo.run(file=io.StringIO(), pause=True)
    assert keys.tell() == len(STEPS)


@pytest.mark.parametrize("stdin", [None, io.StringIO("")])
def test_with_pause_but_without_input_the_tour_goes_on(
    monkeypatch: pytest.MonkeyPatch, stdin: io.StringIO | None
) -> None:
    monkeypatch.setattr(sys, "stdin", stdin)
    assert demo.run(file=io.StringIO(), pause=True) == 0


def test_an_installation_without_recordings_is_an_error_that_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(program, "RECORDINGS", tmp_path)
    with pytest.raises(FileNotFoundError, match="contains no recorded program"):
        demo.run(file=io.StringIO())
