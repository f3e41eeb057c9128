"""The structure of the sources: imports without circles, C++ without Python, and bounded sizes.

Each check is a function from source texts by path to a list of breaches. It is run on the source
tree, and on small texts that break its rule, to show that it can fail.
"""

from __future__ import annotations

import ast
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cpp_functions import function_lengths as cpp_function_lengths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOURCE_TREE = Path(__file__).resolve().parents[2]
CPP = (".c", ".h", ".cpp", ".hpp")
Sources = dict[str, str]


def sources(*roots: str, suffixes: tuple[str, ...]) -> Sources:
    """The texts of all files below these folders with these suffixes, by path."""
    found: Sources = {}
    for root in roots:
        for file in sorted((SOURCE_TREE / root).rglob("*")):
            if file.suffix in suffixes:
                path = file.relative_to(SOURCE_TREE).as_posix()
                found[path] = file.read_text(encoding="utf-8")
    assert found
    return found


# --- Imports among the Python modules. ------------------------------------------------------------

EXTENSION = "glassheap._core"
LAZY = ("glassheap", "glassheap.cli")
"""Modules that import on use by design: imports inside their functions do not count.

glassheap itself puts methods on the types of the extension and imports their modules on use.
"""
Graph = dict[str, set[str]]
"""The modules that each module imports."""


def module_name(path: str) -> str:
    """The module of a file: glassheap.model for python/glassheap/model/__init__.py."""
    return path.partition("/")[2].removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def is_lazy(module: str) -> bool:
    """True for the modules in LAZY and for the submodules of glassheap.cli."""
    return module in LAZY or module.startswith("glassheap.cli.")


def is_for_types(node: ast.AST) -> bool:
    """True for a block under `if TYPE_CHECKING`."""
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def imported_names(node: ast.AST, *, functions: bool, types: bool) -> Iterator[str]:
    """Names imported below the node: glassheap.errors and glassheap.errors.HeapError alike."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        elif isinstance(child, ast.FunctionDef) and not functions:
            continue
        elif types or not is_for_types(child):
            yield from imported_names(child, functions=functions, types=types)


def import_graph(package: Sources, *, types: bool = False) -> Graph:
    """The imports within the package; those for types only if `types` is set."""
    trees = {module_name(path): ast.parse(text) for path, text in package.items()}
    modules = {EXTENSION, *trees}
    graph: Graph = {EXTENSION: set()}
    for module, tree in trees.items():
        names = {*imported_names(tree, functions=not is_lazy(module), types=types)}
        parents = {name.rpartition(".")[0] for name in names - modules}
        graph[module] = ((names | parents) & modules) - {module}
    return graph


def circular_imports(graph: Graph) -> list[str]:
    """The imports on a circle or between two circles.

    Modules that import no other module, or that no other module imports, are on no circle. They are
    removed until every remaining module is on a circle or between two.
    """
    while True:
        imported = set[str]().union(*graph.values())
        kept = {module for module, others in graph.items() if others and module in imported}
        if kept == set(graph):
            return sorted(f"{module} imports {other}" for module in kept for other in graph[module])
        graph = {module: graph[module] & kept for module in kept}


def test_the_python_modules_import_each_other_without_circles() -> None:
    package = sources("python", suffixes=(".py",))
    print("With imports for types:", *circular_imports(import_graph(package, types=True)), sep="\n")
    assert circular_imports(import_graph(package)) == []


EAGER = "from glassheap.{} import name\n"
IN_FUNCTION = "def function():\n    from glassheap import {}\n"
FOR_TYPES = "if TYPE_CHECKING:\n    import glassheap.{}\n"


@pytest.mark.parametrize("to_b", [EAGER, IN_FUNCTION], ids=["eager", "in a function"])
@pytest.mark.parametrize("to_a", [EAGER, IN_FUNCTION], ids=["eager", "in a function"])
def test_a_circle_of_imports_is_found(to_a: str, to_b: str) -> None:
    package = {
        "python/glassheap/__init__.py": EAGER.format("a"),
        "python/glassheap/a.py": to_b.format("b"),
        "python/glassheap/b/__init__.py": to_a.format("a"),
        "python/glassheap/c.py": EAGER.format("a"),
    }
    circle = ["glassheap.a imports glassheap.b", "glassheap.b imports glassheap.a"]
    assert circular_imports(import_graph(package)) == circle


def test_imports_for_types_are_counted_only_if_requested() -> None:
    package = {
        "python/glassheap/a.py": EAGER.format("b"),
        "python/glassheap/b.py": FOR_TYPES.format("a"),
    }
    assert circular_imports(import_graph(package)) == []
    assert len(circular_imports(import_graph(package, types=True))) == 2


@pytest.mark.parametrize(
    ("module", "circles"),
    [("glassheap", 0), ("glassheap.cli", 0), ("glassheap.cli.base", 0), ("glassheap.shared", 2)],
)
def test_imports_inside_functions_are_not_counted_in_lazy_modules(
    module: str, circles: int
) -> None:
    package = {
        f"python/{module.replace('.', '/')}.py": IN_FUNCTION.format("other"),
        "python/glassheap/other.py": f"import {module}\n",
    }
    assert len(circular_imports(import_graph(package))) == circles


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


def test_no_cpp_source_imports_the_python_package() -> None:
    assert imports_of_the_package(sources("cpp", suffixes=CPP)) == []


@pytest.mark.parametrize(
    "line",
    [
        'py::module_::import("glassheap.errors").attr(name);',
        'py::module_::import("glassheap");',
        'PyImport_ImportModule("glassheap");',
        'const auto name = PyUnicode_FromString("glassheap.numpy");',
    ],
)
def test_an_import_of_the_package_in_cpp_is_found(line: str) -> None:
    harmless = '#include "glassheap/heap.hpp"\nmake_type("glassheap._core.Player")\nimport("os")\n'
    assert imports_of_the_package({"a.cpp": harmless + line}) == [f"a.cpp: {line}"]


# --- Sizes of files. ------------------------------------------------------------------------------

LONGEST_FILE = 350
LONGER_FILES = {"cpp/core/heap_core.hpp": 450, "python/glassheap/_core.pyi": 800}
"""Files with a limit of their own: the hot methods are in one file, so that they are inlined; the
stub has every docstring of the compiled module."""
MOST_HEADERS = 14


def files_too_long(files: Sources) -> list[str]:
    """The files with more lines than allowed."""
    lengths = {path: len(text.splitlines()) for path, text in files.items()}
    return [
        f"{path} has {length} lines"
        for path, length in lengths.items()
        if length > LONGER_FILES.get(path, LONGEST_FILE)
    ]


def test_no_source_file_is_too_long() -> None:
    assert files_too_long(sources("cpp", "include", "python", suffixes=(*CPP, ".py", ".pyi"))) == []


@pytest.mark.parametrize(
    ("path", "most"), [("cpp/heap/heap.cpp", 350), ("cpp/core/heap_core.hpp", 450)]
)
def test_a_file_that_is_too_long_is_found(path: str, most: int) -> None:
    assert files_too_long({path: "line\n" * most}) == []
    assert files_too_long({path: "line\n" * (most + 1)}) == [f"{path} has {most + 1} lines"]


def headers_too_many(headers: Sources) -> list[str]:
    """All headers if there are more than allowed."""
    return [*headers] if len(headers) > MOST_HEADERS else []


def test_there_are_few_public_headers() -> None:
    assert headers_too_many(sources("include", suffixes=CPP)) == []


def test_too_many_public_headers_are_found() -> None:
    headers = dict.fromkeys((f"include/{number}.hpp" for number in range(15)), "")
    assert len(headers_too_many(headers)) == 15


# --- Sizes of functions. --------------------------------------------------------------------------

LONGEST = 45
MEDIAN = 6
NINE_IN_TEN = 20
"""Most lines of code in the body of any function, of one in two, and of nine in ten."""


def python_function_lengths(source: str) -> list[tuple[str, int]]:
    """Name and lines of code of the body of each function; comments and docstrings do not count."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            statements = node.body[ast.get_docstring(node) is not None :]
            first = statements[0].lineno - 1 if statements else node.end_lineno
            body = source.splitlines()[first : node.end_lineno]
            code = [line for line in body if not re.fullmatch(r"\s*(#.*)?", line)]
            found.append((node.name, len(code)))
    return found


