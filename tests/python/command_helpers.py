"""Run the installed command: in this process, or where the process matters in one of its own.

Exit statuses, closed streams, signals and imports belong to processes. All else is tested faster in
this one.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import IO
from unittest import mock

from glassheap.cli import main

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


def shell(redirections: str, *arguments: str) -> Output:
    """`glassheap ARGUMENTS` with these redirections of the shell, such as `>&-`."""
    line = f'exec "$0" -m glassheap "$@" {redirections}'
    words = ["sh", "-c", line, sys.executable, *arguments]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)


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
