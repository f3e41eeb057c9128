"""What an installed glassheap brings: the right files, in the right place, and nothing else.

These tests look at the installation the way a stranger does, from outside: file names, metadata and
the command line. They need no extra and no plugin, so they also run where only pytest is installed.
"""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import glassheap
from glassheap import _core, paths

PACKAGE = Path(_core.__file__).resolve().parent
SOURCE_TREE = Path(__file__).resolve().parents[2]
HEAVY = {"argparse", "dataclasses", "gzip", "inspect", "numpy", "re", "rich"}


def run(*command: str) -> str:
    """The standard output of a command that must succeed and say nothing on standard error."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def python(*arguments: str) -> str:
    return run(sys.executable, "-I", *arguments)


def metadata() -> importlib.metadata.Distribution:
    return importlib.metadata.distribution("glassheap")


def test_the_tests_see_the_installed_package_and_not_the_sources() -> None:
    assert SOURCE_TREE / "python" not in Path(glassheap.__file__).resolve().parents


def test_one_version_everywhere() -> None:
    header = (paths.include_dir() / "glassheap" / "version.h").read_text(encoding="utf-8")
    config = (paths.cmake_dir() / "glassheapConfigVersion.cmake").read_text(encoding="utf-8")
    versions = {
        "metadata": metadata().version,
        "package": glassheap.__version__,
        "header": re.findall(r'#define GLASSHEAP_VERSION "(.*)"', header)[0],
        "CMake": re.findall(r'set\(PACKAGE_VERSION "(.*)"\)', config)[0],
        "command": python("-m", "glassheap", "--version").split()[-1],
    }
    assert set(versions.values()) == {glassheap.__version__}, versions


@pytest.mark.parametrize(
    "name",
    [
        "py.typed",
        "_core.pyi",
        "include/my_malloc.h",
        "include/glassheap/heap.hpp",
        "lib/libglassheap.a",
        "lib/cmake/glassheap/glassheapConfig.cmake",
        "lib/cmake/glassheap/glassheapConfigVersion.cmake",
        "lib/cmake/glassheap/glassheapTargets.cmake",
    ],
)
def test_the_package_brings(name: str) -> None:
    assert (PACKAGE / name).is_file()


def test_every_public_header_is_installed() -> None:
    """A header that is left behind breaks only other people's builds."""
    sources = SOURCE_TREE / "include"
    expected = {header.relative_to(sources) for header in sources.rglob("*.h*")}
    installed = {header.relative_to(PACKAGE / "include") for header in PACKAGE.rglob("*.h*")}
    assert installed == expected


def test_nothing_is_installed_outside_of_the_package() -> None:
    files = metadata().files or []
    tops = {file.parts[0] for file in files if ".." not in file.parts}
    scripts = {file.name for file in files if ".." in file.parts}
    assert tops == {"glassheap", f"glassheap-{glassheap.__version__}.dist-info"}
    assert scripts == {"glassheap"}


def test_the_metadata_says_what_a_user_needs() -> None:
    told = metadata().metadata
    assert told["Requires-Python"] == ">=3.10"
    assert told["License-Expression"] == "MIT"
    assert (told.get_all("License-File") or []) == ["LICENSE"]
    assert "glassheap" in told["Description"]


def test_only_extras_require_anything() -> None:
    requirements = metadata().requires or []
    assert [line for line in requirements if "extra ==" not in line] == []
    extras = {tuple(re.findall(r"^\w+|(?<=[\"'])\w+", line)) for line in requirements}
    assert extras == {("rich", "cli"), ("numpy", "numpy")}


def test_the_one_entry_point_is_the_command() -> None:
    """Above all none in the group cmake.root, which would put us in everybody's CMake search."""
    found = {(point.group, point.name, point.value) for point in metadata().entry_points}
    assert found == {("console_scripts", "glassheap", "glassheap.cli:main")}


def test_the_command_is_the_module() -> None:
    command = shutil.which("glassheap", path=sysconfig.get_path("scripts"))
    assert command is not None
    assert run(command, "--version") == python("-m", "glassheap", "--version")


def test_includes_and_cmakedir_print_one_directory_each() -> None:
    assert python("-m", "glassheap", "--includes") == f"{paths.include_dir()}\n"
    assert python("-m", "glassheap", "--cmakedir") == f"{paths.cmake_dir()}\n"


def test_the_cmake_config_names_no_absolute_path() -> None:
    """The wheel is built in one place and used in another."""
    for file in paths.cmake_dir().glob("*.cmake"):
        for line in file.read_text(encoding="utf-8").splitlines():
            assert not re.search(r'(^|[\s";=])/\w', line.partition("#")[0]), (file.name, line)


def test_a_missing_folder_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_core, "__file__", str(tmp_path / "_core.so"))
    with pytest.raises(FileNotFoundError, match=r"include is missing: .* Install glassheap again"):
        paths.include_dir()


def test_importing_glassheap_pulls_in_nothing_heavy() -> None:
    """What the interpreter has loaded does not count, nor what `typing` needs: records use it."""
    program = (
        "import sys, typing; before = set(sys.modules); import glassheap;"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    assert HEAVY.isdisjoint(python("-c", program).split())


def test_the_module_exports_nothing_of_its_inside() -> None:
    """Two copies of the library in one process must not be mixed up by the dynamic linker."""
    nm = shutil.which("nm")
    if nm is None:
        pytest.skip("nm (binutils) is not installed")
    symbols = run(nm, "-D", "--defined-only", "-C", _core.__file__)
    assert "PyInit__core" in symbols
    assert not re.findall(r".*(?:glassheap|pybind11|my_malloc|reset_heap).*", symbols)
