"""`glassheap record`: runs a program, and records what it asks of malloc."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from glassheap.cli.base import MistakeError, print_error
from glassheap.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from glassheap.recording.outputs import Recorded

NAME = "record"
HELP = "run a program, and record what it asks of malloc"

MOST_LINES = 10
"""Files in the account that is printed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.usage = "%(prog)s [-h] -o OUT [--] COMMAND [ARGUMENT ...]"
    parser.description = (
        "Run a program on Linux and record its calls of malloc and its relatives, with addresses, "
        "alignments, threads, times and callers. A child that it starts is recorded to OUT.PID. "
        "An earlier recording of the same name is replaced. The exit status is that of the "
        "program, 128 + N if signal N ended it; 127 if there is no such program, 126 if it may "
        "not be executed, 2 if it cannot be recorded."
    )
    out = "the recording to write; info, replay, fit and why read it"
    parser.add_argument("-o", "--out", metavar="OUT", required=True, help=out)
    command = "the program, and its arguments"
    parser.add_argument("command_line", metavar="COMMAND", nargs=argparse.REMAINDER, help=command)


def run(arguments: argparse.Namespace) -> int:
    """Record the program; the status is the program's."""
    from glassheap.recording.programs import ProgramError

    line = command_of(arguments.command_line)
    try:
        return record(line, os.path.realpath(arguments.out), arguments.out)
    except ProgramError as error:
        return print_error(str(error), error.status)


def command_of(words: Sequence[str]) -> Sequence[str]:
    """The command and its arguments.  Raises `MistakeError` if there is none."""
    words = words[1:] if words[:1] == ["--"] else words
    if not words:
        raise MistakeError("there is no command to record; expected record -o OUT COMMAND")
    return words


def record(line: Sequence[str], path: str, shown: str) -> int:
    """Run the command with its recording in `path`, and tell what was recorded."""
    from glassheap.recording import outputs, preloading, programs

    recorder = recorder_path()
    program = programs.find(line[0])
    programs.check(program, recorder)
    try:
        outputs.prepare(path)
    except outputs.OutputError as error:
        raise MistakeError(str(error)) from None
    others = {*outputs.children(path)}
    try:
        status = preloading.run(program, line, recorder, path)
    except OSError as error:
        message = f"cannot start {program}: {error.strerror}"
        raise programs.ProgramError(message, programs.NOT_EXECUTABLE) from None
    print_account(path, others, shown, program)
    return status


def recorder_path() -> str:
    """The library to preload.  Raises `MistakeError` where there is none."""
    from glassheap import paths

    if not sys.platform.startswith("linux"):
        raise MistakeError(
            f"a program can be recorded on Linux only, and this is {sys.platform}; "
            "glassheap.record() records the running interpreter"
        )
    try:
        recorder = str(paths.recorder())
    except FileNotFoundError as error:
        raise MistakeError(str(error)) from None
    if set(recorder) & set(" :\t\n"):
        raise MistakeError(
            f"the dynamic loader cannot load {recorder}: its path has a space or a colon; expected "
            "glassheap to be installed in another folder"
        )
    return recorder


# --- The account ----------------------------------------------------------------------------------
def print_account(path: str, others: set[str], shown: str, program: str) -> None:
    """Print what was recorded on stderr, or why that cannot be told.  The status stays."""
    from glassheap.recording import outputs
    from glassheap.traces import TraceError

    if sys.stderr is None:  # with None, print() would write to the program's stdout
        return
    try:
        lines = [*account_of(outputs.recorded(path, others), path, shown, program)]
    except (OSError, TraceError) as error:
        lines = [f"glassheap: cannot read the recording: {error}"]
    print("\n".join(map(printable, lines)), file=sys.stderr)


def account_of(files: Sequence[Recorded], path: str, shown: str, program: str) -> Iterator[str]:
    """What was recorded: a line a file."""
    if path not in {one.path for one in files}:
        why = "did not load the recorder, or its file could not be made or was removed"
        yield f"glassheap: there is no recording {shown}: {program} {why}"
    counted = [(*count(one), one) for one in files[:MOST_LINES]]
    counted.sort(key=lambda row: (row[2].path != path, -row[0]))
    for calls, command, one in counted:
        name = shown + one.path.removeprefix(path)
        yield f"{name}: {account(calls, command, one.size)}"
    if rest := files[MOST_LINES:]:
        size = megabytes(sum(one.size for one in rest))
        yield f"{shown}.*: {len(rest):,} more recordings ({size})"


def account(calls: int, command: str, size: int) -> str:
    """What is in a recording, in words."""
    if not calls:
        return f"no calls of {command}: it needs no malloc, or has one of its own"
    return f"{calls:,} calls of {command} ({megabytes(size)})"


def count(file: Recorded) -> tuple[int, str]:
    """The calls in a recording, and the program's name."""
    from glassheap.traces import stream

    calls = 0
    with stream(file.path) as batches:
        for batch in batches:
            calls += len(batch) + len(batch.refused)
        facts = dict(fact.partition("=")[::2] for fact in batches.facts)
    command = facts.get("command", "").partition(" ")[0]
    return calls, os.path.basename(command) or "a program"


def megabytes(size: int) -> str:
    """A number of bytes, in words."""
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size / 1e3:,.1f} kB"
