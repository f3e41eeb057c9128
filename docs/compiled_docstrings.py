"""Completes the reference with the docstrings of the compiled module, which its stub does not have.

An extension of Griffe, which reads the sources for mkdocstrings. The package must be installed.
"""

from __future__ import annotations

import inspect
import re

import griffe

import glassheap


class CompiledDocstrings(griffe.Extension):
    """Gives each class and method of the stub the docstring that it has at run time."""

    def on_class(self, *, cls: griffe.Class, **_: object) -> None:
        """Look up the class in the package, and its members in the class."""
        compiled = getattr(glassheap, cls.name, None)
        if cls.module.name != "_core" or compiled is None:
            return
        complete(cls, compiled)
        for name, member in cls.members.items():
            if not member.is_alias:
                complete(member, getattr(compiled, name, None))

    def on_function(self, *, func: griffe.Function, **_: object) -> None:
        """Look up the functions of the module, such as policies()."""
        if func.path.startswith("glassheap._core.") and func.parent is func.module:
            complete(func, getattr(glassheap, func.name, None))


def complete(described: griffe.Object | griffe.Alias, compiled: object) -> None:
    """Take the docstring, without a signature in front, unless there is one already."""
    text = inspect.cleandoc(getattr(compiled, "__doc__", None) or "")
    text = re.sub(r"\A\w+\(.*\n*", "", text).strip()
    if text and described.docstring is None:
        # The options of a heap are **options, and so have no types.
        options = {"warn_unknown_params": False, "warn_missing_types": False}
        described.docstring = griffe.Docstring(
            text, parent=described, parser="google", parser_options=options
        )
