"""Runs the installed command in a process of its own.

Exit statuses, closed pipes and signals belong to processes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import IO

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
    """Assert one sentence on stderr, nothing on stdout, and the status."""
    assert done.stderr.startswith("glassheap: ")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    for phrase in phrases:
        assert phrase in done.stderr
    assert (done.returncode, done.stdout or "") == (status, "")
