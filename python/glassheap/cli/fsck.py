"""`glassheap fsck`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glassheap.cli.base import DONE, FAILED, print_json
from glassheap.cli.image_arguments import add_shared_arguments, image_errors

if TYPE_CHECKING:
    import argparse

NAME = "fsck"
HELP = "check the file of a shared heap, or mend it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the check."""
    parser.description = (
        "Check the file of a shared heap. A copy is checked: only --rebuild changes FILE. The exit "
        "status is 1 if the image is bad."
    )
    parser.add_argument("file", metavar="FILE", help="the file")
    parser.add_argument(
        "--rebuild", action="store_true", help="mend FILE, and keep the original in FILE.bak"
    )
    add_shared_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the verdict on the image; the status is 1 if it is bad."""
    from glassheap.images import fsck

    with image_errors(arguments.file):
        verdict = fsck.check(arguments.file, arguments.timeout, rebuild=arguments.rebuild)
    if arguments.json:
        print_json(verdict.as_dict())
    else:
        print("\n".join(verdict.lines()))
    return DONE if verdict.clean else FAILED
