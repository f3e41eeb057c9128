"""Writes the results of measure.py into the pages of docs/, between marks; summary and plots too.

    python tests/benchmarks/page.py calls     from the results that are kept in .build/results

The rest of a page is written by hand.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from machine import BUILD, ROOT
from pages import offsets, placement, plots, python, safety
from tables import Page, Results, table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RESULTS = BUILD / "results"
SUMMARY = "performance.md"
COLUMNS = ("measured", "glassheap", "for comparison", "page")

PAGES: dict[str, tuple[str, Callable[[Results], Page]]] = {
    "calls": ("benchmarks.md", python.calls),
    "shared": ("benchmarks-shared.md", python.sharing),
    "holes": ("kv_cache.md", offsets.holes),
    "placement": ("benchmarks-placement.md", placement.placement),
    "checks": ("safety.md", safety.checks),
    "misuse": ("safety.md", safety.misuse),
}


def texts(name: str) -> dict[str, str]:
    """The text between the marks of each file."""
    file, make = PAGES[name]
    sections, summary = make(Results(RESULTS / name))
    rows = [[*row, f"[{name}]({file})"] for row in summary]
    found = {SUMMARY: table(COLUMNS, rows, "left")} if rows else {}
    return {file: "\n\n".join(sections)} | found


def draw(name: str, folder: Path) -> None:
    """Draw the plots of a page."""
    if name == "placement":
        for file, image in plots.draw(Results(RESULTS / name)).items():
            (folder / file).write_text(image, "utf-8")


def write(name: str) -> None:
    """Write the texts and plots into their files."""
    draw(name, ROOT / "docs")
    for file, text in texts(name).items():
        path = ROOT / "docs" / file
        head, begin, rest = path.read_text("utf-8").partition(f"<!-- {name}: begin -->\n")
        _, end, tail = rest.partition(f"<!-- {name}: end -->\n")
        if not end:
            sys.exit(f"{path} has no marks for {name}.")
        path.write_text(f"{head}{begin}\n{text}\n\n{end}{tail}", "utf-8")


if __name__ == "__main__":
    write(sys.argv[1])
