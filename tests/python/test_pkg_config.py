"""Builds by users: programs in C and C++ by pkg-config's flags, and the package without a compiler.

A test that needs a tool is skipped where it is not installed.
"""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING

import pytest

from command_helpers import completed, output_of
from glassheap import paths
from source_tree import SOURCE_TREE, code_blocks

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.any_interpreter

COMPILERS = {".cpp": ("c++", "-std=c++20"), ".c": ("cc", "-std=c99")}
OPTIONS = {".cpp": (), ".c": ("--static",)}


def found(tool: str) -> str:
    """The path of a tool; where there is none, the test is skipped."""
    return shutil.which(tool) or pytest.skip(f"{tool} is not installed")


def printed(tool: str, *arguments: str) -> str:
    """The output of a tool that must succeed without a word on stderr."""
    env = os.environ | {"PKG_CONFIG_PATH": str(paths.pkgconfig_dir())}
    return output_of(found(tool), *arguments, env=env)


def printed_by(source: Path, program: Path) -> str:
    """Compile and link one source file, as a user would, and run the program."""
    options = ("--cflags", "--libs", *OPTIONS[source.suffix])
    flags = printed("pkg-config", *options, "glassheap").split()
    printed(*COMPILERS[source.suffix], str(source), *flags, "-o", str(program))
    return printed(str(program))


def programs_of(page: Path) -> list[str]:
    """The blocks of a page that are whole programs, in the language that it is named after."""
    return [block for block in code_blocks(page, page.stem) if "int main(" in block]


PROGRAMS = [
    (page, number)
    for page in (SOURCE_TREE / "docs" / "c.md", SOURCE_TREE / "docs" / "cpp.md")
    for number in range(len(programs_of(page)))
]


@pytest.mark.parametrize("name", ["from_cpp.cpp", "from_c.c"])
def test_the_flags_build_a_program(name: str, tmp_path: Path) -> None:
    printed_by(SOURCE_TREE / "tests" / "foreign" / name, tmp_path / "program")


@pytest.mark.parametrize(("page", "number"), PROGRAMS)
def test_each_program_of_the_pages_runs(page: Path, number: int, tmp_path: Path) -> None:
    """And prints the lines that its comments `prints: ...` give."""
    text = programs_of(page)[number]
    source = tmp_path / f"program.{page.stem}"
    source.write_text(text, encoding="utf-8")
    expected = re.findall(r"prints: (.*?)(?: \*/)?$", text, re.M)
    assert printed_by(source, tmp_path / "program").splitlines() == expected


def test_a_missing_compiler_is_reported_in_one_sentence(tmp_path: Path) -> None:
    missing = str(tmp_path / "no-compiler")
    folders = ("-S", str(SOURCE_TREE), "-B", str(tmp_path / "build"))
    done = completed(found("cmake"), *folders, env=os.environ | {"CC": missing, "CXX": missing})
    assert done.returncode != 0
    errors = done.stderr.split("CMake Error")[1:]
    assert len(errors) == 1, done.stderr
    assert (
        "There is no CXX compiler to build glassheap from its sources: install one for C++20 and C "
        "(Debian, Ubuntu: g++; Fedora: gcc-c++; macOS: xcode-select --install), or install a "
        "wheel, which needs none."
    ) in " ".join(errors[0].split())
