"""The structure of the sources: imports and includes without circles, and bounded sizes.

Each check is a function from source texts by path to a list of breaches. It is run on the source
tree, and on the tree with a text that breaks its rule, to show that it can fail.
"""

from __future__ import annotations

import ast
import math
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from source_tree import CPP, SOURCE_TREE, Sources, cpp_functions, function_lengths, sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.any_interpreter

# --- Imports among the Python modules. ------------------------------------------------------------

EXTENSION = "glassheap._core"
LAZY = ("glassheap", "glassheap.cli")
"""Modules that import on use by design: imports inside their functions do not count.

glassheap itself puts methods on the types of the extension and imports their modules on use.
"""


def module_name(path: str) -> str:
    """The module of a file: glassheap.model for python/glassheap/model/__init__.py."""
    return path.partition("/")[2].removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imported_names(node: ast.AST, *, functions: bool) -> Iterator[str]:
    """Names imported below the node, except for types: glassheap.errors.HeapError, for example."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        elif isinstance(child, ast.FunctionDef) and not functions:
            continue
        elif not (isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING")):
            yield from imported_names(child, functions=functions)


def circular_imports(package: Sources) -> list[str]:
    """A circle of imports, if there is one."""
    trees = {module_name(path): ast.parse(text) for path, text in package.items()}
    modules = {EXTENSION, *trees}
    graph: dict[str, set[str]] = {}
    for module, tree in trees.items():
        lazy = module in LAZY or module.startswith("glassheap.cli.")
        names = {*imported_names(tree, functions=not lazy)}
        parents = {name.rpartition(".")[0] for name in names - modules}
        graph[module] = ((names | parents) & modules) - {module}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [" is imported by ".join(error.args[1])]
    return []


# --- C++ does not import the Python package. ------------------------------------------------------

# In a call, or a literal that can be passed to one. The name of a type, glassheap._core.Player, is
# allowed.
MODULE_IN_CPP = re.compile(r'(?i:import)\w*\(\s*"glassheap|"glassheap\.[a-z]')


def imports_of_the_package(cpp: Sources) -> list[str]:
    """The lines of C++ that name a module of the package to import it."""
    return [
        f"{path}: {line.strip()}"
        for path, text in cpp.items()
        for line in text.splitlines()
        if MODULE_IN_CPP.search(line)
    ]


# --- The C++ sources keep their order. ------------------------------------------------------------

ALONE = ["c_api", "bindings", "tools"]
"""Folders that nothing includes but themselves."""
LAYERS = ["base", "trace", "block", "check", "policy", "space", "core", "heap", "shared", *ALONE]
"""A file includes its own folder and the folders before it.

The library can then be read in this order, and a part can be tested or replaced without the parts
that stand on it.
"""
PUBLIC = {
    "glassheap/types.hpp": "base",
    "glassheap/layout.h": "base",
    "glassheap/version.h": "base",
    "glassheap/fault.hpp": "base",
    "glassheap/waiting.hpp": "base",
    "glassheap/options.hpp": "base",
    "glassheap/heap.hpp": "heap",
    "glassheap/owners.hpp": "heap",
    "glassheap/announcement.hpp": "heap",
    "glassheap/memory_resource.hpp": "heap",
    "glassheap/shared_heap.hpp": "shared",
    "my_malloc.h": "c_api",
}
"""The public headers, and the layers that implement them."""
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


def layer(path: str) -> str:
    """The layer of a file, by its path below include/ or cpp/."""
    return PUBLIC.get(path, path.partition("/")[0])


def may_include(path: str, included: str) -> bool:
    """True if the order allows it; a public header includes public headers alone."""
    own, other = layer(path), layer(included)
    if path in PUBLIC and included not in PUBLIC:
        return False
    if other in ALONE or own not in LAYERS:
        return other == own
    return other in LAYERS[: LAYERS.index(own) + 1]


def includes_against_the_order(cpp: Sources) -> list[str]:
    """Each #include that the order forbids; a file in no layer may include nothing."""
    files = {path.partition("/")[2]: text for path, text in cpp.items()}
    found = []
    for path, text in files.items():
        for included in INCLUDE.findall(text):
            beside = (Path(path).parent / included).as_posix()
            if not may_include(path, beside if beside in files else included):
                found.append(f"{path} includes {included}")
    return found


