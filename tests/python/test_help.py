"""Help where people look: signatures, help(), and the docstrings that editors read.

stubtest compares every signature with that of the stub: names, defaults and options.
"""

from __future__ import annotations

import inspect
import pydoc
from types import WrapperDescriptorType
from typing import Any

import pytest

import glassheap
from glassheap import Block, Heap, SharedHeap, _core
from stub_docstrings import STUB, docstring, with_docstrings

CLASSES: list[Any] = [Heap, SharedHeap, Block, _core.Player]
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
