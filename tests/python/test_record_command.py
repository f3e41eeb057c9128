"""`glassheap record`: real programs, their children, and programs that cannot be recorded.

`test_recorder.py` has the library that the command preloads.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from command_helpers import Output, assert_mistake, completed, run, shell
from glassheap import paths
from glassheap.recording import elf, outputs, programs
from glassheap.traces import Trace, read
from glassheap.traces.recording import UNKNOWN_FREED, UNKNOWN_RESIZED
from recorder_helpers import NEEDS_CC, NEEDS_LINUX, PYTHON, compiled
from trace_helpers import states

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.any_interpreter, NEEDS_LINUX]


def record(out: Path, *command: str | Path, **options: Any) -> Output:
    """`glassheap record`, run to its end."""
    return completed(sys.executable, "-m", "glassheap", "record", "-o", out, *command, **options)


def live_at_end(trace: Trace) -> dict[int, int]:
    """The sizes of the blocks that the program has not freed."""
    *_, live = states(trace)
    return live


# --- Real programs --------------------------------------------------------------------------------
def tool(name: str) -> str:
    return shutil.which(name) or pytest.skip(f"{name} is not installed")


def test_python_is_recorded(tmp_path: Path) -> None:
    """All that it asks for can be seen: 3 MB of a bytearray, and the program's own output."""
    out = tmp_path / "app.trace"
    program = "kept = bytearray(3_000_000); print('done')"
    done = record(out, "--", PYTHON, "-c", program)
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert re.fullmatch(rf"{out}: [\d,]+ calls of python[\d.]* \([\d.]+ [kM]B\)\n", done.stderr)
    trace = read(out)
    assert trace.skipped == ()
    assert 3_000_001 in trace.sizes
    assert 3_000_000 < trace.peak_live < 30_000_000
    assert sum(live_at_end(trace).values()) < trace.peak_live
    assert f"command={PYTHON} -c {program}" in trace.facts


def test_sqlite_is_recorded(tmp_path: Path) -> None:
    """Its cache holds the pages of a table of 2 MB, until the connection is closed."""
    out = tmp_path / "app.trace"
    program = (
        "import sqlite3; db = sqlite3.connect(':memory:'); db.execute('create table t(a)'); "
        "db.executemany('insert into t values (?)', (('x' * 2000,) for _ in range(1000))); "
        "db.close()"
    )
    assert record(out, PYTHON, "-c", program).returncode == 0
    trace = read(out)
    assert trace.skipped == ()
    assert trace.peak_live > 2_000_000
    assert sum(live_at_end(trace).values()) < 2_000_000


def test_git_and_its_children_are_recorded(tmp_path: Path) -> None:
    git, out = tool("git"), tmp_path / "app.trace"
    assert completed(git, "init", "-q", tmp_path / "tree").returncode == 0
    done = record(out, git, "-C", str(tmp_path / "tree"), "-c", "alias.two=!git status", "two")
    assert done.returncode == 0
    assert "No commits yet" in done.stdout
    lines = done.stderr.splitlines()
    assert lines[0].startswith(f"{out}: ")
    assert len(lines) == len([*tmp_path.glob("app.trace*")]) > 1
    for one in tmp_path.glob("app.trace*"):
        assert {note.reason for note in read(one).skipped} <= {UNKNOWN_FREED, UNKNOWN_RESIZED}


@NEEDS_CC
def test_the_compiler_and_the_assembler_are_recorded_as_children(tmp_path: Path) -> None:
    (tmp_path / "app.c").write_text("int main(void) { return 0; }\n")
    out = tmp_path / "app.trace"
    done = record(out, "cc", "-c", "app.c", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / "app.o").exists()
    counts = [int(line.split()[1].replace(",", "")) for line in done.stderr.splitlines()[1:]]
    assert counts == sorted(counts, reverse=True)
    traces = [read(one) for one in outputs.children(str(out))]
    assert len(traces) >= 1
    assert all(trace.skipped == () and len(trace) > 100 for trace in traces)


