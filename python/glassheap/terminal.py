"""Output to a terminal: its colours, its width and its encoding.

The other modules describe a line as a list of spans, each a piece of text and the name of a style
("header", "free", "error"). This module alone maps a style to a colour, and only if the stream is a
terminal, `rich` is installed, and ``NO_COLOR`` is not set (`rich` itself detects a dumb terminal).
In every other case the same characters are written without colour, so a picture piped into a file
is the same as on the screen.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterable, Sequence
from typing import TextIO

Span = tuple[str, str]
"""A piece of text and its style: a key of `COLOURS`, "" for ordinary text."""

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

MIN_COLUMNS, MAX_COLUMNS, DEFAULT_COLUMNS = 40, 100, 80


def printable(text: str) -> str:
    """The text, with what is no character for a terminal escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def plain(line: Line) -> str:
    """The text of a line, without its styles."""
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
    """True if and only if `file` is a terminal. An object without `isatty` is not."""
    isatty = getattr(file, "isatty", None)
    return bool(isatty and isatty())


def can_show(file: TextIO, characters: str) -> bool:
    """True if and only if the encoding of `file` has all of `characters`; the default is UTF-8."""
    encoding = getattr(file, "encoding", None) or "utf-8"
    try:
        characters.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def columns(file: TextIO) -> int:
    """The width to draw in: the terminal's, limited to 40 to 100 columns; 80 for a file."""
    if not is_terminal(file):
        return DEFAULT_COLUMNS
    return min(max(shutil.get_terminal_size().columns, MIN_COLUMNS), MAX_COLUMNS)


def _write_rich(lines: Iterable[Line], file: TextIO) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(file=file, highlight=False)
    for line in lines:
        text = Text.assemble(*((text, COLOURS[style]) for text, style in line))
        console.print(text, soft_wrap=True)
