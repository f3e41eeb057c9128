"""`import glassheap` is light: heavy modules are imported on first use."""

from __future__ import annotations

import pytest

import glassheap
from heap_probes import run_child

HEAVY = [
    "argparse",
    "array",
    "asyncio",
    "contextlib",
    "csv",
    "ctypes",
    "dataclasses",
    "decimal",
    "enum",
    "fractions",
    "gzip",
    "importlib.metadata",
    "importlib.resources",
    "inspect",
    "json",
    "logging",
    "numpy",
    "pathlib",
    "random",
    "re",
    "rich",
    "shutil",
    "struct",
    "subprocess",
    "tempfile",
    "textwrap",
    "threading",
    "unittest",
]
"""Modules that take a millisecond or more to import, or import such a module."""

NEW_MODULES = """
import sys, typing  # the records need typing, so its imports do not count
before = set(sys.modules)
{program}
print(*sorted(set(sys.modules) - before))
"""


def new_modules(program: str) -> set[str]:
    done = run_child(NEW_MODULES.format(program=program))
    assert (done.returncode, done.stderr) == (0, "")
    return set(done.stdout.split())


def test_the_import_loads_only_the_core_the_errors_and_the_methods() -> None:
    ours = {"glassheap", "glassheap._core", "glassheap.errors", "glassheap.methods"}
    loaded = new_modules("import glassheap")
    assert {name for name in loaded if name.startswith("glassheap")} == ours
    assert loaded.isdisjoint(HEAVY)
    assert len(loaded - ours) <= 3, loaded


def test_allocating_loads_no_heavy_module() -> None:
    """Frequent calls must not be slow the first time."""
    program = """
import glassheap
with glassheap.Heap() as heap:
    p = heap.malloc(100)
    heap.view(p)[:5] = b"hello"
    heap.realloc(p, 50)
    heap.free_list(), heap.walk(), heap.check(), heap.available_memory(), repr(heap)
    with heap.alloc(5): pass
"""
    assert new_modules(program).isdisjoint(HEAVY)


def test_the_import_does_not_load_typing_extensions() -> None:
    """Modules that only annotations need are not imported at run time."""
    assert "typing_extensions" not in new_modules("import glassheap, glassheap.records")


@pytest.mark.parametrize("name", glassheap.__all__)
def test_every_public_name_exists(name: str) -> None:
    assert getattr(glassheap, name) is not None


def test_a_star_import_binds_exactly_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from glassheap import *", names)
    del names["__builtins__"]
    assert set(names) == set(glassheap.__all__)
    assert sorted(glassheap.__all__) == glassheap.__all__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'glassheap' has no attribute 'Hep'"):
        getattr(glassheap, "Hep")  # noqa: B009
    with pytest.raises(ImportError):
        exec("from glassheap import Hep")


def test_submodules_can_be_imported_before_the_package() -> None:
    program = """
import glassheap.statistics, glassheap.records, glassheap._core, glassheap
assert glassheap.HeapStats is glassheap.statistics.HeapStats
assert glassheap.Heap is glassheap._core.Heap
"""
    new_modules(program)