@NEEDS_CC
def test_the_calls_are_as_many_as_valgrind_counts(tmp_path: Path) -> None:
    """Another hand than the recorder's counts the calls of the same program, and their bytes."""
    valgrind, out = tool("valgrind"), tmp_path / "app.trace"
    source = """
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    int main(void) {
      char *line = NULL; size_t room = 0; FILE *own = fopen("/proc/self/maps", "r");
      while (getline(&line, &room, own) > 0) free(strdup("a line"));
      char *text = NULL; size_t length = 0; FILE *memory = open_memstream(&text, &length);
      for (int i = 0; i < 9000; ++i) fprintf(memory, "%d\\n", i);
      fclose(memory); fclose(own); free(text); free(line);
      for (int i = 0; i < 50; ++i) free(calloc(7, (size_t)i));
      return 0;
    }"""
    program = compiled(source.replace("/proc/self/maps", str(tmp_path / "app.c")),
                       tmp_path / "app", "-D_GNU_SOURCE")  # fmt: skip
    assert record(out, program).returncode == 0
    trace = read(out)
    usage = completed(valgrind, program).stderr
    found = re.search(r"heap usage: ([\d,]+) allocs, ([\d,]+) frees, ([\d,]+) bytes", usage)
    assert found, usage
    allocs, frees, total = (int(group.replace(",", "")) for group in found.groups())
    kinds = [*trace.kinds]  # valgrind counts a realloc as an allocation and a free
    assert (kinds.count(0) + kinds.count(1), kinds.count(2) + kinds.count(1)) == (allocs, frees)
    assert sum(trace.sizes) == total


# --- Processes and exit statuses ------------------------------------------------------------------
@pytest.mark.parametrize(
    ("script", "status"),
    [("exit 7", 7), ("kill -KILL $$", 137), ("kill -TERM $$", 143)],
)
def test_the_exit_status_is_that_of_the_program(tmp_path: Path, script: str, status: int) -> None:
    done = record(tmp_path / "app.trace", "--", "sh", "-c", script)
    assert done.returncode == status
    assert re.match(r".*app.trace: [\d,]+ calls of sh ", done.stderr)


def test_a_program_reads_the_standard_input_and_has_its_own_options(tmp_path: Path) -> None:
    done = record(tmp_path / "app.trace", "cat", "-A", "-", input="-0,+10\n")
    assert (done.returncode, done.stdout) == (0, "-0,+10$\n")


@pytest.mark.parametrize("redirections", [">&-", "<&- >&-", "<&- >&- 2>&-"])
def test_a_program_needs_no_standard_output_of_the_command(
    tmp_path: Path, redirections: str
) -> None:
    """The recording is not taken for it."""
    out = tmp_path / "app.trace"
    script = "ls / 2> /dev/null && exit 6; exit 5"  # ls fails, if it cannot write
    done = shell(redirections, "record", "-o", str(out), "--", "sh", "-c", script)
    assert (done.returncode, done.stdout) == (5, "")
    assert len(read(out)) > 0
    assert done.stderr.startswith(f"{out}: ") or "2>&-" in redirections


def test_a_mistake_without_a_standard_output_is_one_sentence() -> None:
    assert_mistake(shell(">&-", "record", "-o", "app.trace"), "there is no command to record")


