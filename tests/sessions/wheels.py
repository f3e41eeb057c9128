"""Wheels and the source distribution: how they are built, and what they must contain."""

from __future__ import annotations

import re
import shutil
import subprocess
import zipfile
from typing import TYPE_CHECKING

from sessions.machine import BUILD, PINS, ROOT, need_headers

if TYPE_CHECKING:
    from pathlib import Path

    import nox

LARGEST_WHEEL = 2_100_000  # bytes


def built_wheel(version: object) -> Path:
    """The wheel that the session wheel has built for this version of Python."""
    (wheel,) = (BUILD / "wheel" / str(version)).glob("*.whl")
    return wheel


def build_wheel(session: nox.Session) -> None:
    """Builds the wheel for the session's interpreter, and weighs it."""
    need_headers(session)
    folder = BUILD / "wheel" / str(session.python)
    shutil.rmtree(folder, ignore_errors=True)
    session.run(
        *("python", "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)),
        *("--config-setting", f"build-dir={BUILD}/wheel-build/{session.python}"),
        *("--config-setting", "cmake.define.GLASSHEAP_WERROR=ON"),
        silent=True,
    )
    wheel = built_wheel(session.python)
    size = wheel.stat().st_size
    session.log(f"{wheel.name}: {size:,} bytes; the limit is {LARGEST_WHEEL:,}")
    if size >= LARGEST_WHEEL:
        session.error("The wheel is too large for a small download.")


# --- The source distribution ----------------------------------------------------------------------


def build_sdist(session: nox.Session) -> Path:
    """Builds the source distribution, and returns the folder with its unpacked files."""
    folder = BUILD / "sdist"
    shutil.rmtree(folder, ignore_errors=True)
    build = ("python", "-m", "build", "--sdist", "--no-isolation", "--outdir", str(folder))
    session.run(*build, silent=True)
    (archive,) = folder.glob("*.tar.gz")
    session.run("tar", "-xf", str(archive), "-C", str(folder), external=True)
    return folder / archive.name.removesuffix(".tar.gz")


def check_complete(session: nox.Session, unpacked: Path) -> None:
    """Fails if the source distribution lacks a file of the project, as far as git lists them."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    names = [name for name in done.stdout.split("\0") if (ROOT / name).is_file()]
    if missing := [name for name in names if not (unpacked / name).is_file()]:
        session.error("The source distribution lacks:", *missing)


def build_from_sdist(session: nox.Session, unpacked: Path) -> Path:
    """Builds a wheel in isolation; quickly, as it is not installed."""
    session.run(
        *("python", "-m", "build", "--installer", "uv", "--wheel"),
        *("--outdir", str(unpacked.parent), str(unpacked)),
        *("--config-setting", "cmake.build-type=Debug"),
        *("--config-setting", "cmake.define.CMAKE_CXX_FLAGS_DEBUG=-O0"),
        *("--config-setting", "cmake.define.CMAKE_UNITY_BUILD=ON"),
        env={"UV_CONSTRAINT": str(PINS)},
        silent=True,
    )
    (wheel,) = unpacked.parent.glob("*.whl")
    return wheel


def compare(session: nox.Session, wheel: Path, other: Path) -> None:
    """Fails if the wheels do not have the same files."""
    if difference := files_in(wheel) ^ files_in(other):
        session.error("In one of the wheels only:", *sorted(difference))


def files_in(wheel: Path) -> set[str]:
    """The names of the files in a wheel. CMake names one of the files after the build type."""
    with zipfile.ZipFile(wheel) as archive:
        return {re.sub(r"-(release|debug)\.cmake$", ".cmake", name) for name in archive.namelist()}
