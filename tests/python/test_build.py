"""A build from the sources without a compiler fails with one sentence that says what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE_TREE = Path(__file__).resolve().parents[2]


def test_a_missing_compiler_is_reported_in_one_sentence(tmp_path: Path) -> None:
    cmake = shutil.which("cmake")
    if cmake is None:
        pytest.skip("cmake is not installed")
    missing = str(tmp_path / "no-compiler")
    done = subprocess.run(
        [cmake, "-S", str(SOURCE_TREE), "-B", str(tmp_path / "build")],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "CC": missing, "CXX": missing},
    )
    assert done.returncode != 0
    errors = done.stderr.split("CMake Error")[1:]
    assert len(errors) == 1, done.stderr
    assert (
        "There is no CXX compiler to build glassheap from its sources: install one for C++20 and C "
        "(Debian, Ubuntu: g++; Fedora: gcc-c++; macOS: xcode-select --install), or install a "
        "wheel, which needs none."
    ) in " ".join(errors[0].split())