def test_a_signal_to_the_command_ends_the_program_which_is_recorded(tmp_path: Path) -> None:
    out = tmp_path / "app.trace"
    command = [sys.executable, "-m", "glassheap", "record", "-o", str(out), "sleep", "60"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not outputs.is_recording(str(out)) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert err.startswith(f"{out}: ")


def test_many_children_are_summed_up(tmp_path: Path) -> None:
    out = tmp_path / "app.trace"
    done = record(out, "sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do ls / > /dev/null; done")
    lines = done.stderr.splitlines()
    assert len(lines) == 11
    assert re.fullmatch(rf"{out}\.\*: 3 more recordings \([\d.]+ kB\)", lines[-1])


@NEEDS_CC
def test_a_program_without_calls_is_said_to_have_none(tmp_path: Path) -> None:
    out = tmp_path / "app.trace"
    program = compiled("int main(void) { return 3; }", tmp_path / "app")
    done = record(out, program)
    assert done.returncode == 3
    assert done.stderr.startswith(f"{out}: no calls of app")


def test_another_library_to_preload_stays(tmp_path: Path) -> None:
    env = {**os.environ, "LD_PRELOAD": "libm.so.6"}
    program = "import os; print(os.environ['LD_PRELOAD'].split(':')[1:])"
    assert record(tmp_path / "a", PYTHON, "-c", program, env=env).stdout == "['libm.so.6']\n"


# --- The files ------------------------------------------------------------------------------------
def test_an_earlier_recording_is_replaced_with_the_files_of_its_children(tmp_path: Path) -> None:
    out = tmp_path / "app.trace"
    assert record(out, "sh", "-c", "ls / > /dev/null; exit 0").returncode == 0
    others = {f"{out}.7x": b"\x89GHT\r\n\x1a\n", f"{out}.8": b"letters"}
    for path, content in others.items():
        with open(path, "wb") as file:
            file.write(content)
    assert len([*tmp_path.glob("app.trace*")]) == 4
    assert record(out, "ls", "/").returncode == 0
    assert {*map(str, tmp_path.glob("app.trace*"))} == {str(out), *others}
    assert "command=ls /" in read(out).facts


def test_a_file_that_is_no_recording_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "letters"
    out.write_text("Dear Ada,")
    done = run("record", "-o", str(out), "ls")
    assert_mistake(done, f"{out} exists, and is no recording; expected another name")
    assert out.read_text() == "Dear Ada,"


def test_a_fifo_is_no_recording_and_nobody_waits_for_its_other_end(tmp_path: Path) -> None:
    """Also beside the recording, under the name of a child."""
    fifo, out = tmp_path / "app.trace.5", tmp_path / "app.trace"
    os.mkfifo(fifo)
    done = completed(sys.executable, "-m", "glassheap", "record", "-o", fifo, "ls", timeout=60)
    assert done.returncode == 2
    sentence = f"{fifo} is a FIFO, and no earlier recording; expected another name"
    assert done.stderr == f"glassheap: {sentence}\n"
    done = completed(sys.executable, "-m", "glassheap", "record", "-o", out, "ls", timeout=60)
    assert done.returncode == 0
    assert fifo.is_fifo()
    assert_mistake(run("record", "-o", str(tmp_path), "ls"), f"{tmp_path} is a folder, and no")


def test_a_recording_of_its_own_with_the_name_of_a_child_is_kept(tmp_path: Path) -> None:
    """Also if it was copied from a child of another one."""
    out = tmp_path / "d.trace"
    own = [tmp_path / f"d.trace.{end}" for end in ("1", "2024", "7.2")]
    for path in own:
        assert record(path, "true").returncode == 0
    assert record(out, "sh", "-c", "ls / > /dev/null; exit 0").returncode == 0
    (child,) = {*tmp_path.glob("d.trace.*")} - {*own}
    child.rename(tmp_path / "d.trace.5")
    assert record(out, "true").returncode == 0
    assert {*tmp_path.iterdir()} == {out, tmp_path / "d.trace.5", *own}


def test_a_recording_that_was_removed_is_missed(tmp_path: Path) -> None:
    out = tmp_path / "app.trace"
    done = record(out, "sh", "-c", f"rm {out}; exit 3")
    assert done.returncode == 3
    first, second = done.stderr.splitlines()
    assert first.startswith(f"glassheap: there is no recording {out}: ")
    assert first.endswith("did not load the recorder, or its file could not be made or was removed")
    assert second.startswith(f"{out}.")


def test_the_account_has_no_control_characters(tmp_path: Path) -> None:
    done = record(tmp_path / "a\033[31m.trace", "true")
    assert done.stderr.startswith(f"{tmp_path}/a\\x1b[31m.trace: ")
    done = run("info", str(tmp_path / "b\033[31m.trace"))
    assert_mistake(done, "cannot read ", "b\\x1b[31m.trace: No such file")
    assert_mistake(run("info", "x", "--\033"), "--\\x1b")


def test_a_file_that_is_being_recorded_to_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "app.trace"
    out.write_bytes(b"\x89GHT\r\n\x1a\n")
    with open(out) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = run("record", "-o", str(out), "ls")
    assert_mistake(done, f"{out} is being recorded to; expected another name")


def test_a_place_that_does_not_exist_is_a_mistake(tmp_path: Path) -> None:
    done = run("record", "-o", str(tmp_path / "missing" / "app.trace"), "ls")
    assert_mistake(done, "cannot write ", "missing/app.trace: No such file or directory")


# --- Programs that cannot be recorded -------------------------------------------------------------
def refused(tmp_path: Path, program: str | Path, *phrases: str, status: int = 2) -> None:
    """Assert a sentence, and that nothing was run."""
    done = run("record", "-o", str(tmp_path / "out.trace"), str(program))
    assert_mistake(done, *phrases, status=status)
    assert not (tmp_path / "out.trace").exists()


def test_a_command_is_required_and_must_exist(tmp_path: Path) -> None:
    assert_mistake(run("record", "-o", "x", "--"), "there is no command to record")
    assert_mistake(run("record", "ls"), "-o/--out")
    refused(tmp_path, "no-such-command", "no command 'no-such-command' in PATH", status=127)
    refused(tmp_path, "/no/such", "there is no program /no/such", status=127)
    refused(tmp_path, tmp_path, "is no program that may be executed", status=126)


def test_a_file_that_is_no_program_is_said_to_be_none(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("Dear Ada,")
    refused(tmp_path, text, "is no program that may be executed", status=126)
    text.chmod(0o755)
    refused(tmp_path, text, "neither a program in ELF nor a script", status=126)


def test_a_script_is_recorded_by_its_interpreter(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#! /bin/sh -e\nexit 5\n")
    script.chmod(0o755)
    assert record(tmp_path / "app.trace", script).returncode == 5
    script.write_text("#!/no/such\n")
    refused(tmp_path, script, "there is no program /no/such", status=127)


@NEEDS_CC
def test_a_static_program_is_refused(tmp_path: Path) -> None:
    (tmp_path / "app.c").write_text("int main(void) { return 0; }\n")
    built = completed("cc", "-static", tmp_path / "app.c", "-o", tmp_path / "app")
    if built.returncode != 0:
        pytest.skip("there is no static C library")
    refused(tmp_path, tmp_path / "app", "cannot be recorded: it is linked statically")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_set_uid_program_of_another_user_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "ls"
    shutil.copy(str(shutil.which("ls")), program)
    if os.statvfs(program).f_flag & os.ST_NOSUID:
        pytest.skip("this file system knows no set-uid")
    program.chmod(0o4755)
    assert record(tmp_path / "app.trace", program, "/").returncode == 0  # one's own
    os.chown(program, 65534, -1)
    program.chmod(0o4755)
    refused(tmp_path, program, "it runs with more rights than you have")


def test_a_program_for_another_architecture_is_refused(tmp_path: Path) -> None:
    """Of the same class and order of bytes, and of others."""
    own = paths.recorder().read_bytes()[:64]
    for place, value, word in ((18, 0x1234, "<H"), (4, 1, "B"), (5, 2, "B")):
        head = bytearray(own)
        struct.pack_into(word, head, place, value)
        program = tmp_path / "other"
        program.write_bytes(head)
        program.chmod(0o755)
        refused(tmp_path, program, "it is for another architecture than the recorder")


def test_the_loader_is_read_from_the_program(tmp_path: Path) -> None:
    """Whatever is in the file, reading it ends in an answer."""
    found = elf.read(PYTHON)
    assert found is not None
    assert os.path.exists(found.loader)
    assert elf.read(str(paths.recorder())) == (found.kind, "", False)
    with open(PYTHON, "rb") as file:
        content = file.read(4096)
    for place in range(64):
        damaged = tmp_path / "damaged"
        damaged.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        elf.read(str(damaged))
        damaged.write_bytes(content[:place])
        assert elf.read(str(damaged)) is None


@pytest.mark.parametrize("length", [64, 100, 700])
def test_a_program_that_is_cut_off_is_said_to_be(tmp_path: Path, length: int) -> None:
    """In its header, in the table of its segments, and before the name of the loader."""
    program = tmp_path / "cut"
    with open(PYTHON, "rb") as file:
        program.write_bytes(file.read(length))
    program.chmod(0o755)
    refused(tmp_path, program, "cannot be recorded: its file is cut off; expected a whole program")


def test_another_c_library_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "is_musl", lambda name: "ld-" in name)
    refused(tmp_path, PYTHON, "it is for another C library (/")


def test_a_system_without_preloading_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    done = run("record", "-o", "x", "ls")
    assert_mistake(done, "on Linux only, and this is darwin; glassheap.record() records")


# --- The account: it is no part of the program ----------------------------------------------------
def test_the_account_stays_off_stdout_if_stderr_is_closed(tmp_path: Path) -> None:
    closing = 'exec "$@" 2>&-'
    command = (sys.executable, "-m", "glassheap", "record", "-o", tmp_path / "app.trace")
    done = completed("/bin/sh", "-c", closing, "sh", *command, "/bin/echo", "done")
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert read(tmp_path / "app.trace").facts


@pytest.mark.parametrize(
    "damage",
    [
        "rm -r {folder}",
        r"printf '\377' | dd of={folder}/app.trace bs=1 seek=8 conv=notrunc 2>/dev/null",
    ],
)
def test_a_recording_that_its_program_ruins_is_one_sentence(tmp_path: Path, damage: str) -> None:
    """The status is still the program's."""
    folder = tmp_path / "out"
    folder.mkdir()
    script = damage.format(folder=folder) + "; exit 5"
    done = record(folder / "app.trace", "/bin/sh", "-c", script)
    assert done.returncode == 5
    assert re.fullmatch(r"glassheap: cannot read the recording: .*out.*\n", done.stderr)
