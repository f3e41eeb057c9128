"""`import glassheap` is light, and whatever is heavy comes when it is used and not before."""

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
"""Modules that cost a millisecond and more, or that bring in such."""

NEW_MODULES = """
import sys, typing  # records are made with typing, whatever that brings
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
    brought = new_modules("import glassheap")
    assert {name for name in brought if name.startswith("glassheap")} == ours
    assert brought.isdisjoint(HEAVY)
    assert len(brought - ours) <= 3, brought


def test_allocating_brings_nothing_heavy_either() -> None:
    """What a program does a million times does not import the first time."""
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


def test_typing_does_not_need_what_the_package_does_not_need() -> None:
    """A type checker reads the stub; at run time nobody imports what only annotations name."""
    assert "typing_extensions" not in new_modules("import glassheap, glassheap.records")


@pytest.mark.parametrize("name", glassheap.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(glassheap, name) is not None


def test_importing_star_brings_exactly_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from glassheap import *", names)
    del names["__builtins__"]
    assert set(names) == set(glassheap.__all__)
    assert sorted(glassheap.__all__) == glassheap.__all__


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'glassheap' has no attribute 'Hep'"):
        getattr(glassheap, "Hep")  # noqa: B009
    with pytest.raises(ImportError):
        exec("from glassheap import Hep")


def test_the_order_of_imports_makes_no_difference() -> None:
    program = """
import glassheap.statistics, glassheap.records, glassheap._core, glassheap
assert glassheap.HeapStats is glassheap.statistics.HeapStats
assert glassheap.Heap is glassheap._core.Heap
"""
    new_modules(program)
