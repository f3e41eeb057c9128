"""Writes the docstrings of the compiled module into its stub, where editors look for them.

    python tests/python/stub_docstrings.py

The package must be installed as it is in the source tree. test_help.py compares the two.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from pathlib import Path
from types import WrapperDescriptorType
from typing import TYPE_CHECKING, TypeAlias

from glassheap import _core

if TYPE_CHECKING:
    from collections.abc import Iterator

STUB = Path(__file__).resolve().parents[2] / "python" / "glassheap" / "_core.pyi"
Definition: TypeAlias = ast.ClassDef | ast.FunctionDef


def definitions(stub: str) -> Iterator[tuple[Definition, object]]:
    """The classes, methods and functions of the stub, each with what has its name at run time."""
    for node in ast.parse(stub).body:
        if isinstance(node, Definition) and (found := vars(_core).get(node.name)) is not None:
            yield node, found
            for member in node.body if isinstance(node, ast.ClassDef) else []:
                if isinstance(member, ast.FunctionDef):
                    yield member, vars(found).get(member.name)


def docstring(found: object) -> str:
    """Empty if it has none of its own; the special methods of the language have none."""
    found = getattr(found, "__func__", found)  # a static method
    if isinstance(found, WrapperDescriptorType):
        return ""
    return inspect.cleandoc(getattr(found, "__doc__", None) or "")


def literal(text: str, column: int) -> str:
    """The docstring as source, the quotes in that column."""
    closing = '"""' if "\n" not in text else '\n"""'
    return textwrap.indent(f'"""{text}{closing}', " " * column)


def with_docstrings(stub: str) -> str:
    """The stub with the docstrings of the installed package in the place of its own."""
    lines = stub.splitlines()
    for node, found in reversed(list(definitions(stub))):
        text, first = docstring(found), node.body[0]
        if isinstance(node, ast.ClassDef):
            end = first.end_lineno if ast.get_docstring(node) else node.lineno
            lines[node.lineno : end] = [literal(text, node.col_offset + 4)]
        else:
            head = first.lineno if lines[first.lineno - 1].endswith(": ...") else first.lineno - 1
            lines[head : node.end_lineno] = [literal(text, node.col_offset + 4)] if text else []
            lines[head - 1] = lines[head - 1].removesuffix(" ...") + ("" if text else " ...")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    STUB.write_text(with_docstrings(STUB.read_text(encoding="utf-8")), encoding="utf-8")
