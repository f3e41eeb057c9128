"""Builds by users: programs in C and C++ by pkg-config's flags, and the package without a compiler.

A test that needs a tool is skipped where it is not installed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from glassheap import paths

SOURCE_TREE = Path(__file__).resolve().parents[2]
COMPILERS = {".cpp": ("c++", "-std=c++20"), ".c": ("cc", "-std=c99")}
OPTIONS = {".cpp": (), ".c": ("--static",)}


def run(tool: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run an installed tool; environment variables can be added."""
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    return subprocess.run(
        [tool, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, **env},
    )


def printed(tool: str, *arguments: str) -> str:
    """The standard output of a tool that must succeed without output on standard error."""
    done = run(tool, *arguments, PKG_CONFIG_PATH=str(paths.pkgconfig_dir()))
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def output_of(source: Path, program: Path) -> str:
    """Compile and link one source file, as a user would, and run the program."""
    flags = ("--cflags", "--libs", *OPTIONS[source.suffix])
    found = printed("pkg-config", *flags, "glassheap").split()
    printed(*COMPILERS[source.suffix], str(source), *found, "-o", str(program))
    return printed(str(program))


def programs_of(page: Path) -> list[str]:
    """The blocks of a page that are whole programs, in the language that it is named after."""
    blocks = re.findall(rf"^```{page.stem}\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)
    return [block for block in blocks if "int main(" in block]


PROGRAMS = [
    (page, number)
    for page in (SOURCE_TREE / "docs" / "c.md", SOURCE_TREE / "docs" / "cpp.md")
    for number in range(len(programs_of(page)))
]


@pytest.mark.parametrize("name", ["from_cpp.cpp", "from_c.c"])
def test_the_flags_build_a_program(name: str, tmp_path: Path) -> None:
    output_of(SOURCE_TREE / "tests" / "foreign" / name, tmp_path / "program")


@pytest.mark.parametrize(("page", "number"), PROGRAMS)
def test_each_program_of_the_pages_runs(page: Path, number: int, tmp_path: Path) -> None:
    """And prints the lines that its comments `prints: ...` give."""
    text = programs_of(page)[number]
    source = tmp_path / f"program.{page.stem}"
    source.write_text(text, encoding="utf-8")
    expected = re.findall(r"prints: (.*?)(?: \*/)?$", text, re.M)
    assert output_of(source, tmp_path / "program").splitlines() == expected


def test_a_missing_compiler_is_reported_in_one_sentence(tmp_path: Path) -> None:
    missing = str(tmp_path / "no-compiler")
    folders = ("-S", str(SOURCE_TREE), "-B", str(tmp_path / "build"))
    done = run("cmake", *folders, CC=missing, CXX=missing)
    assert done.returncode != 0
    errors = done.stderr.split("CMake Error")[1:]
    assert len(errors) == 1, done.stderr
    assert (
        "There is no CXX compiler to build glassheap from its sources: install one for C++20 and C "
        "(Debian, Ubuntu: g++; Fedora: gcc-c++; macOS: xcode-select --install), or install a "
        "wheel, which needs none."
    ) in " ".join(errors[0].split())
