"""Programs that are recorded by the library in the wheel, and what it must have seen."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from command_helpers import Output, completed
from glassheap import paths
from glassheap.traces import FREE, MALLOC, REALLOC, Trace, read

if TYPE_CHECKING:
    from pathlib import Path

CC = shutil.which("cc")
LINUX = sys.platform.startswith("linux")
NEEDS_LINUX = pytest.mark.skipif(not LINUX, reason="LD_PRELOAD is Linux's")
NEEDS_CALLERS = pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "_dl_find_object"), reason="tags need glibc 2.35 or later"
)
NEEDS_CC = pytest.mark.skipif(CC is None, reason="no C compiler (cc) is installed")
PYTHON = os.path.realpath("/proc/self/exe")
"""This interpreter as a program, be it started by a script or not."""

PRELUDE = """
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
static void *volatile kept;  /* volatile: a call whose result is stored here is not optimised out */
"""

LETTERS = {MALLOC: "a", REALLOC: "r", FREE: "f"}


class Call(NamedTuple):
    """A call, as a test writes it."""

    letter: str
    size: int = 0
    align: int = 0


def calls(trace: Trace) -> list[Call]:
    """The calls of a program that succeeded."""
    aligns = trace.aligns or [0] * len(trace)  # empty if none was asked for
    rows = zip(trace.kinds, trace.sizes, aligns, strict=True)
    return [Call(LETTERS[kind], size, align) for kind, size, align in rows]


def compiled(source: str, program: Path, *options: str) -> Path:
    """A program in C, which calls malloc as it is written."""
    file = program.with_suffix(".c")
    file.write_text(source)
    usual = ("-std=c99", "-O1", "-g", "-fno-builtin", "-pthread")
    done = completed(str(CC), *usual, *options, str(file), "-o", str(program), "-ldl")
    assert done.returncode == 0, done.stderr
    return program


def preloaded(program: str | Path, *arguments: str, trace: Path | None, **options: Any) -> Output:
    """A program, run with the recorder in the wheel, without the command."""
    environment = {**os.environ, "LD_PRELOAD": str(paths.recorder())}
    environment |= {"GLASSHEAP_TRACE": str(trace)} if trace else {}
    return completed(str(program), *arguments, env=environment, **options)


class Recorder:
    """Small programs in C, and their recordings."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.trace = folder, folder / "app.trace"

    def run(self, statements: str, before_main: str = "", *, status: int = 0) -> tuple[str, str]:
        """Record a program with these statements in main; what it prints on stdout and stderr."""
        source = f"{PRELUDE}\n{before_main}\nint main(void) {{ {statements} }}\n"
        done = preloaded(compiled(source, self.folder / "program"), trace=self.trace)
        assert done.returncode == status, done.stderr
        return done.stdout, done.stderr

    def record(self, statements: str, before_main: str = "", *, status: int = 0) -> Trace:
        """The recording of a program that prints nothing."""
        assert self.run(statements, before_main, status=status) == ("", "")
        return read(self.trace)

    def children(self) -> list[Trace]:
        """The recordings of the children, in the order of their names."""
        return [read(path) for path in sorted(self.folder.glob("app.trace.*"))]


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path)
