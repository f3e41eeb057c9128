"""Students' allocators, compiled from student_malloc.c, and traces to grade them on."""

from __future__ import annotations

import shutil
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from command_helpers import completed
from glassheap.grading import TraceGrade, grade
from trace_helpers import read_text

if TYPE_CHECKING:
    from glassheap.grading import Grade
    from glassheap.traces import Trace

SOURCE = Path(__file__).with_name("student_malloc.c")
CC = shutil.which("cc")

needs_a_compiler = [
    pytest.mark.any_interpreter,
    pytest.mark.skipif(CC is None, reason="no C compiler (cc) is installed"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="signals by Linux's names"),
]
"""For a module that compiles allocators: with one interpreter they are as good as with any."""

SCRIPT = """\
a 0 24
a 1 200
a 2 40
f 1
a 3 180
r 2 100
a 4 600
r 0 300
f 3
f 4
a 5 24
f 2
"""
TRACE = read_text(SCRIPT)
"""Twelve operations; 324 bytes stay live."""

_folder = TemporaryDirectory(prefix="glassheap-students-")


@cache
def student(*macros: str) -> Path:
    """The allocator with these macros defined, as a shared library."""
    name = "".join(c if c.isalnum() else "_" for c in " ".join(macros)) or "right"
    return compile_library(name, SOURCE, *(f"-D{macro}" for macro in macros))


def compile_library(name: str, source: Path, *options: str) -> Path:
    """A shared library of one source, which must compile without a warning."""
    library = Path(_folder.name) / f"{name}.so"
    flags = "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"
    done = completed(str(CC), *flags, *options, str(source), "-o", str(library))
    assert done.returncode == 0, done.stderr
    return library


def compile_text(name: str, text: str, *options: str) -> Path:
    """A shared library of this C code."""
    source = Path(_folder.name) / f"{name}.c"
    source.write_text(text, encoding="utf-8")
    return compile_library(name, source, *options)


def graded(*macros: str, trace: Trace = TRACE, **options: object) -> Grade:
    """The grade of the allocator with these macros on one trace, without the rules."""
    usual: dict[str, object] = {"rules": False, "timeout": 20}
    return grade(student(*macros), [trace], **{**usual, **options})  # type: ignore[arg-type]


def on_trace(*macros: str, trace: Trace = TRACE, **options: object) -> TraceGrade:
    """The part of the grade for the trace."""
    (result,) = graded(*macros, trace=trace, **options).traces
    return result
