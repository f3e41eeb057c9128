"""The one place that knows about terminals: their colour, their width, what they can show.

Every other module describes a line as a list of spans, each a piece of text and what it *means*
("header", "free", "error"). Only this file turns a meaning into a colour, and only when there is
someone to see it: the stream is a terminal, `rich` is installed, and ``NO_COLOR`` is not set (that
a terminal is dumb, rich knows by itself). In every other case the same characters go out plain, so
a picture that is piped into a file is the picture that was on the screen.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterable, Sequence
from typing import TextIO

Span = tuple[str, str]
"""A piece of text, and what it means: a key of `COLOURS`, or "" for ordinary text."""

Line = Sequence[Span]

COLOURS = {
    "": "",
    "header": "bold yellow",
    "broken": "bold white on red",
    "payload": "cyan",
    "rounding": "blue",
    "node": "bold green",
    "free": "green",
    "dim": "bright_black",
    "title": "bold",
    "call": "bold magenta",
    "error": "bold red",
}

NARROWEST, WIDEST, USUAL = 40, 100, 80


def plain(line: Line) -> str:
    """The text of a line, without its meanings."""
    return "".join(text for text, _ in line)


def write(lines: Iterable[Line], file: TextIO) -> None:
    """Write the lines to `file`, in colour if `wants_colour(file)`, otherwise as plain text."""
    if wants_colour(file):
        _write_rich(lines, file)
    else:
        file.writelines(plain(line) + "\n" for line in lines)


def wants_colour(file: TextIO) -> bool:
    """True if and only if `file` is a terminal, NO_COLOR is not set, and rich is installed."""
    if os.environ.get("NO_COLOR") or not is_terminal(file):
        return False
    return importlib.util.find_spec("rich") is not None


def is_terminal(file: TextIO) -> bool:
    """True if someone watches `file` on a screen. An object without `isatty` is no terminal."""
    isatty = getattr(file, "isatty", None)
    return bool(isatty and isatty())


def can_show(file: TextIO, characters: str) -> bool:
    """True if the encoding of `file` has all of `characters`; a stream of text has every one."""
    encoding = getattr(file, "encoding", None) or "utf-8"
    try:
        characters.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def columns(file: TextIO) -> int:
    """The columns to draw in: the terminal's (between 40 and 100), or 80 where there is none."""
    if not is_terminal(file):
        return USUAL
    return min(max(shutil.get_terminal_size().columns, NARROWEST), WIDEST)


def _write_rich(lines: Iterable[Line], file: TextIO) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(file=file, highlight=False)
    for line in lines:
        text = Text.assemble(*((text, COLOURS[meaning]) for text, meaning in line))
        console.print(text, soft_wrap=True)
