"""The machine of the sessions: interpreters, environment, packages, files, work on all cores."""

from __future__ import annotations

import os
import platform
import re
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
DEFAULT = "{}.{}".format(*sys.version_info) + ("t" if "t" in sys.abiflags else "")
"""The version of the interpreter that runs nox; t is the free-threaded CPython."""
SUPPORTED = ("3.10", "3.11", "3.12", "3.13", "3.14", "3.13t", "3.14t")

PINS = ROOT / "tests" / "requirements.txt"
HOOKS = ROOT / ".pre-commit-config.yaml"


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


# --- Interpreters ---------------------------------------------------------------------------------


def search_path() -> str:
    """PATH with the interpreter of nox first, and pyenv's interpreters in place of its shims.

    A shim of a version that is not selected is found on PATH, but does not run. pyenv's
    free-threaded interpreters are last, because python3.13 may be a second name of python3.13t.
    """
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/3.*/bin")
    found = sorted(map(str, pyenv), key=lambda folder: (folder.endswith("t/bin"), folder))
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    others = [folder for folder in folders if Path(folder).name != "shims"]
    return os.pathsep.join([f"{sys.base_prefix}/bin", *others, *found])


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
    of what is installed is never imported. Certificates are the system's, as pip's are. With
    ccache, the sessions share object files, if they name the compiler alike: a wheel's default is
    the name that its interpreter was built with.
    """
    for name in ("PYTHONPATH", "PYTHONHOME"):
        os.environ.pop(name, None)
    os.environ["PATH"] = search_path()
    jobs = str(cores())
    settings = {"CMAKE_BUILD_PARALLEL_LEVEL": jobs, "CTEST_PARALLEL_LEVEL": jobs}
    settings |= {"PIP_NO_COMPILE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    settings |= {"UV_SYSTEM_CERTS": "1", "UV_PYTHON_DOWNLOADS": "never"}
    settings |= {"PIP_QUIET": "1", "UV_QUIET": "1"}
    if ccache := shutil.which("ccache"):
        settings |= {"CMAKE_C_COMPILER_LAUNCHER": ccache, "CMAKE_CXX_COMPILER_LAUNCHER": ccache}
        settings |= {"CCACHE_SLOPPINESS": "pch_defines,time_macros,include_file_mtime"}
        settings |= {"CC": "cc", "CXX": "c++"}
    for name, value in settings.items():
        os.environ.setdefault(name, value)


# --- Packages, files and commands -----------------------------------------------------------------


def install(session: nox.Session, *packages: str) -> None:
    """Installs the packages, in the pinned versions."""
    session.install("--constraint", str(PINS), *packages)


def check_hooks(session: nox.Session) -> None:
    """Fails if a pre-commit hook has a pin that is not in tests/requirements.txt."""
    pins = {line.partition(";")[0].strip() for line in PINS.read_text().splitlines()}
    if others := set(re.findall(r"[\w-]+==[\w.]+", HOOKS.read_text())) - pins:
        session.error(f"Not in {PINS.name}:", *sorted(others))


def files(*patterns: str) -> list[str]:
    """The names of the project's files that match a pattern, but for Python's and the pages."""
    folders = [ROOT / name for name in ("cpp", "include", "tests")]
    found = [path for each in patterns for folder in folders for path in folder.rglob(each)]
    found += [path for each in patterns for path in ROOT.glob(each)]
    return sorted(str(path.relative_to(ROOT)) for path in found)


def without_randomised_addresses() -> list[str]:
    """A prefix for commands: older ThreadSanitizers can fail under a new kernel's randomisation."""
    prefix = ["setarch", platform.machine(), "-R"]
    works = "setarch" if shutil.which("setarch") else "false"
    done = subprocess.run([works, *prefix[1:], "true"], capture_output=True, check=False)
    return prefix if done.returncode == 0 else []


def each(work: Callable[[str], bool], names: Iterable[str]) -> bool:
    """True if the work succeeds for every name. It is done for as many at a time as cores."""
    with ThreadPoolExecutor(cores()) as pool:
        return all(list(pool.map(work, names)))


def tidy(session: nox.Session, source: str) -> bool:
    """Checks one C++ source. Prints the findings, and returns False if there are any."""
    tool = shutil.which("clang-tidy", path=session.bin)
    options = [
        "--quiet",
        "-p",
        str(BUILD / "tidy"),
        "--extra-arg=-Wno-ignored-optimization-argument",
    ]
    done = subprocess.run(
        [str(tool), *options, source], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        session.log(f"{source}\n{done.stdout}{done.stderr}")
    return done.returncode == 0
