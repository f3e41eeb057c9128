"""The command line as a whole: its help, its mistakes, its output and its exit statuses.

The tests of `replay`, `fsck`, `inspect` and `ostep` are in files of their own.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

import glassheap
from command_helpers import assert_mistake, command, python
from glassheap import cli

SCRIPT = "a 0 100\na 1 200\nf 0\nr 1 3000\n"
FULL_DISK = Path("/dev/full")

FOR_ALL_COMMANDS = {"base", "image_arguments", "information", "values"}
"""The modules of `glassheap.cli` that are no commands."""


# --- The commands ---------------------------------------------------------------------------------
def test_every_other_module_of_the_folder_is_a_command() -> None:
    modules = {module.name for module in iter_modules(cli.__path__)}
    assert modules == {*cli.COMMANDS} | FOR_ALL_COMMANDS


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_a_line_in_the_help_and_a_help_of_its_own(name: str) -> None:
    module = import_module(f"glassheap.cli.{name}")
    assert re.search(f"^ +{module.NAME} +{re.escape(module.HELP)}$", command("--help").stdout, re.M)
    done = command(module.NAME, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: glassheap {module.NAME} ")


def test_without_arguments_the_help_is_printed() -> None:
    done = command()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == command("--help").stdout
    for word in ("demo", "replay", "policies", "--version", "--cmakedir", "--pkgconfigdir"):
        assert word in done.stdout


def test_version_and_directories_are_printed_one_a_line() -> None:
    done = command("--version", "--cmakedir", "--pkgconfigdir", "--includes")
    version, cmake, pkgconfig, includes = done.stdout.splitlines()
    assert version == f"glassheap {glassheap.__version__}"
    assert (Path(cmake) / "glassheapConfig.cmake").is_file()
    assert (Path(pkgconfig) / "glassheap.pc").is_file()
    assert (Path(includes) / "my_malloc.h").is_file()


def test_the_demonstration_runs_to_its_end() -> None:
    done = command("demo", "--width", "80")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Free(4080)" in done.stdout


def test_the_policies_are_printed_in_three_lines_each() -> None:
    lines = command("policies").stdout.splitlines()
    for info, line, cost, source in zip(
        glassheap.policies(), lines[::3], lines[1::3], lines[2::3], strict=True
    ):
        assert line.split(maxsplit=1) == [info.name, info.summary]
        assert (cost.strip(), source.strip()) == (info.cost, info.source)


def test_the_policies_in_json_are_their_fields() -> None:
    printed = json.loads(command("policies", "--json").stdout)
    assert printed == [info._asdict() for info in glassheap.policies()]


# --- Mistakes -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        (["sing"], "invalid choice: 'sing'"),
        (["rplay"], "; did you mean replay? (see glassheap --help)"),
        (["polices"], "; did you mean policies?"),
        (["demo", "--widht", "80"], "unrecognized arguments: --widht 80; did you mean --width?"),
        (
            ["replay", "-", "--polcy", "tlsf"],
            "did you mean --policy? (see glassheap replay --help)",
        ),
        (["ostep", "-p", "FRIST"], "; did you mean FIRST?"),
        (["--sing"], "unrecognized arguments: --sing"),
        (["demo", "--width", "0"], "'0' is no width"),
        (["demo", "--width", "wide"], "'wide' is no width"),
    ],
)
def test_a_mistake_in_the_arguments_is_one_sentence(arguments: list[str], phrase: str) -> None:
    assert_mistake(command(*arguments), phrase, "--help)")


# --- When the input cannot be read ----------------------------------------------------------------
UNREADABLE = Path("/proc/self/mem")
"""Its first byte is a read error."""


@pytest.mark.skipif(not UNREADABLE.exists(), reason="this system has no /proc")
@pytest.mark.parametrize("name", ["fsck", "inspect", "replay"])
def test_a_read_error_is_not_taken_for_one_of_the_output(name: str) -> None:
    done = command(name, str(UNREADABLE))
    assert_mistake(done, f"cannot read {UNREADABLE}: Input/output error")


def test_the_tour_goes_on_if_enter_cannot_be_read() -> None:
    line = 'exec "$0" -m glassheap demo --pause --width 40 0>/dev/null'
    done = subprocess.run(
        ["sh", "-c", line, sys.executable],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "A real program" in done.stdout


# --- When the output cannot be written ------------------------------------------------------------
@pytest.mark.skipif(not FULL_DISK.exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("unbuffered", [[], ["-u"]])
@pytest.mark.parametrize("arguments", [["replay", "-"], ["replay", "-", "--json"], ["--help"], []])
def test_a_full_disk_is_reported(arguments: list[str], unbuffered: list[str]) -> None:
    with FULL_DISK.open("w", encoding="utf-8") as full:
        done = python(*unbuffered, "-m", "glassheap", *arguments, stdin=SCRIPT, stdout=full)
    assert_mistake(done, "cannot write the output: No space left on device", status=1)


@pytest.mark.parametrize("unbuffered", [[], ["-u"]])
@pytest.mark.parametrize("arguments", [["replay", "-"], ["--help"], ["demo"]])
def test_a_closed_pipe_is_not_reported(arguments: list[str], unbuffered: list[str]) -> None:
    unread, written = os.pipe()
    os.close(unread)
    with os.fdopen(written, "w", encoding="utf-8") as pipe:
        done = python(*unbuffered, "-m", "glassheap", *arguments, stdin=SCRIPT, stdout=pipe)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


# --- Ctrl-C ---------------------------------------------------------------------------------------
def test_ctrl_c_is_one_sentence() -> None:
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


# --- Imports --------------------------------------------------------------------------------------
def test_every_command_works_without_rich() -> None:
    code = "import sys; sys.modules['rich'] = None\nfrom glassheap.cli import main\n"
    code += "sys.exit(main(sys.argv[1:]))"
    for arguments in (["replay", "-"], ["demo"], []):
        done = python("-c", code, *arguments, stdin=SCRIPT)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("heavy", ["rich", "numpy", "gzip", "json"])
def test_the_version_is_printed_without_heavy_imports(heavy: str) -> None:
    code = "import sys; from glassheap.cli import main; main(['--version'])\n"
    done = python("-c", f"{code}sys.exit({heavy!r} in sys.modules)")
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        (["--help"], set()),
        (["policies"], set()),
        (["demo"], {"demo", "traces", "replay"}),
        (["ostep"], {"ostep.program"}),
        (["fsck", "none"], {"images"}),
        (["inspect", "none"], {"images"}),
        (["replay", "-"], {"traces", "replay"}),
    ],
)
def test_a_command_does_not_import_the_others(arguments: list[str], needed: set[str]) -> None:
    code = "import sys; from glassheap.cli import main; main(sys.argv[1:])\n"
    code += "print(*sys.modules, sep='\\n', file=sys.stderr)"
    imported = python("-c", code, *arguments, stdin=SCRIPT).stderr.splitlines()
    heavy = {"demo", "images", "ostep.program", "replay", "traces"}
    assert {name for name in heavy if f"glassheap.{name}" in imported} == needed
