"""The traces in the package are valid and small, and agree with their README."""

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


def test_the_package_has_a_trace() -> None:
    """Without a trace, the tests below would have no cases and pass."""
    assert SHIPPED


@each_trace
def test_every_operation_names_a_live_block(path: Path) -> None:
    """The script is also long enough for a heap to fragment."""
    assert totals_of(path).allocations > 1000


@each_trace
def test_a_trace_begins_with_a_description(path: Path) -> None:
    with gzip.open(path, "rt", encoding="ascii") as lines:
        assert next(lines).startswith("# What ")


@each_trace
def test_the_file_is_small_and_has_no_date(path: Path) -> None:
    """Bytes 4 to 7 of a gzip file are a time. They are 0: the file depends on the trace alone."""
    packed = path.read_bytes()
    assert len(packed) < 150_000
    assert packed[4:8] == bytes(4)


@each_trace
def test_the_totals_in_the_readme_are_those_of_the_trace(path: Path) -> None:
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
