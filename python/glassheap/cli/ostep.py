"""`glassheap ostep`. Its many arguments are defined in `glassheap.ostep.options`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glassheap.ostep.options import add_arguments

if TYPE_CHECKING:
    import argparse

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "ostep"
HELP = "the free-space homework of OSTEP"


def run(arguments: argparse.Namespace) -> int:
    """Play the homework's operations."""
    from glassheap.ostep import program

    return program.run(arguments)
