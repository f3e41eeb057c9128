"""Run programs; the installed command also in this process.

Exit statuses, closed streams, signals and imports belong to processes. All else is tested faster in
this one.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import IO, TYPE_CHECKING, Any
from unittest import mock

from glassheap.cli import main

if TYPE_CHECKING:
    from pathlib import Path

Output = subprocess.CompletedProcess[str]


def run(*arguments: str, stdin: str | bytes = "", encoding: str = "utf-8") -> Output:
    """`glassheap ARGUMENTS`, run in this process with streams of this encoding."""
    content = stdin.encode() if isinstance(stdin, str) else stdin
    reader = io.TextIOWrapper(io.BytesIO(content), encoding=encoding)
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
    with mock.patch("sys.stdin", reader), redirect_stdout(out), redirect_stderr(err):
        status = main(arguments)
    for stream in (out, err):
        stream.seek(0)
    return Output(arguments, status, out.read(), err.read())


def completed(*command: str | Path, **options: Any) -> Output:
    """A program, run to its end; the options are those of subprocess.run."""
    usual = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "timeout": 120}
    return subprocess.run(command, check=False, **{**usual, **options})


def output_of(*command: str | Path, **options: Any) -> str:
    """The output of a program that must succeed without a word on stderr."""
    done = completed(*command, **options)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout


def command(*arguments: str, stdin: str = "", stdout: int | IO[str] = subprocess.PIPE) -> Output:
    """`python -m glassheap ARGUMENTS`, run to its end."""
    return python("-m", "glassheap", *arguments, stdin=stdin, stdout=stdout)


def python(*arguments: str, stdin: str = "", stdout: int | IO[str] = subprocess.PIPE) -> Output:
    """An interpreter, run to its end; it buffers its output unless `-u` is among the arguments."""
    buffering = {name: it for name, it in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return completed(sys.executable, *arguments, input=stdin, stdout=stdout, env=buffering)


def shell(redirections: str, *arguments: str) -> Output:
    """`glassheap ARGUMENTS` with these redirections of the shell, such as `>&-`."""
    line = f'exec "$0" -m glassheap "$@" {redirections}'
    return completed("sh", "-c", line, sys.executable, *arguments)


def printed(*arguments: str, stdin: str | bytes = "") -> str:
    """The output of a run in this process that must succeed without a word on stderr."""
    done = run(*arguments, stdin=stdin)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def assert_mistake(done: Output, *phrases: str, status: int = 2) -> None:
    """Assert one sentence on stderr, nothing on stdout, and the status."""
    assert done.stderr.startswith("glassheap: ")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    for phrase in phrases:
        assert phrase in done.stderr
    assert (done.returncode, done.stdout or "") == (status, "")
