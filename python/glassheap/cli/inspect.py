"""`glassheap inspect`."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from glassheap.cli.base import DONE, print_json
from glassheap.cli.image_arguments import add_shared_arguments, image_errors
from glassheap.cli.values import columns

if TYPE_CHECKING:
    import argparse

NAME = "inspect"
HELP = "see a shared heap while others use it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the inspection."""
    parser.description = (
        "Show a shared heap at one moment, while other processes use it: the map, the statistics, "
        "and the live blocks by the process that allocated them. A block is a leak if that process "
        "is dead and no process holds the block. Without NAME or FILE, list the heaps in shared "
        "memory: size, policy, age, and the processes that use them."
    )
    parser.add_argument(
        "name", nargs="?", metavar="NAME|FILE", help="its name in shared memory, or its file"
    )
    parser.add_argument("--width", type=columns, metavar="COLUMNS", help="width of the map")
    add_shared_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the map and the figures of the heap at one moment, or list the heaps."""
    return list_segments(arguments) if arguments.name is None else show(arguments)


def list_segments(arguments: argparse.Namespace) -> int:
    """Print the heaps in shared memory, one a line."""
    from glassheap.images.segments import segments

    if arguments.json:
        print_json([segment.figures() for segment in segments()])
    else:
        for segment in segments():
            print(segment.line())
    return DONE


def show(arguments: argparse.Namespace) -> int:
    """Print the map and the figures of one heap."""
    from glassheap.images import inspecting

    with image_errors(arguments.name):
        inspection = inspecting.inspect(arguments.name, arguments.timeout)
    with closing(inspection.heap) as heap:
        if arguments.json:
            print_json(inspection.figures())
        else:
            heap.show(width=arguments.width)
            print("", *inspection.lines(), sep="\n")
    return DONE
