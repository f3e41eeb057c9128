"""Pictures and progress bars on every kind of stream: with colour or without, in any encoding."""

from __future__ import annotations

import io
import re
import sys

import pytest

import glassheap
from glassheap import terminal
from glassheap.progress import Bar
from rendering_helpers import BIG, Screen, cells, churn, map_lines

ASCII = str.maketrans("█▒░○·", "[#+o.")
SHADES = str.maketrans("·░▒▓█", ".:+*#")


@pytest.fixture
def colourful(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment with colours, independent of that of the tests."""
    pytest.importorskip("rich")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def on_screen(heap: glassheap.Heap) -> str:
    """The output of `show` on a terminal of 80 columns."""
    out = Screen()
    heap.show(file=out, width=80)
    return out.getvalue()


@pytest.mark.usefixtures("colourful")
def test_without_the_escape_codes_the_coloured_text_is_the_plain_text() -> None:
    with glassheap.Heap() as heap:
        churn(heap, 3)
        text = on_screen(heap)
        assert "\x1b[" in text
        assert re.sub(r"\x1b\[[\d;]*m", "", text).splitlines() == map_lines(heap, width=80)


@pytest.mark.usefixtures("colourful")
def test_a_map_wider_than_its_terminal_keeps_its_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """The requested width is used; wrapping is left to the terminal."""
    monkeypatch.setenv("COLUMNS", "50")
    with glassheap.Heap() as heap:
        assert len(on_screen(heap).splitlines()) == len(map_lines(heap, width=80))


@pytest.mark.usefixtures("colourful")
@pytest.mark.parametrize("without", ["NO_COLOR", "TERM", "rich"])
def test_no_colour_a_dumb_terminal_and_a_lack_of_rich_switch_colours_off(
    monkeypatch: pytest.MonkeyPatch, without: str
) -> None:
    if without == "rich":
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    else:
        monkeypatch.setenv(without, "dumb")
    with glassheap.Heap() as heap:
        assert on_screen(heap).splitlines() == map_lines(heap, width=80)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "koi8-r", "utf-8"])
@pytest.mark.parametrize(("size", "table"), [(4096, ASCII), (BIG, SHADES)])
def test_a_stream_without_the_characters_of_the_map_gets_ascii(
    encoding: str, size: int, table: dict[int, int]
) -> None:
    with glassheap.Heap(size, base=0) as heap:
        churn(heap, 5)
        raw = io.BytesIO()
        out = io.TextIOWrapper(raw, encoding=encoding)
        heap.show(file=out)
        heap.hexdump(heap.walk()[0].start, file=out)
        out.flush()
        text, expected = raw.getvalue().decode(encoding), map_lines(heap)
        rows = text.splitlines()[: len(expected)]
        plain = cells(expected) if encoding == "utf-8" else cells(expected).translate(table)
        assert cells(rows) == plain


def test_show_prints_to_the_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    with glassheap.Heap() as heap:
        heap.show()
        assert capsys.readouterr().out.splitlines() == map_lines(heap, width=80)


@pytest.mark.parametrize(
    ("columns", "expected"), [("20", 40), ("72", 72), ("100", 100), ("300", 100)]
)
def test_a_picture_is_as_wide_as_its_terminal_from_40_to_100_columns(
    monkeypatch: pytest.MonkeyPatch, columns: str, expected: int
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert terminal.columns(Screen()) == expected
    assert terminal.columns(io.StringIO()) == 80, "a file has no width, so 80 columns"


def drawn(file: io.StringIO, delay: float) -> str:
    """What a bar with this delay draws on the stream, from its start to its end."""
    bar = Bar("replaying", file=file, delay=delay)
    for done in (10, 60, 100):
        bar(done, 100)
    bar.close()
    return file.getvalue()


@pytest.mark.usefixtures("colourful")
def test_a_bar_is_drawn_on_a_terminal_after_the_delay() -> None:
    """With TERM=dumb rich draws no bar: such a terminal cannot redraw."""
    assert "replaying" in drawn(Screen(), delay=0)


def test_no_bar_is_drawn_in_a_short_replay_to_a_file_or_without_rich(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert drawn(Screen(), delay=float("inf")) == drawn(io.StringIO(), delay=0) == ""
    for name in ("rich", "rich.console", "rich.progress"):
        monkeypatch.setitem(sys.modules, name, None)
    assert drawn(Screen(), delay=0) == ""
