"""The peers that need a compiler, built on demand with CMake.

They are linked with the library of the installed package. They are kept under .build/ in a folder
named after the interpreter and the contents of that library, so a new installation gets a new
folder, and the peers always match the measured package.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from glassheap import paths
from measuring.foreign import write_cffi_source
from measuring.results import PeerMissingError

if TYPE_CHECKING:
    from types import ModuleType

SOURCE = Path(__file__).parents[1] / "peer"
CACHE = Path(__file__).parents[3] / ".build" / "benchmarks"


def build(module: str) -> ModuleType:
    """Build an extension module of the peers if it is out of date, and import it.

    Raises PeerMissingError if it cannot be built on this machine.
    """
    folder = configure()
    run([find_cmake(), "--build", str(folder), "--target", module], folder)
    return load(module, folder)


@cache
def configure() -> Path:
    """Prepare the build, and return its folder."""
    cmake, config, folder = find_cmake(), find_config(), build_folder()
    folder.mkdir(parents=True, exist_ok=True)
    options = {
        "CMAKE_BUILD_TYPE": "Release",
        "glassheap_DIR": config,
        "Python_EXECUTABLE": sys.executable,
        "CFFI_SOURCE": write_cffi_source(folder) or "",
    }
    defines = [f"-D{name}={value}" for name, value in options.items()]
    run([cmake, "--fresh", "-S", str(SOURCE), "-B", str(folder), *defines], folder)
    return folder


def build_folder() -> Path:
    """The folder for this interpreter and this library."""
    return CACHE / f"{sys.implementation.cache_tag}-{fingerprint()}"


def fingerprint() -> str:
    """A hash of the library's contents."""
    digest = hashlib.sha256()
    for library in sorted(find_config().parents[1].glob("*glassheap*")):
        if library.is_file():
            digest.update(library.read_bytes())
    return digest.hexdigest()[:12]


def find_config() -> Path:
    """The folder of the CMake config of the installed package."""
    try:
        return paths.cmake_dir()
    except FileNotFoundError as error:
        raise PeerMissingError(str(error).rstrip(".")) from None


def find_cmake() -> str:
    """CMake on the PATH, or in the environment of this interpreter."""
    places = os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])
    cmake = shutil.which("cmake", path=places)
    if cmake is None:
        raise PeerMissingError("CMake is not installed")
    return cmake


def run(line: list[str], folder: Path) -> None:
    """Run a command of the build; its output is kept in a log in the folder."""
    log = folder / "build.log"
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    log.write_text(done.stdout + done.stderr)
    if done.returncode != 0:
        raise PeerMissingError(f"it could not be built: see {log.relative_to(CACHE.parents[1])}")


def load(name: str, folder: Path) -> ModuleType:
    """Import an extension module from a folder that is not on the path."""
    place = folder / (name + sysconfig.get_config_var("EXT_SUFFIX"))
    spec = importlib.util.spec_from_file_location(name, place)
    if not place.exists() or spec is None or spec.loader is None:
        raise PeerMissingError(f"the build left no module {name}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
