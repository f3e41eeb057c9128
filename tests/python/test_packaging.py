"""The installed package has the right files in the right places, and no others.

These tests see the installation from outside: file names, metadata and the command line. They need
no extra and no plugin, so they also run in an environment with pytest alone.
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
    """The standard output of a command that must succeed without output on standard error."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def python(*arguments: str) -> str:
    return run(sys.executable, "-I", *arguments)


def metadata() -> importlib.metadata.Distribution:
    return importlib.metadata.distribution("glassheap")


def test_the_tests_import_the_installed_package_and_not_the_sources() -> None:
    assert SOURCE_TREE / "python" not in Path(glassheap.__file__).resolve().parents


def test_the_version_is_the_same_everywhere() -> None:
    header = (paths.include_dir() / "glassheap" / "version.h").read_text(encoding="utf-8")
    config = (paths.cmake_dir() / "glassheapConfigVersion.cmake").read_text(encoding="utf-8")
    pc = (paths.pkgconfig_dir() / "glassheap.pc").read_text(encoding="utf-8")
    versions = {
        "metadata": metadata().version,
        "package": glassheap.__version__,
        "header": re.findall(r'#define GLASSHEAP_VERSION "(.*)"', header)[0],
        "CMake": re.findall(r'set\(PACKAGE_VERSION "(.*)"\)', config)[0],
        "pkg-config": re.findall(r"^Version: (.*)$", pc, re.MULTILINE)[0],
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
        "lib/pkgconfig/glassheap.pc",
    ],
)
def test_the_package_contains(name: str) -> None:
    assert (PACKAGE / name).is_file()


def test_every_public_header_is_installed() -> None:
    """A missing header would break the builds of users only."""
    sources = SOURCE_TREE / "include"
    expected = {header.relative_to(sources) for header in sources.rglob("*.h*")}
    installed = {header.relative_to(PACKAGE / "include") for header in PACKAGE.rglob("*.h*")}
    assert installed == expected


def test_nothing_is_installed_outside_the_package() -> None:
    files = metadata().files or []
    tops = {file.parts[0] for file in files if ".." not in file.parts}
    scripts = {file.name for file in files if ".." in file.parts}
    assert tops == {"glassheap", f"glassheap-{glassheap.__version__}.dist-info"}
    assert scripts == {"glassheap"}


def test_the_metadata_has_python_version_license_and_description() -> None:
    fields = metadata().metadata
    assert fields["Requires-Python"] == ">=3.10"
    assert fields["License-Expression"] == "MIT"
    assert (fields.get_all("License-File") or []) == ["LICENSE"]
    assert "glassheap" in fields["Description"]


def test_only_extras_have_dependencies() -> None:
    requirements = metadata().requires or []
    assert [line for line in requirements if "extra ==" not in line] == []
    extras = {tuple(re.findall(r"^\w+|(?<=[\"'])\w+", line)) for line in requirements}
    assert extras == {("rich", "cli"), ("numpy", "numpy")}


def test_the_only_entry_point_is_the_command() -> None:
    """An entry point in the group cmake.root would add the package to every CMake search."""
    found = {(point.group, point.name, point.value) for point in metadata().entry_points}
    assert found == {("console_scripts", "glassheap", "glassheap.cli:main")}


def test_the_command_and_the_module_print_the_same() -> None:
    command = shutil.which("glassheap", path=sysconfig.get_path("scripts"))
    assert command is not None
    assert run(command, "--version") == python("-m", "glassheap", "--version")


def test_each_option_for_builds_prints_one_directory() -> None:
    assert python("-m", "glassheap", "--includes") == f"{paths.include_dir()}\n"
    assert python("-m", "glassheap", "--cmakedir") == f"{paths.cmake_dir()}\n"
    assert python("-m", "glassheap", "--pkgconfigdir") == f"{paths.pkgconfig_dir()}\n"


def test_the_files_for_builds_name_no_absolute_path() -> None:
    """The wheel is used in another place than the one it was built in."""
    for file in (*paths.cmake_dir().glob("*.cmake"), *paths.pkgconfig_dir().glob("*.pc")):
        for line in file.read_text(encoding="utf-8").splitlines():
            assert not re.search(r'(^|[\s";=])/\w', line.partition("#")[0]), (file.name, line)


def test_a_missing_folder_is_named_in_the_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(_core, "__file__", str(tmp_path / "_core.so"))
    with pytest.raises(FileNotFoundError, match=r"include is missing: .* Install glassheap again"):
        paths.include_dir()


def test_importing_glassheap_loads_no_heavy_module() -> None:
    """Modules of the interpreter's start do not count, nor those of `typing`, used for records."""
    program = (
        "import sys, typing; before = set(sys.modules); import glassheap;"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    assert HEAVY.isdisjoint(python("-c", program).split())


def test_the_extension_module_exports_no_internal_symbols() -> None:
    """Otherwise the dynamic linker could mix two copies of the library in one process."""
    nm = shutil.which("nm")
    if nm is None:
        pytest.skip("nm (binutils) is not installed")
    symbols = run(nm, "-D", "--defined-only", "-C", _core.__file__)
    assert "PyInit__core" in symbols
    assert not re.findall(r".*(?:glassheap|pybind11|my_malloc|reset_heap).*", symbols)