def test_every_layer_has_files_and_stands_in_the_design_in_this_order() -> None:
    """A layer without files was renamed, and is checked no more."""
    assert {layer(path.partition("/")[2]) for path in LIBRARY} == {*LAYERS}
    design = (SOURCE_TREE / "docs/design.md").read_text(encoding="utf-8")
    assert re.findall(r"^    cpp/(\w+)/ ", design, re.MULTILINE) == LAYERS


def test_there_are_few_public_headers() -> None:
    assert {path.removeprefix("include/") for path in sources("include")} == set(PUBLIC)
    assert len(PUBLIC) <= 14


# --- Sizes. ---------------------------------------------------------------------------------------

LONGEST_FILE = 350
LONGER_FILES = {"cpp/core/heap_core.hpp": 450, "python/glassheap/_core.pyi": 1400}
"""Files with a limit of their own: the hot methods are in one file, so that they are inlined; the
stub has every docstring of the compiled module."""
LONGEST = 45
MEDIAN = 6
NINE_IN_TEN = 20
"""Most lines of code in the body of any function, of one in two, and of nine in ten."""


def files_too_long(files: Sources) -> list[str]:
    """The files with more lines than allowed."""
    lengths = {path: len(text.splitlines()) for path, text in files.items()}
    return [
        f"{path} has {length} lines"
        for path, length in lengths.items()
        if length > LONGER_FILES.get(path, LONGEST_FILE)
    ]


def functions_too_long(files: Sources) -> list[str]:
    """The functions with more lines than allowed, and the shares of long ones if too large."""
    functions = [one for path, text in files.items() for one in function_lengths(path, text)]
    ascending = sorted(length for _, length in functions)
    found = [f"{name} has {length} lines" for name, length in functions if length > LONGEST]
    for share, most in ((0.5, MEDIAN), (0.9, NINE_IN_TEN)):
        if (length := ascending[math.ceil(share * len(ascending)) - 1]) > most:
            found.append(f"{share:.0%} of the functions have up to {length} lines")
    return found


# --- The rules, and breaches of them. -------------------------------------------------------------

PYTHON = sources("python", suffixes=(".py",))
LIBRARY = sources("cpp", "include")
RULES: dict[str, tuple[Callable[[Sources], list[str]], Sources]] = {
    "the Python modules import each other without circles": (circular_imports, PYTHON),
    "no C++ source imports the Python package": (imports_of_the_package, LIBRARY),
    "the C++ sources keep their order": (includes_against_the_order, LIBRARY),
    "no file is too long": (
        files_too_long,
        sources("cpp", "include", "python", suffixes=(*CPP, ".py", ".pyi")),
    ),
    "Python functions are short": (functions_too_long, PYTHON),
    "C++ functions are short": (functions_too_long, LIBRARY),
}


@pytest.mark.parametrize("rule", RULES)
def test_the_source_tree_keeps_the_rule(rule: str) -> None:
    check, files = RULES[rule]
    assert check(files) == []


def python_functions_of(*lengths: int) -> str:
    head = 'def fun():\n    """Docstring."""\n\n    # A comment.\n'
    return "".join(head + "    step()\n" * length for length in lengths)


def cpp_functions_of(*lengths: int) -> str:
    head = "void fun() {\n  // A comment.\n\n"
    return "".join(head + "  step();\n" * length + "}\n" for length in lengths)


