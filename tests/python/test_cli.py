"""The command as its user meets it: what it prints, what it complains of, and how it ends.

Every test runs the installed package in a process of its own, because exit statuses, closed pipes
and signals belong to processes.
"""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

import glassheap

SCRIPT = "a 0 100\na 1 200\nf 0\nr 1 3000\n"
FULL_DISK = Path("/dev/full")

NAMES = [policy.name for policy in glassheap.policies()]

Output = subprocess.CompletedProcess[str]


def command(*arguments: str, stdin: str = "", stdout: int | IO[str] = subprocess.PIPE) -> Output:
    """`python -m glassheap ARGUMENTS`, run to its end."""
    return python("-m", "glassheap", *arguments, stdin=stdin, stdout=stdout)


def python(*arguments: str, stdin: str = "", stdout: int | IO[str] = subprocess.PIPE) -> Output:
    """An interpreter, run to its end; it buffers its output unless `-u` is among the arguments."""
    return subprocess.run(
        [sys.executable, *arguments],
        input=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=120,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
    )


def assert_mistake(done: Output, *phrases: str, status: int = 2) -> None:
    """One sentence on stderr, nothing on stdout, and the status."""
    assert done.stderr.startswith("glassheap: ")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    for phrase in phrases:
        assert phrase in done.stderr
    assert (done.returncode, done.stdout or "") == (status, "")


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "small.script"
    path.write_text(SCRIPT, encoding="utf-8")
    return str(path)


# --- What it tells --------------------------------------------------------------------------------
def test_without_arguments_it_explains_itself() -> None:
    done = command()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == command("--help").stdout
    for word in ("demo", "replay", "policies", "--version", "--cmakedir", "--includes"):
        assert word in done.stdout


def test_it_tells_its_version_and_its_directories() -> None:
    done = command("--version", "--cmakedir", "--includes")
    version, cmake, includes = done.stdout.splitlines()
    assert version == f"glassheap {glassheap.__version__}"
    assert (Path(cmake) / "glassheapConfig.cmake").is_file()
    assert (Path(includes) / "my_malloc.h").is_file()


def test_the_demonstration_runs_to_its_end() -> None:
    done = command("demo", "--width", "80")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Free(4080)" in done.stdout


# --- Replay ---------------------------------------------------------------------------------------
def test_a_replay_prints_its_figures_and_then_the_map(script: str) -> None:
    done = command("replay", script)
    assert (done.returncode, done.stderr) == (0, "")
    figures, _, drawing = done.stdout.partition("\n\n")
    assert "operations              4\n" in figures
    assert "failures                0\n" in figures
    assert "4,096 bytes, first_fit" in figures
    assert drawing.strip()


def test_no_map_prints_the_figures_alone(script: str) -> None:
    figures = command("replay", script, "--no-map").stdout
    assert figures.splitlines()[-1].startswith("blocks still live")
    assert "\n\n" not in figures


@pytest.mark.parametrize(
    ("size", "region"),
    [("512", 512), ("500", 512), ("64K", 65536), ("64k", 65536), ("1M", 2**20), ("0016", 16)],
)
def test_the_size_of_the_region_is_as_asked(script: str, size: str, region: int) -> None:
    figures = json.loads(command("replay", script, "--json", "--size", size).stdout)
    assert figures["region"] == region
    assert (figures["failures"] == 0) == (region > 4000)
    assert figures["completed"] == figures["operations"] == 4


def test_the_policies_are_told(script: str) -> None:
    lines = command("policies").stdout.splitlines()
    for info, line, cost, source in zip(
        glassheap.policies(), lines[::3], lines[1::3], lines[2::3], strict=True
    ):
        assert line.split(maxsplit=1) == [info.name, info.summary]
        assert (cost.strip(), source.strip()) == (info.cost, info.source)


@pytest.mark.parametrize("policy", NAMES)
def test_a_policy_can_be_asked_for_with_headers_or_without(script: str, policy: str) -> None:
    figures = command("replay", script, "--policy", policy, "--no-headers", "--no-map").stdout
    assert f" bytes, {policy}, no headers\n" in figures
    told = json.loads(command("replay", script, "--policy", policy, "--json").stdout)
    assert (told["policy"], told["headers"], told["failures"]) == (policy, True, 0)


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


def test_a_comparison_says_what_it_passed_over_and_its_status_too() -> None:
    done = command("replay", "-", "--compare", stdin="a 0 100\nf 0\nf 0\na 1 2\n")
    assert done.returncode == 1
    assert "note: " in done.stdout
    assert done.stderr.startswith("glassheap: ")


