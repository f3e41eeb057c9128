"""The command line as a whole: its help, its mistakes, its streams and its exit statuses.

The tests of `replay`, `fsck`, `inspect` and `ostep` are in files of their own.
"""

from __future__ import annotations

import errno
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

import glassheap
from command_helpers import assert_mistake, command, completed, printed, python, run, shell
from glassheap import cli, paths
from glassheap.cli.terminating import DEFAULTS, Interruptions

SCRIPT = "a 0 100\na 1 200\nf 0\nr 1 3000\n"
FULL_DISK = Path("/dev/full")

FOR_ALL_COMMANDS = {
    "base", "image_arguments", "information", "output", "terminating", "trace_files", "values",
}  # fmt: skip
"""The modules of `glassheap.cli` that are no commands."""


# --- The commands ---------------------------------------------------------------------------------
def test_every_other_module_of_the_folder_is_a_command() -> None:
    modules = {module.name for module in iter_modules(cli.__path__)}
    assert modules == {*cli.COMMANDS} | FOR_ALL_COMMANDS


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_a_line_in_the_help_and_a_help_of_its_own(name: str) -> None:
    module = import_module(f"glassheap.cli.{name}")
    assert re.search(f"^ +{module.NAME} +{re.escape(module.HELP)}$", printed("--help"), re.M)
    assert printed(module.NAME, "--help").startswith(f"usage: glassheap {module.NAME} ")


def test_without_arguments_the_help_is_printed() -> None:
    done = command()
    assert (done.returncode, done.stderr, done.stdout) == (0, "", printed("--help"))
    for word in ("--version", "--cmakedir", "--pkgconfigdir"):
        assert word in done.stdout


def test_version_and_directories_are_printed_one_a_line() -> None:
    folders = paths.cmake_dir(), paths.pkgconfig_dir(), paths.include_dir()
    lines = printed("--version", "--cmakedir", "--pkgconfigdir", "--includes").splitlines()
    assert lines == [f"glassheap {glassheap.__version__}", *map(str, folders)]


def test_the_policies_are_printed_in_three_lines_each_and_in_json_by_their_fields() -> None:
    lines = printed("policies").splitlines()
    for info, line, cost, source in zip(
        glassheap.policies(), lines[::3], lines[1::3], lines[2::3], strict=True
    ):
        assert line.split(maxsplit=1) == [info.name, info.summary]
        assert (cost.strip(), source.strip()) == (info.cost, info.source)
    fields = [info._asdict() for info in glassheap.policies()]
    assert json.loads(printed("policies", "--json")) == fields


# --- Mistakes -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("line", "phrase"),
    [
        ("sing", "invalid choice: 'sing'"),
        ("rplay", "; did you mean replay? (see glassheap --help)"),
        ("polices", "; did you mean policies?"),
        ("--sing", "unrecognized arguments: --sing"),
        ("demo --widht 80", "unrecognized arguments: --widht 80; did you mean --width?"),
        ("demo --width 0", "'0' is no width"),
        ("demo --width wide", "'wide' is no width"),
        ("ostep -p FRIST", "; did you mean FIRST?"),
        ("replay", "required: FILE"),
        ("replay - --polcy tlsf", "did you mean --policy? (see glassheap replay --help)"),
        ("replay x y", "unrecognized arguments: y"),
        ("replay x --size", "--size: expected one argument"),
        ("replay x --size 8X", "'8X' is no size; expected a whole number of bytes"),
        ("replay x --size K", "'K' is no size"),
        ("replay x --size 1.5K", "'1.5K' is no size"),
        ("replay x --size=-4096", "'-4096' is no size"),
        ("replay x --size ''", "'' is no size"),
        (f"replay x --size {'9' * 5000}", "is no size"),
        ("replay x --policy worst", "there is no policy 'worst'; there are: first_fit, "),
        ("replay x --policy worst", "; did you mean worst_fit?"),
        ("replay x --policy ''", "there is no policy ''"),
        ("replay x --policy tlsf --compare", "not allowed with argument --policy"),
        ("replay x --policy", "expected one argument"),
    ],
)
def test_a_mistake_in_the_arguments_is_one_sentence(line: str, phrase: str) -> None:
    assert_mistake(run(*shlex.split(line)), phrase, "--help)")


# --- When the input cannot be read ----------------------------------------------------------------
UNREADABLE = Path("/proc/self/mem")
"""Its first byte is a read error."""


@pytest.mark.skipif(not UNREADABLE.exists(), reason="this system has no /proc")
@pytest.mark.parametrize("name", ["fsck", "inspect", "replay"])
def test_a_read_error_is_not_taken_for_one_of_the_output(name: str) -> None:
    done = run(name, str(UNREADABLE))
    assert_mistake(done, f"cannot read {UNREADABLE}: Input/output error")


def test_a_closed_standard_input_is_one_sentence() -> None:
    assert_mistake(shell("<&-", "replay", "-"), "standard input")


