"""Pictures on every kind of stream: with colour, without, and with few characters."""

from __future__ import annotations

import io
import re

import pytest

import glassheap
from glassheap import terminal
from rendering_helpers import BIG, cells, churn, map_lines

ASCII = str.maketrans("█▒░○·", "[#+o.")
SHADES = str.maketrans("·░▒▓█", ".:+*#")


class Screen(io.StringIO):
    """A stream that reports to be a terminal."""

    def isatty(self) -> bool:
        return True


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
@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_no_colour_and_term_switch_colours_off(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with glassheap.Heap() as heap:
        assert on_screen(heap).splitlines() == map_lines(heap, width=80)


def test_without_rich_a_terminal_gets_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
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