@pytest.mark.parametrize(
    ("arguments", "phrases"),
    [
        (["--policy", "worst"], ["there is no policy 'worst'; there are: first_fit, ", "buddy"]),
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


def test_a_trace_that_frees_what_it_does_not_hold_is_played_and_blamed() -> None:
    done = command("replay", "-", "--no-map", stdin="a 0 8\nf 1\nf 2\nf 0\nf 0\n")
    assert done.returncode == 1
    assert "operations              2\n" in done.stdout
    assert done.stdout.count("note") == 2
    never, before = done.stderr.splitlines()
    assert never.startswith("glassheap: standard input: free of a block never allocated")
    assert never.endswith("2 times, first on line 2")
    assert before.endswith("freed before, skipped: line 5")


def test_what_the_grammar_allows_is_noted_without_blame() -> None:
    done = command("replay", "-", "--no-map", stdin="1 1 9 8\na 0 8\na 0 8\nf -1\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\nnote") == 3


def test_a_name_that_no_encoding_can_print_is_printed_all_the_same(tmp_path: Path) -> None:
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
        (["sing"], "invalid choice: 'sing'"),
        (["--sing"], "unrecognized arguments: --sing"),
        (["replay"], "required: FILE"),
        (["replay", "x", "y"], "unrecognized arguments: y"),
        (["replay", "x", "--size"], "--size: expected one argument"),
        (["replay", "x", "--size", "8X"], "'8X' is no size; expected a whole number of bytes"),
        (["replay", "x", "--size", "K"], "'K' is no size"),
        (["replay", "x", "--size", "1.5K"], "'1.5K' is no size"),
        (["replay", "x", "--size=-4096"], "'-4096' is no size"),
        (["replay", "x", "--size", ""], "'' is no size"),
        (["replay", "x", "--size", "9" * 5000], "is no size"),
        (["demo", "--width", "0"], "'0' is no width"),
        (["demo", "--width", "wide"], "'wide' is no width"),
    ],
)
def test_a_mistake_in_the_arguments_is_one_sentence(arguments: list[str], phrase: str) -> None:
    assert_mistake(command(*arguments), phrase, "--help)")


@pytest.mark.parametrize("size", ["0", "8", "64G", "999999999G"])
def test_a_region_that_cannot_be_is_one_sentence(script: str, size: str) -> None:
    assert_mistake(command("replay", script, "--size", size), "cannot make a region", "bytes")


def test_a_file_that_is_not_there_or_no_file_is_one_sentence(tmp_path: Path) -> None:
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


def test_closed_streams_are_no_reason_for_a_traceback(script: str) -> None:
    line = 'exec "$0" -m glassheap "$@"'
    closed = subprocess.run(
        ["sh", "-c", f"{line} <&-", sys.executable, "replay", "-"],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert_mistake(closed, "standard input")
    mute = subprocess.run(
        ["sh", "-c", f"{line} >&-", sys.executable, "replay", script, "--no-map"],
        stderr=subprocess.PIPE, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert (mute.returncode, mute.stderr) == (0, "")


# --- When the output cannot be written ------------------------------------------------------------
@pytest.mark.skipif(not FULL_DISK.exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("unbuffered", [[], ["-u"]])
@pytest.mark.parametrize("arguments", [["replay", "-"], ["replay", "-", "--json"], ["--help"], []])
def test_a_full_disk_is_said(arguments: list[str], unbuffered: list[str]) -> None:
    with FULL_DISK.open("w", encoding="utf-8") as full:
        done = python(*unbuffered, "-m", "glassheap", *arguments, stdin=SCRIPT, stdout=full)
    assert_mistake(done, "cannot write the output: No space left on device", status=1)


@pytest.mark.parametrize("unbuffered", [[], ["-u"]])
@pytest.mark.parametrize("arguments", [["replay", "-"], ["--help"], ["demo"]])
def test_a_reader_that_went_away_is_not_worth_a_word(
    arguments: list[str], unbuffered: list[str]
) -> None:
    unread, written = os.pipe()
    os.close(unread)
    with os.fdopen(written, "w", encoding="utf-8") as pipe:
        done = python(*unbuffered, "-m", "glassheap", *arguments, stdin=SCRIPT, stdout=pipe)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


# --- Ctrl-C ---------------------------------------------------------------------------------------
PRESS_CTRL_C = """
import signal, sys
from glassheap import progress
from glassheap.__main__ import main
progress.Bar.__call__ = lambda bar, done, total: done > 5000 and signal.raise_signal(signal.SIGINT)
sys.exit(main(sys.argv[1:]))
"""
LONG = "a 0 8\nf 0\n" * 10000


def test_ctrl_c_in_a_replay_keeps_the_figures_so_far() -> None:
    done = python("-c", PRESS_CTRL_C, "replay", "-", stdin=LONG)
    assert (done.returncode, done.stderr) == (130, "")
    first, *figures = done.stdout.splitlines()
    assert first.startswith("interrupted at operation 8192 of 20000")
    assert "operations              20,000" in figures
    assert figures[-1].startswith("blocks still live")


def test_ctrl_c_in_a_replay_is_told_in_json_too() -> None:
    done = python("-c", PRESS_CTRL_C, "replay", "-", "--json", stdin=LONG)
    figures = json.loads(done.stdout)
    assert (done.returncode, figures["interrupted"], figures["completed"]) == (130, True, 8192)


def test_ctrl_c_anywhere_else_is_one_sentence() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "glassheap", "replay", "-"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        process.stdin.write("a 0 1\n" * 100_000)  # more than a pipe holds: it is being read
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout, stderr) == (130, "", "glassheap: interrupted\n")


# --- With and without rich ------------------------------------------------------------------------
def test_everything_works_without_rich(script: str) -> None:
    code = "import sys; sys.modules['rich'] = None\nfrom glassheap.__main__ import main\n"
    code += "sys.exit(main(sys.argv[1:]))"
    for arguments in (["replay", script], ["demo"], []):
        done = python("-c", code, *arguments)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("heavy", ["rich", "numpy", "gzip", "json"])
def test_what_a_command_does_not_need_is_not_imported(heavy: str) -> None:
    code = "import sys; from glassheap.__main__ import main; main(['--version'])\n"
    done = python("-c", f"{code}sys.exit({heavy!r} in sys.modules)")
    assert done.returncode == 0
