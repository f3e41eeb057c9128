"""`glassheap demo`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glassheap.cli.values import columns

if TYPE_CHECKING:
    import argparse

NAME = "demo"
HELP = "a guided tour of one page of memory"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the tour."""
    parser.description = "Walk through malloc and free in one page, step by step, with a map."
    parser.add_argument("--pause", action="store_true", help="wait for Enter after every step")
    parser.add_argument("--width", type=columns, metavar="COLUMNS", help="width of the map")


def run(arguments: argparse.Namespace) -> int:
    """Play the tour."""
    from glassheap import demo

    return demo.run(pause=arguments.pause, width=arguments.width)
