"""The site's sources: notebooks run, and the summary quotes the benchmarks' pages.

The notebooks run here cell by cell without Jupyter, so that they are tested with every interpreter.
The build of the site runs them in a kernel.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from typing import TYPE_CHECKING

import pytest

from command_helpers import output_of
from source_tree import SOURCE_TREE

if TYPE_CHECKING:
    from pathlib import Path

DOCS = SOURCE_TREE / "docs"
NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.ipynb"))
SUMMARY = (DOCS / "performance.md").read_text(encoding="utf-8")

PLAYER = """
import json, sys

if __name__ == "__main__":  # not in the workers of a pool, which import this file
    names = {"__name__": "__main__"}
    for cell in json.loads(open(sys.argv[1], encoding="utf-8").read())["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
"""


each_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)


@each_notebook
def test_a_notebook_runs(notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its assertions compare what the text says."""
    if "numpy" in notebook.read_text(encoding="utf-8") and not importlib.util.find_spec("numpy"):
        pytest.skip("NumPy is not installed")
    monkeypatch.chdir(tmp_path)
    player = tmp_path / "player.py"
    player.write_text(PLAYER, encoding="utf-8")
    output_of(sys.executable, player, notebook)


@each_notebook
def test_a_notebook_is_stored_without_outputs(notebook: Path) -> None:
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None), cell["id"]


def figures() -> list[tuple[str, str]]:
    """Each figure of the summary's table, and the page that it was taken from."""
    found = []
    for row in re.findall(r"^\| (?!measured|:)(.*) \|$", SUMMARY, re.MULTILINE):
        _, ours, others, page = row.split(" | ")
        link = re.findall(r"\((.*)\)", page)[0]
        figure = re.compile(r"(?<![\w(])\d[\d,.]*%?")  # neither in a name nor an argument
        found += [(each, link) for each in figure.findall(f"{ours} {others}")]
    return found


def test_the_summary_has_figures() -> None:
    pages = {path.name for path in DOCS.glob("benchmarks*.md")}
    assert {page for _, page in figures()} == pages | {"safety.md"}


@pytest.mark.parametrize(("figure", "page"), figures())
def test_a_figure_of_the_summary_is_in_its_page(figure: str, page: str) -> None:
    """Both are written from the same results, but one could be edited or merged alone."""
    text = (DOCS / page).read_text(encoding="utf-8")
    assert re.search(rf"(?<![\d,.]){re.escape(figure)}(?![\d,]|\.\d)", text)
