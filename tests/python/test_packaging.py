"""The installed package: its files, its metadata, its command, and its light import.

These tests need no extra and no plugin, so they also run in an environment with pytest alone.
"""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import sys
import sysconfig
from pathlib import Path

import pytest

import glassheap
from command_helpers import output_of
from glassheap import _core, paths
from source_tree import SOURCE_TREE

PACKAGE = Path(_core.__file__).resolve().parent
INSTALLED = importlib.metadata.distribution("glassheap")


def python(*arguments: str) -> str:
    return output_of(sys.executable, "-I", *arguments)


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


# --- Files. ---------------------------------------------------------------------------------------


def test_the_tests_import_the_installed_package_and_not_the_sources() -> None:
    assert SOURCE_TREE / "python" not in Path(glassheap.__file__).resolve().parents


@pytest.mark.parametrize(
    "name",
    [
        "py.typed",
        "_core.pyi",
        "lib/libglassheap.a",
        "lib/cmake/glassheap/glassheapConfig.cmake",
        "lib/cmake/glassheap/glassheapConfigVersion.cmake",
        "lib/cmake/glassheap/glassheapTargets.cmake",
        "lib/pkgconfig/glassheap.pc",
        *(["lib/glassheap/record_malloc.so"] if sys.platform.startswith("linux") else []),
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
    files = INSTALLED.files or []
    tops = {file.parts[0] for file in files if ".." not in file.parts}
    scripts = {file.name for file in files if ".." in file.parts}
    assert tops == {"glassheap", f"glassheap-{glassheap.__version__}.dist-info"}
    assert scripts == {"glassheap"}


def test_the_files_for_builds_name_no_absolute_path() -> None:
    """The wheel is used in another place than the one it was built in."""
    for file in (*paths.cmake_dir().glob("*.cmake"), *paths.pkgconfig_dir().glob("*.pc")):
        for line in read(file).splitlines():
            assert not re.search(r'(^|[\s";=])/\w', line.partition("#")[0]), (file.name, line)


def test_a_missing_folder_is_named_in_the_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(_core, "__file__", str(tmp_path / "_core.so"))
    with pytest.raises(FileNotFoundError, match=r"include is missing: .* Install glassheap again"):
        paths.include_dir()


def test_the_extension_module_exports_no_internal_symbols() -> None:
    """Otherwise the dynamic linker could mix two copies of the library in one process."""
    nm = shutil.which("nm")
    if nm is None:
        pytest.skip("nm (binutils) is not installed")
    symbols = output_of(nm, "-D", "--defined-only", "-C", _core.__file__)
    assert "PyInit__core" in symbols
    assert not re.findall(r".*(?:glassheap|pybind11|my_malloc|reset_heap).*", symbols)


# --- Metadata and the command. --------------------------------------------------------------------


def test_the_version_is_the_same_everywhere() -> None:
    header = read(paths.include_dir() / "glassheap" / "version.h")
    config = read(paths.cmake_dir() / "glassheapConfigVersion.cmake")
    pc = read(paths.pkgconfig_dir() / "glassheap.pc")
    versions = {
        "metadata": INSTALLED.version,
        "header": re.findall(r'#define GLASSHEAP_VERSION "(.*)"', header)[0],
        "CMake": re.findall(r'set\(PACKAGE_VERSION "(.*)"\)', config)[0],
        "pkg-config": re.findall(r"^Version: (.*)$", pc, re.MULTILINE)[0],
        "command": python("-m", "glassheap", "--version").split()[-1],
    }
    assert set(versions.values()) == {glassheap.__version__}, versions


def test_the_metadata_has_python_version_license_and_description() -> None:
    fields = INSTALLED.metadata
    assert fields["Requires-Python"] == ">=3.10"
    assert fields["License-Expression"] == "MIT"
    assert (fields.get_all("License-File") or []) == ["LICENSE"]
    assert "glassheap" in fields["Description"]


def test_only_extras_have_dependencies() -> None:
    requirements = INSTALLED.requires or []
    assert [line for line in requirements if "extra ==" not in line] == []
    extras = {tuple(re.findall(r"^\w+|(?<=[\"'])\w+", line)) for line in requirements}
    assert extras == {
        ("rich", "cli"),
        ("numpy", "numpy"),
        ("prometheus", "prometheus"),
        ("distributed", "dask"),
    }


def test_the_only_entry_point_is_the_command() -> None:
    """An entry point in the group cmake.root would add the package to every CMake search."""
    found = {(point.group, point.name, point.value) for point in INSTALLED.entry_points}
    assert found == {("console_scripts", "glassheap", "glassheap.cli:main")}


def test_the_command_and_the_module_print_the_same() -> None:
    command = shutil.which("glassheap", path=sysconfig.get_path("scripts"))
    assert command is not None
    for option, folder in (
        ("--includes", paths.include_dir()),
        ("--cmakedir", paths.cmake_dir()),
        ("--pkgconfigdir", paths.pkgconfig_dir()),
    ):
        assert output_of(command, option) == python("-m", "glassheap", option) == f"{folder}\n"


# --- The import. ----------------------------------------------------------------------------------

HEAVY = {
    "argparse", "array", "asyncio", "contextlib", "csv", "ctypes", "dataclasses", "decimal", "enum",
    "fractions", "gzip", "importlib.metadata", "importlib.resources", "inspect", "json", "logging",
    "numpy", "pathlib", "random", "re", "rich", "shutil", "struct", "subprocess", "tempfile",
    "textwrap", "threading", "typing_extensions", "unittest",
}  # fmt: skip
"""Modules that take a millisecond or more to import, or import such a module."""


def new_modules(*statements: str) -> set[str]:
    """The modules that these statements import, except those of typing, for the records."""
    count = "import sys, typing; before = set(sys.modules)"
    told = "print(*sorted(set(sys.modules) - before))"
    return set(python("-c", "\n".join([count, *statements, told])).split())


def test_the_import_loads_only_the_core_the_errors_and_the_methods() -> None:
    ours = {"glassheap", "glassheap._core", "glassheap.errors", "glassheap.methods"}
    ours |= {"glassheap.shared_methods"}
    loaded = new_modules("import glassheap")
    assert {name for name in loaded if name.startswith("glassheap")} == ours
    assert loaded.isdisjoint(HEAVY)
    assert len(loaded - ours) <= 3, loaded
    assert "typing_extensions" not in new_modules("import glassheap, glassheap.records")


def test_allocating_loads_no_heavy_module() -> None:
    """Frequent calls must not be slow the first time."""
    assert new_modules(
        "import glassheap",
        "heap = glassheap.Heap()",
        "p = heap.malloc(100)",
        "heap.view(p)[:5] = b'hello'",
        "heap.realloc(p, 50)",
        "heap.free_list(), heap.walk(), heap.check(), heap.available_memory(), repr(heap)",
        "with heap.alloc(5): pass",
        "heap.close()",
    ).isdisjoint(HEAVY)


def test_submodules_can_be_imported_before_the_package() -> None:
    new_modules(
        "import glassheap.statistics, glassheap.records, glassheap._core, glassheap",
        "assert glassheap.HeapStats is glassheap.statistics.HeapStats",
        "assert glassheap.Heap is glassheap._core.Heap",
    )


def test_the_modules_of_the_pages_are_attributes_of_the_package() -> None:
    names = {"glassheap.traces", "glassheap.replay", "glassheap.grading"}
    assert names <= new_modules("import glassheap", *names)


def test_a_star_import_binds_exactly_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from glassheap import *", names)
    del names["__builtins__"]
    assert sorted(names) == glassheap.__all__
    types = {name: it for name, it in names.items() if isinstance(it, type)}
    assert (
        [*types] == [it.__name__ for it in types.values()] == [n for n in names if n[0].isupper()]
    )


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'glassheap' has no attribute 'Hep'"):
        getattr(glassheap, "Hep")  # noqa: B009
    with pytest.raises(ImportError):
        exec("from glassheap import Hep")
