"""pkg-config's flags for the installed package compile and link programs in C and C++.

Each test needs pkg-config and a compiler, and is skipped without them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from glassheap import paths

FOREIGN = Path(__file__).resolve().parents[1] / "foreign"
DOCS = Path(__file__).resolve().parents[2] / "docs"
COMPILERS = {".cpp": ("c++", "-std=c++20"), ".c": ("cc", "-std=c99")}
OPTIONS = {".cpp": (), ".c": ("--static",)}


def run(*command: str) -> str:
    """The standard output of a command that must succeed without output on standard error."""
    search = {**os.environ, "PKG_CONFIG_PATH": str(paths.pkgconfig_dir())}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120, env=search
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def build(source: Path, program: Path) -> None:
    """Compiles and links one source file, as a user would."""
    compiler = COMPILERS[source.suffix]
    for tool in ("pkg-config", compiler[0]):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    flags = run("pkg-config", "--cflags", "--libs", *OPTIONS[source.suffix], "glassheap").split()
    run(*compiler, str(source), *flags, "-o", str(program))


def programs_of(page: str, language: str) -> list[str]:
    """The blocks of a page that are whole programs."""
    text = (DOCS / page).read_text(encoding="utf-8")
    blocks = re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [block for block in blocks if "int main(" in block]


@pytest.mark.parametrize("name", ["from_cpp.cpp", "from_c.c"])
def test_the_flags_build_a_program(name: str, tmp_path: Path) -> None:
    build(FOREIGN / name, tmp_path / "program")
    run(str(tmp_path / "program"))


# --- The pages for users of C and C++. ------------------------------------------------------------

PROGRAMS = [
    (page, language, number)
    for page, language in (("c.md", "c"), ("cpp.md", "cpp"))
    for number in range(len(programs_of(page, language)))
]


@pytest.mark.parametrize(("page", "language", "number"), PROGRAMS)
def test_each_program_of_the_pages_runs(
    page: str, language: str, number: int, tmp_path: Path
) -> None:
    """And prints the lines that its comments `prints: ...` give."""
    text = programs_of(page, language)[number]
    source = tmp_path / f"program.{language}"
    source.write_text(text, encoding="utf-8")
    build(source, tmp_path / "program")
    assert run(str(tmp_path / "program")).splitlines() == re.findall(
        r"prints: (.*?)(?: \*/)?$", text, re.M
    )
