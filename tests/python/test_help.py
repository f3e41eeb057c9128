"""Help where people look: signatures, help(), and the docstrings that editors read."""

from __future__ import annotations

import ast
import inspect
import pydoc
from types import WrapperDescriptorType
from typing import Any

import pytest

import glassheap
from glassheap import Block, Heap, SharedHeap, _core
from stub_docstrings import STUB, docstring, with_docstrings

CLASSES: list[Any] = [Heap, SharedHeap, Block, _core.Player]
TREE = ast.parse(STUB.read_text(encoding="utf-8"))
BODIES = {node.name: node.body for node in TREE.body if isinstance(node, ast.ClassDef)}
STUBS = {
    f"{scope}.{node.name}": node
    for scope, body in {"": TREE.body, **BODIES}.items()
    for node in body
    if isinstance(node, ast.FunctionDef)
}
CALLABLES = {
    f"{cls.__name__}.{name}": getattr(cls, name)
    for cls in CLASSES
    for name, member in vars(cls).items()
    if callable(member) and not isinstance(member, WrapperDescriptorType)  # the language's own
}
CALLABLES |= {f"{cls.__name__}.__init__": cls for cls in CLASSES if cls is not Block}
CALLABLES[".policies"] = glassheap.policies
HEAP: Any = Heap()
SHOWN = [glassheap, Heap, SharedHeap, Block, glassheap.policies, HEAP.reset, HEAP.array, Heap.size]


def test_the_docstrings_of_the_stub_are_those_of_the_code() -> None:
    text = STUB.read_text(encoding="utf-8")
    assert with_docstrings(text) == text, "type: python tests/python/stub_docstrings.py"


def fields(name: str) -> list[str]:
    """The keys of a TypedDict of the stub, those that it inherits first."""
    (node,) = (one for one in TREE.body if isinstance(one, ast.ClassDef) and one.name == name)
    bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
    inherited = [key for base in bases if base in BODIES for key in fields(base)]
    return inherited + [
        ast.unparse(one.target) for one in node.body if isinstance(one, ast.AnnAssign)
    ]


def of_stub(node: ast.FunctionDef) -> dict[str, object]:
    """The names of the parameters, with their defaults as source."""
    given = node.args
    named = [*given.posonlyargs, *given.args]
    places = [None] * (len(named) - len(given.defaults)) + [*given.defaults, *given.kw_defaults]
    pairs = zip([*named, *given.kwonlyargs], places, strict=True)
    found: dict[str, object] = {one.arg: default and ast.unparse(default) for one, default in pairs}
    if given.kwarg and isinstance(unpacked := given.kwarg.annotation, ast.Subscript):
        found |= dict.fromkeys(fields(ast.unparse(unpacked.slice)), "...")
    found.pop("self", None)
    return found


@pytest.mark.parametrize("name", STUBS.keys() & CALLABLES.keys())
def test_a_signature_is_readable_and_that_of_the_stub(name: str) -> None:
    expected = of_stub(STUBS[name])
    if name == "SharedHeap.create":  # written in Python, and so with **options
        expected = {one: default for one, default in expected.items() if default != "..."}
    real = dict(inspect.signature(CALLABLES[name]).parameters)
    variable = {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}
    found = {one.name: one.default for one in real.values() if one.kind not in variable}
    found.pop("self", None)
    assert found.keys() == expected.keys()
    for one, default in expected.items():
        shown = None if found[one] is inspect.Parameter.empty else repr(found[one])
        assert default in ("...", shown), one


@pytest.mark.parametrize("name", CALLABLES)
def test_a_callable_has_a_signature_and_a_first_sentence(name: str) -> None:
    inspect.signature(CALLABLES[name])
    first = docstring(CALLABLES[name]).splitlines()[0]
    assert first.endswith(".")
    assert first[0].isupper()


@pytest.mark.parametrize("shown", SHOWN, ids=str)
def test_help_names_nothing_private_and_no_tool(shown: object) -> None:
    text = pydoc.plain(pydoc.render_doc(shown))
    for noise in ("pybind11", "glassheap._core", "glassheap.methods", "SupportsInt", "arg0"):
        assert noise not in text, noise
    if inspect.isclass(shown):
        assert text.splitlines()[0].endswith(f"class {shown.__name__} in module glassheap")
        assert "(...)" not in text
        assert "__new__" not in text


def test_help_of_the_package_has_every_public_class() -> None:
    text = pydoc.plain(pydoc.render_doc(glassheap))
    for name in glassheap.__all__:
        assert name == "__version__" or name in text
    assert set(glassheap.__all__) <= set(dir(glassheap))


@pytest.mark.parametrize("cls", [Heap, SharedHeap, Block])
def test_a_class_is_plain(cls: type) -> None:
    """Neither its base nor its metaclass is a tool's."""
    assert (cls.__module__, type(cls)) == ("glassheap", type)
    assert cls.__mro__[-1] is object
    assert {base.__module__ for base in cls.__mro__[:-1]} == {"glassheap"}
