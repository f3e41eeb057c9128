"""The machine of the sessions: interpreters, environment variables, work on all cores."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import nox

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / ".build"
DEFAULT = "{}.{}".format(*sys.version_info)
"""The version of the interpreter that runs nox."""
SUPPORTED = ("3.10", "3.11", "3.12", "3.13", "3.14")

NO_GTEST = (
    "GoogleTest is not installed. Type: sudo apt-get install libgtest-dev"
    " (Fedora: gtest-devel, Homebrew: googletest)"
)


def cores() -> int:
    """The number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


# --- Interpreters ---------------------------------------------------------------------------------


def pyenv_folders() -> list[str]:
    """The folders of the interpreters that pyenv has installed."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    return [str(folder) for folder in sorted(root.glob("versions/3.*/bin"))]


def search_path() -> str:
    """PATH with the interpreter of nox first, and pyenv's interpreters in place of its shims.

    A shim of a version that is not selected is found on PATH, but does not run.
    """
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    others = [folder for folder in folders if Path(folder).name != "shims"]
    return os.pathsep.join([f"{sys.base_prefix}/bin", *others, *pyenv_folders()])


def interpreters() -> list[str]:
    """The version that runs nox, and the other supported ones that are installed."""
    others = [v for v in SUPPORTED if v != DEFAULT and shutil.which(f"python{v}")]
    return [DEFAULT, *others]


def need_headers(session: nox.Session) -> None:
    """Stops the session if the interpreter cannot build extension modules."""
    find = "import sysconfig; print(sysconfig.get_path('include'))"
    folder = session.run("python", "-c", find, silent=True)
    if not Path(str(folder).strip(), "Python.h").is_file():
        session.error(f"Python.h is missing. Type: sudo apt-get install python{session.python}-dev")


# --- Environment variables ------------------------------------------------------------------------


def prepare_environment() -> None:
    """Sets the variables that every session and every program in it inherit.

    No module may come from outside the session's environment. Byte code is compiled on import: most
    of what is installed is never imported. With ccache, the sessions share their object files.
    """
    for name in ("PYTHONPATH", "PYTHONHOME"):
        os.environ.pop(name, None)
    os.environ["PATH"] = search_path()
    jobs = str(cores())
    settings = {"PIP_NO_COMPILE": "1", "CMAKE_BUILD_PARALLEL_LEVEL": jobs}
    settings |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_QUIET": "1"}
    settings |= {"CTEST_PARALLEL_LEVEL": jobs}
    if ccache := shutil.which("ccache"):
        settings |= {"CMAKE_C_COMPILER_LAUNCHER": ccache, "CMAKE_CXX_COMPILER_LAUNCHER": ccache}
        settings |= {"CCACHE_SLOPPINESS": "pch_defines,time_macros,include_file_mtime"}
    for name, value in settings.items():
        os.environ.setdefault(name, value)


# --- Commands -------------------------------------------------------------------------------------


def without_randomised_addresses() -> list[str]:
    """A prefix for commands: older ThreadSanitizers can fail under a new kernel's randomisation."""
    prefix = ["setarch", platform.machine(), "-R"]
    if shutil.which("setarch") is None:
        return []
    done = subprocess.run([*prefix, "true"], capture_output=True, check=False)
    return prefix if done.returncode == 0 else []


def each(work: Callable[[str], bool], names: Iterable[str]) -> bool:
    """True if the work succeeds for every name. It is done for as many at a time as cores."""
    with ThreadPoolExecutor(cores()) as pool:
        return all(list(pool.map(work, names)))


def tidy(session: nox.Session, source: str) -> bool:
    """Checks one C++ source. Prints the findings, and returns False if there are any."""
    tool = shutil.which("clang-tidy", path=session.bin)
    options = ["--quiet", "-p", str(BUILD / "tidy")]
    options.append("--extra-arg=-Wno-ignored-optimization-argument")
    done = subprocess.run(
        [str(tool), *options, source], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        session.log(f"{source}\n{done.stdout}{done.stderr}")
    return done.returncode == 0