def test_the_tour_goes_on_if_enter_cannot_be_read() -> None:
    done = shell("0>/dev/null", "demo", "--pause", "--width", "40")
    assert (done.returncode, done.stderr) == (0, "")
    assert "A real program" in done.stdout


# --- When the output cannot be written ------------------------------------------------------------
each_buffering = pytest.mark.parametrize("unbuffered", [[], ["-u"]])


@pytest.mark.skipif(not FULL_DISK.exists(), reason="this system has no /dev/full")
@each_buffering
@pytest.mark.parametrize("arguments", [["replay", "-"], ["replay", "-", "--json"], ["--help"], []])
def test_a_full_disk_is_reported(arguments: list[str], unbuffered: list[str]) -> None:
    with FULL_DISK.open("w", encoding="utf-8") as full:
        done = python(*unbuffered, "-m", "glassheap", *arguments, stdin=SCRIPT, stdout=full)
    assert_mistake(done, "cannot write the output: No space left on device", status=1)


@each_buffering
@pytest.mark.parametrize("arguments", [["replay", "-"], ["--help"], ["demo"]])
def test_a_closed_pipe_is_not_reported(arguments: list[str], unbuffered: list[str]) -> None:
    unread, written = os.pipe()
    os.close(unread)
    with os.fdopen(written, "w", encoding="utf-8") as pipe:
        done = python(*unbuffered, "-m", "glassheap", *arguments, stdin=SCRIPT, stdout=pipe)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


@pytest.mark.parametrize(
    "line",
    ["replay x", "demo", "ostep -c", "ostep --json", "", "--help", "--version", "record --help"],
)
def test_a_closed_standard_output_is_one_sentence(line: str) -> None:
    sentence = "cannot write the output: standard output is closed"
    assert_mistake(shell(">&-", *line.split()), sentence, status=1)


