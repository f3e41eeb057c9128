"""A progress bar appears where somebody waits and watches, and nowhere else."""

from __future__ import annotations

import io
import sys

import pytest

from glassheap.progress import Bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def drawn(bar: Bar) -> None:
    for done in (10, 60, 100):
        bar(done, 100)
    bar.close()


def test_a_bar_is_drawn_on_a_terminal_after_its_delay() -> None:
    pytest.importorskip("rich")
    terminal = Terminal()
    drawn(Bar("replaying", file=terminal, delay=0))
    assert "replaying" in terminal.getvalue()


def test_no_bar_is_drawn_in_a_short_replay_or_where_nobody_looks() -> None:
    short, blind = Terminal(), io.StringIO()
    drawn(Bar("replaying", file=short, delay=60))
    drawn(Bar("replaying", file=blind, delay=0))
    assert short.getvalue() == blind.getvalue() == ""


def test_without_rich_there_is_no_bar_and_no_complaint(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("rich", "rich.console", "rich.progress"):
        monkeypatch.setitem(sys.modules, name, None)
    terminal = Terminal()
    drawn(Bar("replaying", file=terminal, delay=0))
    assert terminal.getvalue() == ""
