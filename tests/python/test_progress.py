"""A progress bar is drawn only on a terminal and only in a long replay."""

from __future__ import annotations

import io
import sys

import pytest

from glassheap.progress import Bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run_to_end(bar: Bar) -> None:
    for done in (10, 60, 100):
        bar(done, 100)
    bar.close()


def test_a_bar_is_drawn_on_a_terminal_after_the_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    monkeypatch.setenv("TERM", "xterm")  # rich draws no bar on a terminal that cannot redraw
    terminal = Terminal()
    run_to_end(Bar("replaying", file=terminal, delay=0))
    assert "replaying" in terminal.getvalue()


def test_no_bar_is_drawn_in_a_short_replay_or_to_a_file() -> None:
    terminal, file = Terminal(), io.StringIO()
    run_to_end(Bar("replaying", file=terminal, delay=60))
    run_to_end(Bar("replaying", file=file, delay=0))
    assert terminal.getvalue() == file.getvalue() == ""


def test_without_rich_there_is_no_bar_and_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("rich", "rich.console", "rich.progress"):
        monkeypatch.setitem(sys.modules, name, None)
    terminal = Terminal()
    run_to_end(Bar("replaying", file=terminal, delay=0))
    assert terminal.getvalue() == ""