# --- Other errors of the system, which are none of the output -------------------------------------
def test_a_current_directory_that_was_removed_is_named(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    trace = tmp_path / "app.script"
    trace.write_text(SCRIPT)
    line = f'cd {gone}; rmdir {gone}; exec "$@"'
    line_of = ("sh", "-c", line, "sh", sys.executable, "-I", "-m", "glassheap")
    done = completed(*line_of, "convert", str(trace), "out.rep")
    assert_mistake(done, "glassheap: the current directory was removed; expected to be", status=1)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, "No space left"), "cannot write a temporary file: No space left; "),
        (OSError(errno.EMFILE, "Too many"), "the system refused what the command needs: Too many"),
        (BrokenPipeError(errno.EPIPE, "Broken"), "the system refused what the command needs: Br"),
        (OSError(errno.ENOSPC, "No space left", "a\nb"), "a\\nb: No space left"),
    ],
)
def test_an_error_of_the_system_is_not_taken_for_one_of_the_output(
    error: OSError, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a temporary folder that is full, and a process that cannot be started."""

    def fail(_arguments: object) -> int:
        raise error

    monkeypatch.setattr("glassheap.cli.policies.run", fail)
    assert_mistake(run("policies"), f"glassheap: {sentence}", status=1)


# --- Ctrl-C and SIGTERM ---------------------------------------------------------------------------
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_and_sigterm_are_one_sentence(number: signal.Signals, status: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "glassheap", "replay", "-"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        process.stdin.write("a 0 1\n" * 100_000)  # more than a pipe holds: it is being read
        process.stdin.flush()
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout, stderr) == (status, "", "glassheap: interrupted\n")


def test_sigterm_leaves_no_file_behind(tmp_path: Path) -> None:
    """Of a file that is written, and whose input never ends."""
    out = tmp_path / "out.rep"
    with subprocess.Popen(
        [sys.executable, "-m", "glassheap", "convert", "-", str(out)],
        stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        process.stdin.write("".join(f"a {n} 1\n" for n in range(300_000)))
        process.stdin.flush()
        for _ in range(600):
            if [*tmp_path.iterdir()]:
                break
            time.sleep(0.05)
        assert [*tmp_path.iterdir()]
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (143, "glassheap: interrupted\n")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        (signal.SIGINT, signal.SIGTERM, 130),
        (signal.SIGTERM, signal.SIGINT, 143),
        (signal.SIGINT, signal.SIGINT, 130),
    ],
)
def test_the_first_signal_ends_a_command_and_others_do_nothing(
    first: signal.Signals, second: signal.Signals, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second comes while the first is handled, the third while its sentence is printed."""

    def interrupted(_arguments: object) -> int:
        try:
            signal.raise_signal(first)
        finally:
            signal.raise_signal(second)
        return 0

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            signal.raise_signal(second)
            return super().write(text)

    monkeypatch.setattr("glassheap.cli.policies.run", interrupted)
    stream = Stream()
    monkeypatch.setattr("sys.stderr", stream)
    assert cli.main(["policies"]) == status
    assert stream.getvalue() == "glassheap: interrupted\n"


def test_a_signal_while_an_interrupted_process_exits_leaves_its_status() -> None:
    """What is registered first is called last."""
    code = """
import atexit, signal, sys
atexit.register(signal.raise_signal, signal.SIGTERM)
from glassheap import cli
from glassheap.cli import policies
policies.run = lambda _: signal.raise_signal(signal.SIGINT)
sys.exit(cli.main(["policies"]))
"""
    done = python("-c", code)
    assert (done.returncode, done.stderr) == (130, "glassheap: interrupted\n")


def test_a_signal_while_a_mistake_is_printed_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            signal.raise_signal(signal.SIGINT)
            return super().write(text)

    stream = Stream()
    monkeypatch.setattr("sys.stderr", stream)
    assert cli.main(["replay", "none", "--size", "x"]) == 130
    assert stream.getvalue() == "glassheap: interrupted\n"


def test_a_signal_whose_exception_was_lost_in_a_callback_may_be_sent_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Garbage:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    def interrupted(_arguments: object) -> int:
        Garbage()
        signal.raise_signal(signal.SIGTERM)
        return 0

    monkeypatch.setattr("glassheap.cli.policies.run", interrupted)
    assert cli.main(["policies"]) == 143
    assert capsys.readouterr().err == "glassheap: interrupted\n"


def test_a_signal_before_the_command_begins_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    enter = Interruptions.__enter__

    def enter_late(self: Interruptions) -> Interruptions:
        enter(self)
        signal.raise_signal(signal.SIGTERM)
        return self

    monkeypatch.setattr(Interruptions, "__enter__", enter_late)
    assert cli.main(["policies"]) == 143
    assert capsys.readouterr() == ("", "glassheap: interrupted\n")


def test_a_signal_before_the_command_begins_and_one_after_its_end() -> None:
    with Interruptions() as interruptions:
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            interruptions.begin()
    assert interruptions.first == signal.SIGTERM
    with Interruptions() as interruptions:
        interruptions.begin()
        interruptions.end()
        signal.raise_signal(signal.SIGINT)


def test_a_program_that_a_command_starts_ignores_no_signal() -> None:
    """Also one that is started after a signal, to clean up."""
    code = "import signal, sys; sys.exit(signal.SIG_IGN in map(signal.getsignal, (2, 15)))"
    with Interruptions():
        signal.raise_signal(signal.SIGINT)
        assert python("-c", code).returncode == 0


def handlers() -> dict[signal.Signals, object]:
    return {number: signal.getsignal(number) for number in DEFAULTS}


def test_a_handler_of_the_caller_keeps_its_signal() -> None:
    """A program that calls the command line has signals of its own."""
    assert handlers() == DEFAULTS
    printed("policies")
    assert handlers() == DEFAULTS
    with Interruptions():
        taken = handlers()
        assert not {*taken.values()} & {*DEFAULTS.values()}
        with Interruptions():
            assert handlers() == taken
        assert handlers() == taken
    assert handlers() == DEFAULTS


# --- Imports --------------------------------------------------------------------------------------
def test_every_command_works_without_rich() -> None:
    code = "import sys; sys.modules['rich'] = None\nfrom glassheap.cli import main\n"
    code += "sys.exit(main(sys.argv[1:]))"
    for arguments in (["replay", "-"], ["demo"], []):
        done = python("-c", code, *arguments, stdin=SCRIPT)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("line", "needed"),
    [
        ("--version", set()),
        ("--help", set()),
        ("policies", set()),
        ("demo", {"demo", "traces", "replay", "gzip"}),
        ("ostep", {"ostep.program"}),
        ("fsck none", {"images"}),
        ("grade none none", set()),
        ("inspect none", {"images"}),
        ("sweep none", {"traces", "gzip", "sweeping", "replay", "csv", "json"}),
        ("replay -", {"traces", "replay", "gzip"}),
        ("fit -", {"traces", "replay", "gzip"}),
        ("why - --size 4K", {"traces", "replay", "gzip"}),
        ("diff - --policy tlsf --policy buddy", {"traces", "replay", "gzip"}),
        ("info -", {"traces", "gzip"}),
        ("convert - - --to rep", {"traces", "gzip"}),
    ],
)
def test_a_command_imports_only_what_it_needs(line: str, needed: set[str]) -> None:
    code = "import sys; from glassheap.cli import main; main(sys.argv[1:])\n"
    code += "print(*sys.modules, sep='\\n', file=sys.stderr)"
    done = python("-c", code, *line.split(), stdin=SCRIPT)
    imported = {name.removeprefix("glassheap.") for name in done.stderr.splitlines()}
    heavy = {"demo", "grading", "images", "ostep.program", "replay", "sweeping", "traces"}
    heavy |= {"rich", "numpy", "gzip", "json", "csv", "distributed"}
    assert heavy & imported == needed
