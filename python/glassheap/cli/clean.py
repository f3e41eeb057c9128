"""`glassheap clean`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glassheap.cli.base import DONE

if TYPE_CHECKING:
    import argparse

NAME = "clean"
HELP = "remove the shared memory of processes that are gone"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the removal."""
    parser.description = (
        "Remove each segment of shared memory whose heap no living process has attached to, and "
        "print its name. Files at a path are not touched. The blocks in a removed segment are lost."
        " Lock files that killed processes left there are removed too."
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="only segments of these names (default: all)"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print the segments, and remove nothing"
    )


def run(arguments: argparse.Namespace) -> int:
    """Remove the segments and print them."""
    from glassheap.images.segments import clean

    done = "would remove" if arguments.dry_run else "removed"
    for segment in clean(arguments.names or None, dry_run=arguments.dry_run):
        print(f"{done} {segment.line()}")
    return DONE