ERRORS = "python/glassheap/images/errors.py"
HEAP = "cpp/heap/heap.cpp"
IN_FUNCTION = "\ndef fun():\n    from glassheap.{} import {}\n"
BREACHES = [
    (circular_imports, ERRORS, "\nfrom glassheap.images.fsck import check\n", "is imported by"),
    (circular_imports, ERRORS, IN_FUNCTION.format("images", "fsck"), "is imported by"),
    (circular_imports, ERRORS, "\nif TYPE_CHECKING:\n    import glassheap.images.fsck\n", ""),
    (circular_imports, "python/glassheap/cli/base.py", IN_FUNCTION.format("cli", "fsck"), ""),
    (circular_imports, "python/glassheap/__init__.py", IN_FUNCTION.format("images", "fsck"), ""),
    *(
        (imports_of_the_package, HEAP, line, f"{HEAP}: {line}")
        for line in (
            'py::module_::import("glassheap.errors").attr(name);',
            'py::module_::import("glassheap");',
            'PyImport_ImportModule("glassheap");',
            'const auto name = PyUnicode_FromString("glassheap.numpy");',
        )
    ),
    (imports_of_the_package, HEAP, '#include "glassheap/heap.hpp"\nimport("os")\n', ""),
    (imports_of_the_package, HEAP, 'make_type("glassheap._core.Player")\n', ""),
    *(
        (includes_against_the_order, path, f'#include "{included}"\n', f" includes {included}")
        for path, included in (
            ("cpp/base/bitmap.hpp", "block/block_map.hpp"),
            ("cpp/block/block.hpp", "glassheap/heap.hpp"),
            ("cpp/check/checker.hpp", "policy/first_fit.hpp"),
            ("cpp/core/heap_core.hpp", "heap/pins.hpp"),
            ("cpp/heap/heap.cpp", "my_malloc.h"),
            ("include/glassheap/heap.hpp", "core/core_interface.hpp"),
            ("cpp/c_api/demo.cpp", "bindings/raise.hpp"),
            ("cpp/tools/call_sites.hpp", "bindings/raise.hpp"),
            ("cpp/surprise.hpp", "glassheap/types.hpp"),
        )
    ),
    (files_too_long, "cpp/new.cpp", "line\n" * 350, ""),
    (files_too_long, "cpp/new.cpp", "line\n" * 351, "cpp/new.cpp has 351 lines"),
    (files_too_long, "cpp/core/heap_core.hpp", "line\n" * 450, "cpp/core/heap_core.hpp has "),
    *(
        (functions_too_long, path, functions(*lengths), found)
        for path, functions in (("new.py", python_functions_of), ("new.cpp", cpp_functions_of))
        for lengths, found in (
            ([1, 6, 6, 7, 45, *[6] * 5, *[20] * 4, *[3] * 40], ""),
            ([46, *[3] * 40], " has 46 lines"),
            ([1, 7, 7], "50% of the functions have up to 7 lines"),
            ([*[3] * 8, 21, 21], "90% of the functions have up to 21 lines"),
        )
    ),
]
"""A check, a file, a text that is added to it, and a part of the breach; empty if it is none."""


@pytest.mark.parametrize(("check", "path", "text", "found"), BREACHES)
def test_a_breach_is_found(
    check: Callable[[Sources], list[str]], path: str, text: str, found: str
) -> None:
    tree = next(files for one, files in RULES.values() if one is check)
    files = {**tree, path: tree[path] + text} if path in tree else {path: text}  # a file alone
    breaches = "\n".join(check(files))
    assert found in breaches
    assert bool(breaches) == bool(found)


# --- The reader of C++. ---------------------------------------------------------------------------

CPP_SOURCES: dict[str, tuple[str, list[int]]] = {
    "one line": ("int one() { return 1; }\n", [1]),
    "empty": ("Class::Class(int a) : a_(a) {}\n", [0]),
    "declarations": ("int declared();\nint x = f();\n", []),
    "blank lines and blocks": ("int a() {\n  b();\n\n  if (c) {\n    d();\n  }\n}\n", [4]),
    "a long head": ("void a(int b,\n       int c) noexcept {\n  d();\n}\n", [1]),
    "initialisers": ("A::A(int b)\n    : b_(b),\n      c_{0} {\n  d();\n}\n", [1]),
    "a namespace": ("namespace a {\nvoid b() {\n  c();\n}\n}\n", [1]),
    "a class": ("class A : B {\n public:\n  int c() const {\n    d();\n  }\n};\n", [1]),
    "an attribute": ("struct alignas(16) A {\n  int b[4];\n};\n", []),
    "a concept": ("template <class T>\nconcept C = requires(T t) {\n  { t.f() };\n};\n", []),
    "a constraint": ("template <class T>\n  requires(C<T>)\nvoid f(T t) {\n  g(t);\n}\n", [1]),
    "comments": ("void a() {  // {\n  // }\n  /* {\n  */\n  b();\n}  // namespace\n", [1]),
    "literals": ('void a() {\n  b("}", \'{\', 1\'000\'000);\n  c(R"x({ ")x");\n}\n', [2]),
    "a macro": ("#define A(b) \\\n  void b() {\nvoid c() {\n  d();\n}\n", [1]),
    "an array and a lambda": ("const int a[] = {\n    b(1),\n};\nvoid c() { d([] {}); }\n", [1]),
}


@pytest.mark.parametrize(("source", "lengths"), CPP_SOURCES.values(), ids=CPP_SOURCES)
def test_the_bodies_of_cpp_functions_are_measured(source: str, lengths: list[int]) -> None:
    assert [length for _, length in cpp_functions(source)] == lengths


def test_a_cpp_function_without_an_end_is_an_error() -> None:
    with pytest.raises(ValueError, match="not in list"):
        cpp_functions("void a() {\n  b();\n")