def all_function_lengths(files: Sources) -> dict[str, int]:
    """Lines of code of each function of these files, by path and name."""
    found = {}
    for path, text in files.items():
        read = python_function_lengths if path.endswith(".py") else cpp_function_lengths
        for number, (name, length) in enumerate(read(text)):
            found[f"{path}: function {number}, {name}"] = length
    return found


def functions_too_long(files: Sources) -> list[str]:
    """The functions with more lines than allowed, and the shares of long ones if too large."""
    lengths = all_function_lengths(files)
    ascending = sorted(lengths.values())
    found = [f"{name} has {length} lines" for name, length in lengths.items() if length > LONGEST]
    for share, most in ((0.5, MEDIAN), (0.9, NINE_IN_TEN)):
        if (length := ascending[math.ceil(share * len(ascending)) - 1]) > most:
            found.append(f"{share:.0%} of the functions have up to {length} lines")
    return found


@pytest.mark.parametrize(
    ("roots", "suffixes"),
    [(["python"], (".py",)), (["cpp", "include"], CPP)],
    ids=["Python", "C++"],
)
def test_functions_are_short(roots: list[str], suffixes: tuple[str, ...]) -> None:
    assert functions_too_long(sources(*roots, suffixes=suffixes)) == []


def python_function(lines: int) -> str:
    return 'def function():\n    """Docstring."""\n\n    # A comment.\n' + "    step()\n" * lines


def cpp_function(lines: int) -> str:
    return "void function() {\n  // A comment.\n\n" + "  step();\n" * lines + "}\n"


@pytest.mark.parametrize(
    ("path", "function"),
    [("a.py", python_function), ("a.cpp", cpp_function)],
    ids=["Python", "C++"],
)
def test_functions_that_are_too_long_are_found(path: str, function: Callable[[int], str]) -> None:
    def found(*lengths: int) -> list[str]:
        return functions_too_long({path: "\n".join(map(function, lengths))})

    assert found(1, 6, 6, 7, 45, *[6] * 5, *[20] * 4, *[3] * 40) == []
    (too_long,) = found(46, *[3] * 40)
    assert too_long.endswith(("function has 46 lines", "function() has 46 lines"))
    assert found(1, 7, 7) == ["50% of the functions have up to 7 lines"]
    assert found(*[3] * 8, 21, 21) == ["90% of the functions have up to 21 lines"]


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
    assert [length for _, length in cpp_function_lengths(source)] == lengths


def test_a_cpp_function_without_an_end_is_an_error() -> None:
    with pytest.raises(ValueError, match="not in list"):
        cpp_function_lengths("void a() {\n  b();\n")
