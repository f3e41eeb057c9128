"""The traces inside the package are valid, small, and what their README says of them."""

from __future__ import annotations

import gzip
from importlib.resources import files
from pathlib import Path

import pytest

from trace_scripts import Totals, totals

DATA = Path(str(files("glassheap") / "data"))
SHIPPED = sorted(DATA.glob("*.script.gz"))
each_trace = pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)


def totals_of(path: Path) -> Totals:
    with gzip.open(path, "rt", encoding="ascii") as lines:
        return totals(lines)


def test_a_trace_ships() -> None:
    """Without one, the tests below would pass by having nothing to look at."""
    assert SHIPPED


@each_trace
def test_every_operation_names_a_live_block(path: Path) -> None:
    """And the script is no stub: it is long enough for a heap to fragment."""
    assert totals_of(path).allocations > 1000


@each_trace
def test_it_says_what_it_is(path: Path) -> None:
    with gzip.open(path, "rt", encoding="ascii") as lines:
        assert next(lines).startswith("# What ")


@each_trace
def test_the_file_is_small_and_has_no_date(path: Path) -> None:
    """Bytes 4 to 7 of a gzip file are a time: the trace alone decides what the file is."""
    packed = path.read_bytes()
    assert len(packed) < 150_000
    assert packed[4:8] == bytes(4)


@each_trace
def test_the_readme_tells_the_truth(path: Path) -> None:
    """What README.md states of the trace is what the trace adds up to."""
    t = totals_of(path)
    count = t.allocations + t.resizes + t.frees
    readme = (DATA / "README.md").read_text(encoding="utf-8")
    for statement in (
        f"`{path.name}`",
        f"| {count:,}: {t.allocations:,} `a`, {t.resizes:,} `r`, {t.frees:,} `f` |",
        f"| {t.peak:,} bytes; at most {t.peak_blocks:,} blocks at a time |",
        f"| {t.left} blocks, {t.left_bytes:,} bytes ",
        f"| {path.stat().st_size:,} bytes, ",
    ):
        assert statement in readme
