"""`glassheap replay`: its figures, its map and its table, its mistakes and its interruption.

Mistakes in its arguments are in `test_cli.py`, with those of the other commands.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

import glassheap
from command_helpers import assert_mistake, command, printed, run
from glassheap import traces
from glassheap.progress import Bar
from glassheap.replay import replay
from trace_helpers import RECORDED

SCRIPT = "a 0 100\na 1 200\nf 0\nr 1 3000\n"

NAMES = [policy.name for policy in glassheap.policies()]


def replayed(*arguments: str) -> str:
    """The output of a replay of the standard input that must succeed."""
    return printed("replay", "-", *arguments, stdin=SCRIPT)


def figures(*arguments: str, stdin: str | bytes = SCRIPT) -> Any:
    """The figures in JSON of a replay of the standard input."""
    return json.loads(run("replay", "-", "--json", *arguments, stdin=stdin).stdout)


# --- One policy -----------------------------------------------------------------------------------
def test_the_figures_are_printed_and_then_unless_switched_off_the_map() -> None:
    lines, _, drawing = replayed().partition("\n\n")
    assert "operations              4\n" in lines
    assert "failures                0\n" in lines
    assert "4,096 bytes, first_fit" in lines
    assert drawing.strip()
    alone = replayed("--no-map")
    assert alone.splitlines()[-1].startswith("blocks still live")
    assert "\n\n" not in alone


@pytest.mark.parametrize(
    ("size", "region"),
    [("512", 512), ("500", 512), ("64K", 65536), ("64k", 65536), ("1M", 2**20), ("0016", 16)],
)
def test_the_region_has_the_requested_size(size: str, region: int) -> None:
    found = figures("--size", size)
    assert found["region"] == region
    assert (found["failures"] == 0) == (region > 4000)
    assert found["completed"] == found["operations"] == 4


@pytest.mark.parametrize("how", [["--no-map"], ["--json"], ["--compare"], ["--policy", "tlsf"]])
@pytest.mark.parametrize(("size", "status"), [("512", 3), ("64K", 0)])
def test_the_status_is_3_if_the_region_is_too_small(how: list[str], size: str, status: int) -> None:
    done = run("replay", "-", "--size", size, *how, stdin=SCRIPT)
    assert (done.returncode, done.stderr) == (status, "")
    assert "failures" in done.stdout


def test_the_status_3_is_that_of_the_process_and_is_in_the_help() -> None:
    assert command("replay", "-", "--size", "512", stdin=SCRIPT).returncode == 3
    assert "3 if allocations fail" in " ".join(printed("replay", "--help").split())


@pytest.mark.parametrize("policy", NAMES)
def test_every_policy_replays_with_headers_and_without(policy: str) -> None:
    text = replayed("--policy", policy, "--no-headers", "--no-map")
    assert f" bytes, {policy}, no headers\n" in text
    found = figures("--policy", policy)
    assert (found["policy"], found["headers"], found["failures"]) == (policy, True, 0)


# --- Every policy ---------------------------------------------------------------------------------
@pytest.mark.parametrize("how", [["--compare"], ["--policy", "all"], ["--compare", "--no-map"]])
def test_a_comparison_is_a_table(how: list[str]) -> None:
    head, used, at_peak, at_end = replayed(*how).rstrip("\n").split("\n\n")
    assert head == "standard input (CS107 script), 4 operations"
    assert used.split()[:3] == ["policy", "region", "failures"]
    assert at_peak.startswith("at the peak of the bytes requested (unusable: for 3,000 bytes)\n")
    assert at_end.startswith("at the end\n")
    for text in (used, at_peak, at_end):
        rows = [line.split()[0] for line in text.splitlines()]
        assert [name for name in rows if name in NAMES] == NAMES
        assert max(map(len, text.splitlines())) <= 100


def test_a_comparison_names_the_first_failure_of_each_policy() -> None:
    done = run("replay", "-", "--size", "512", "--compare", stdin=SCRIPT)
    _, _, text = done.stdout.partition("\nfirst failures\n")
    lines = text.partition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in lines] == NAMES
    assert "operation 4 (line 4): 3,000 bytes, exhausted: " in lines[0]


def test_a_comparison_tries_and_notes_what_the_program_was_refused() -> None:
    log = "= Start\n@ x + 0x10 0x40\n@ big + (nil) 0x10000\n@ x + 0x80 0x40\n= End\n"
    lines = printed("replay", "-", "--compare", stdin=log).splitlines()
    assert lines[0] == "standard input (glibc mtrace), 4 operations"
    assert lines[-1].startswith("note: request that failed in the program, tried here")


def test_the_first_failure_is_one_line() -> None:
    """With its line in the file, its tag and its thread, and the reason."""
    path = RECORDED / "rmm.csv"
    done = run("replay", str(path), "--size", "4096", "--no-map")
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("first failure"))
    trace = traces.read(path)
    report = replay(trace, 4096)
    assert report.failure is not None
    place = f"operation {report.failure.operation:,} (line {report.failure.line:,})"
    owner = f"of '{report.failure.tag}', thread {report.failure.thread}"
    assert line.startswith(f"first failure           {place} {owner}: ")
    assert report.failure.tag
    assert report.failure.thread
    assert f"{report.failure.size:,} bytes" in line
    assert f", {report.failure.cause}: " in line
    assert done.returncode == 3


# --- Records --------------------------------------------------------------------------------------
@pytest.mark.parametrize("how", [[], ["--compare"], ["--size", "512"], ["--granule", "4K"]])
def test_csv_has_a_row_for_each_policy_with_the_values_of_the_json(how: list[str]) -> None:
    done = run("replay", "-", "--csv", *how, stdin=SCRIPT)
    rows = [*csv.DictReader(done.stdout.splitlines())]
    found = figures(*how)
    expected = found if "--compare" in how else [found]
    assert len(rows) == len(expected)
    for row, record in zip(rows, expected, strict=True):
        del record["skipped"]
        assert [*row] == [*record]
        for name, value in record.items():
            if "nanoseconds" not in name:
                assert row[name] == ("" if value is None else str(value))


def test_csv_and_json_exclude_each_other() -> None:
    assert_mistake(run("replay", "-", "--csv", "--json", stdin=SCRIPT), "not allowed with argument")


def test_a_comparison_in_json_is_a_list_of_figures() -> None:
    found = figures("--compare", "--size", "2048", "--no-headers")
    assert [one["policy"] for one in found] == NAMES
    assert all((one["region"], one["headers"]) == (2048, False) for one in found)
    assert all(one["failures"] == 1 for one in found)


# --- The trace ------------------------------------------------------------------------------------
@pytest.mark.parametrize("content", [SCRIPT.encode(), gzip.compress(SCRIPT.encode())])
def test_standard_input_is_read_packed_or_plain(content: bytes) -> None:
    found = figures(stdin=content)
    assert (found["trace"], found["operations"]) == ("standard input", 4)


@pytest.mark.parametrize("how", [["--size", "512"], ["--compare"], ["--json"]])
def test_misuse_weighs_more_than_a_region_that_is_too_small(how: list[str]) -> None:
    done = run("replay", "-", *how, stdin="a 0 1000\nf 0\nf 0\n")
    assert done.returncode == 1
    assert "freed before" in done.stdout
    assert done.stderr.startswith("glassheap: ")


def test_a_trace_that_frees_memory_it_does_not_hold_is_replayed_and_reported() -> None:
    done = run("replay", "-", "--no-map", stdin="a 0 8\nf 1\nf 2\nf 0\nf 0\n")
    assert done.returncode == 1
    assert "operations              2\n" in done.stdout
    assert done.stdout.count("note") == 2
    never, before = done.stderr.splitlines()
    assert never.startswith("glassheap: standard input: free of a block never allocated")
    assert never.endswith("2 times, first on line 2")
    assert before.endswith("freed before, skipped: line 5")


def test_skipped_operations_that_the_grammar_allows_are_noted_and_no_error() -> None:
    text = printed("replay", "-", "--no-map", stdin="1 1 9 8\na 0 8\na 0 8\nf -1\n")
    assert text.count("\nnote") == 3


def test_a_name_that_the_encoding_lacks_is_printed_escaped(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xe9.script")
    Path(path).write_text(SCRIPT, encoding="utf-8")
    done = run("replay", path, "--no-map", encoding="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert r"\udcff\udce9.script" in done.stdout


# --- Mistakes -------------------------------------------------------------------------------------
@pytest.mark.parametrize("size", ["0", "8", "64G", "999999999G"])
@pytest.mark.parametrize("how", ["", "--compare", "--no-headers --policy buddy"])
def test_an_impossible_size_of_the_region_is_one_sentence(size: str, how: str) -> None:
    done = run("replay", "-", "--size", size, *how.split(), stdin=SCRIPT)
    assert_mistake(done, "cannot make a region for standard input: ", "has from 16 to", "bytes")


def test_a_file_that_is_missing_or_a_directory_or_no_trace_is_one_sentence(tmp_path: Path) -> None:
    sentence = "standard input, line 2: cannot read 'a 1 eight'; expected 'a ID SIZE'"
    assert_mistake(run("replay", "-", stdin="a 0 8\na 1 eight\n"), sentence)
    assert_mistake(run("replay", "-"), "standard input is empty; expected a CS107 script")
    assert_mistake(run("replay", "none.rep"), "cannot read none.rep: No such file")
    assert_mistake(run("replay", str(tmp_path)), f"cannot read {tmp_path}: Is a directory")
    assert_mistake(run("replay", ""), "No such file")


# --- Ctrl-C ---------------------------------------------------------------------------------------
LONG = "a 0 8\nf 0\n" * 10000


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C as soon as the progress bar is told of more than 5,000 operations."""

    def press(bar: Bar, done: int, total: int) -> None:
        if done > 5000:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Bar, "__call__", press)


@pytest.mark.usefixtures("interrupted")
def test_ctrl_c_keeps_the_figures_up_to_then() -> None:
    done = run("replay", "-", stdin=LONG)
    assert (done.returncode, done.stderr) == (130, "")
    first, *lines = done.stdout.splitlines()
    assert first.startswith("interrupted at operation 8192 of 20000")
    assert "operations              20,000" in lines
    assert lines[-1].startswith("blocks still live")
    found = figures(stdin=LONG)
    assert (found["interrupted"], found["completed"]) == (True, 8192)


@pytest.mark.usefixtures("interrupted")
def test_ctrl_c_in_a_comparison_keeps_the_policies_replayed_before() -> None:
    done = run("replay", "-", "--compare", stdin=LONG)
    first, _, titles, *lines = done.stdout.splitlines()
    assert first == "standard input (CS107 script), 20,000 operations"
    assert (titles.split()[0], lines) == ("policy", [])
    assert done.stderr.startswith("glassheap: interrupted: the table holds the policies")
    assert done.returncode == 130
