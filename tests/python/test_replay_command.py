"""`glassheap replay`: its figures, its map and its table, its mistakes and its interruption."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import glassheap
from command_helpers import assert_mistake, command, python

SCRIPT = "a 0 100\na 1 200\nf 0\nr 1 3000\n"

NAMES = [policy.name for policy in glassheap.policies()]


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "small.script"
    path.write_text(SCRIPT, encoding="utf-8")
    return str(path)


# --- One policy -----------------------------------------------------------------------------------
def test_the_figures_are_printed_and_then_the_map(script: str) -> None:
    done = command("replay", script)
    assert (done.returncode, done.stderr) == (0, "")
    figures, _, drawing = done.stdout.partition("\n\n")
    assert "operations              4\n" in figures
    assert "failures                0\n" in figures
    assert "4,096 bytes, first_fit" in figures
    assert drawing.strip()


def test_with_no_map_the_figures_alone_are_printed(script: str) -> None:
    figures = command("replay", script, "--no-map").stdout
    assert figures.splitlines()[-1].startswith("blocks still live")
    assert "\n\n" not in figures


@pytest.mark.parametrize(
    ("size", "region"),
    [("512", 512), ("500", 512), ("64K", 65536), ("64k", 65536), ("1M", 2**20), ("0016", 16)],
)
def test_the_region_has_the_requested_size(script: str, size: str, region: int) -> None:
    figures = json.loads(command("replay", script, "--json", "--size", size).stdout)
    assert figures["region"] == region
    assert (figures["failures"] == 0) == (region > 4000)
    assert figures["completed"] == figures["operations"] == 4


@pytest.mark.parametrize("how", [["--no-map"], ["--json"], ["--compare"], ["--policy", "tlsf"]])
@pytest.mark.parametrize(("size", "status"), [("512", 3), ("64K", 0)])
def test_the_status_is_3_if_the_region_is_too_small(
    script: str, how: list[str], size: str, status: int
) -> None:
    done = command("replay", script, "--size", size, *how)
    assert (done.returncode, done.stderr) == (status, "")
    assert "failures" in done.stdout
    assert "3 if allocations fail" in " ".join(command("replay", "--help").stdout.split())


def test_misuse_weighs_more_than_a_region_that_is_too_small() -> None:
    done = command("replay", "-", "--size", "512", stdin="a 0 1000\nf 0\nf 0\n")
    assert done.returncode == 1


@pytest.mark.parametrize("policy", NAMES)
def test_every_policy_replays_with_headers_and_without(script: str, policy: str) -> None:
    figures = command("replay", script, "--policy", policy, "--no-headers", "--no-map").stdout
    assert f" bytes, {policy}, no headers\n" in figures
    printed = json.loads(command("replay", script, "--policy", policy, "--json").stdout)
    assert (printed["policy"], printed["headers"], printed["failures"]) == (policy, True, 0)


# --- Every policy ---------------------------------------------------------------------------------
@pytest.mark.parametrize("how", [["--compare"], ["--policy", "all"], ["--compare", "--no-map"]])
def test_a_comparison_is_a_table(script: str, how: list[str]) -> None:
    done = command("replay", script, *how)
    assert (done.returncode, done.stderr) == (0, "")
    first, empty, titles, *lines = done.stdout.splitlines()
    assert first == f"{script} (CS107 script), 4 operations"
    assert empty == ""
    assert titles.split()[:3] == ["policy", "region", "failures"]
    assert [line.split()[0] for line in lines] == NAMES
    assert max(map(len, (titles, *lines))) <= 100


def test_a_comparison_in_json_is_a_list_of_figures(script: str) -> None:
    done = command("replay", script, "--compare", "--json", "--size", "2048", "--no-headers")
    figures = json.loads(done.stdout)
    assert [one["policy"] for one in figures] == NAMES
    assert all((one["region"], one["headers"]) == (2048, False) for one in figures)
    assert all(one["failures"] == 1 for one in figures)


def test_a_comparison_notes_skipped_operations_and_its_status_is_1() -> None:
    done = command("replay", "-", "--compare", stdin="a 0 100\nf 0\nf 0\na 1 2\n")
    assert done.returncode == 1
    assert "note: " in done.stdout
    assert done.stderr.startswith("glassheap: ")


# --- The trace ------------------------------------------------------------------------------------
def test_standard_input_is_read_packed_or_plain() -> None:
    for content in (SCRIPT.encode(), gzip.compress(SCRIPT.encode())):
        done = subprocess.run(
            [sys.executable, "-m", "glassheap", "replay", "-", "--json"],
            input=content,
            capture_output=True,
            check=True,
            timeout=120,
        )
        assert json.loads(done.stdout)["trace"] == "standard input"


def test_a_trace_that_frees_memory_it_does_not_hold_is_replayed_and_reported() -> None:
    done = command("replay", "-", "--no-map", stdin="a 0 8\nf 1\nf 2\nf 0\nf 0\n")
    assert done.returncode == 1
    assert "operations              2\n" in done.stdout
    assert done.stdout.count("note") == 2
    never, before = done.stderr.splitlines()
    assert never.startswith("glassheap: standard input: free of a block never allocated")
    assert never.endswith("2 times, first on line 2")
    assert before.endswith("freed before, skipped: line 5")


def test_skipped_operations_that_the_grammar_allows_are_noted_and_no_error() -> None:
    done = command("replay", "-", "--no-map", stdin="1 1 9 8\na 0 8\na 0 8\nf -1\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\nnote") == 3


def test_a_name_that_the_encoding_lacks_is_printed_escaped(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff\xe9.script"
    Path(os.fsdecode(path)).write_text(SCRIPT, encoding="utf-8")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-m", "glassheap", "replay", path, "--no-map"],
        capture_output=True,
        check=False,
        timeout=120,
        env=environment,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"\udcff\udce9.script" in done.stdout


# --- Mistakes -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        (["replay"], "required: FILE"),
        (["replay", "x", "y"], "unrecognized arguments: y"),
        (["replay", "x", "--size"], "--size: expected one argument"),
        (["replay", "x", "--size", "8X"], "'8X' is no size; expected a whole number of bytes"),
        (["replay", "x", "--size", "K"], "'K' is no size"),
        (["replay", "x", "--size", "1.5K"], "'1.5K' is no size"),
        (["replay", "x", "--size=-4096"], "'-4096' is no size"),
        (["replay", "x", "--size", ""], "'' is no size"),
        (["replay", "x", "--size", "9" * 5000], "is no size"),
    ],
)
def test_a_mistake_in_the_arguments_is_one_sentence(arguments: list[str], phrase: str) -> None:
    assert_mistake(command(*arguments), phrase, "--help)")


@pytest.mark.parametrize(
    ("arguments", "phrases"),
    [
        (
            ["--policy", "worst"],
            ["there is no policy 'worst'; there are: first_fit, ", "did you mean worst_fit?"],
        ),
        (["--policy", ""], ["there is no policy ''"]),
        (["--policy", "tlsf", "--compare"], ["not allowed with argument --policy"]),
        (["--policy"], ["expected one argument"]),
        (["--compare", "--size", "8"], ["has from 16 to"]),
        (["--size", "8", "--no-headers", "--policy", "buddy"], ["has from 16 to"]),
    ],
)
def test_a_mistake_about_policies_is_one_sentence(
    script: str, arguments: list[str], phrases: list[str]
) -> None:
    assert_mistake(command("replay", script, *arguments), *phrases)


@pytest.mark.parametrize("size", ["0", "8", "64G", "999999999G"])
def test_an_impossible_size_of_the_region_is_one_sentence(script: str, size: str) -> None:
    assert_mistake(command("replay", script, "--size", size), "cannot make a region", "bytes")


def test_a_file_that_is_missing_or_a_directory_is_one_sentence(tmp_path: Path) -> None:
    assert_mistake(command("replay", "none.rep"), "cannot read none.rep: No such file")
    assert_mistake(command("replay", str(tmp_path)), f"cannot read {tmp_path}: Is a directory")
    assert_mistake(command("replay", ""), "No such file")


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        ("a 0 8\na 1 eight\n", "line 2: cannot read 'a 1 eight'; expected 'a ID SIZE'"),
        ("", "standard input is empty; expected a CS:APP .rep"),
        ("\0\1", "standard input is a binary file"),
        ("hello\n", "standard input is not a trace (it begins with 'hello'); expected"),
    ],
)
def test_a_file_that_is_no_trace_is_one_sentence(content: str, phrase: str) -> None:
    assert_mistake(command("replay", "-", stdin=content), phrase)


def test_closed_streams_cause_no_traceback(script: str) -> None:
    line = 'exec "$0" -m glassheap "$@"'
    closed = subprocess.run(
        ["sh", "-c", f"{line} <&-", sys.executable, "replay", "-"],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert_mistake(closed, "standard input")
    for arguments in (["replay", script], ["demo"], ["ostep", "-c"], ["ostep", "--json"], []):
        mute = subprocess.run(
            ["sh", "-c", f"{line} >&-", sys.executable, *arguments],
            stderr=subprocess.PIPE, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert_mistake(mute, "cannot write the output: standard output is closed", status=1)


# --- Ctrl-C ---------------------------------------------------------------------------------------
PRESS_CTRL_C = """
import signal, sys
from glassheap import progress
from glassheap.cli import main
progress.Bar.__call__ = lambda bar, done, total: done > 5000 and signal.raise_signal(signal.SIGINT)
sys.exit(main(sys.argv[1:]))
"""
LONG = "a 0 8\nf 0\n" * 10000


def test_ctrl_c_keeps_the_figures_up_to_then() -> None:
    done = python("-c", PRESS_CTRL_C, "replay", "-", stdin=LONG)
    assert (done.returncode, done.stderr) == (130, "")
    first, *figures = done.stdout.splitlines()
    assert first.startswith("interrupted at operation 8192 of 20000")
    assert "operations              20,000" in figures
    assert figures[-1].startswith("blocks still live")


def test_ctrl_c_is_recorded_in_json_too() -> None:
    done = python("-c", PRESS_CTRL_C, "replay", "-", "--json", stdin=LONG)
    figures = json.loads(done.stdout)
    assert (done.returncode, figures["interrupted"], figures["completed"]) == (130, True, 8192)


def test_ctrl_c_in_a_comparison_keeps_the_policies_replayed_before() -> None:
    done = python("-c", PRESS_CTRL_C, "replay", "-", "--compare", stdin=LONG)
    first, _, titles, *lines = done.stdout.splitlines()
    assert first == "standard input (CS107 script), 20,000 operations"
    assert (titles.split()[0], lines) == ("policy", [])
    assert done.stderr.startswith("glassheap: interrupted: the table holds the policies")
    assert done.returncode == 130
