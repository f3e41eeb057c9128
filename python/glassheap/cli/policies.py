"""`glassheap policies`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glassheap.cli.base import DONE, print_json

if TYPE_CHECKING:
    import argparse

NAME = "policies"
HELP = "the placement policies"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the argument of the list."""
    parser.description = "Print each placement policy: the block it picks, its cost, its source."
    parser.add_argument("--json", action="store_true", help="print the list as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print three lines for each policy, or the list as JSON."""
    from glassheap import policies

    if arguments.json:
        print_json([policy._asdict() for policy in policies()])
        return DONE
    for policy in policies():
        print(f"{policy.name:<16}{policy.summary}")
        print(f"{'':<16}{policy.cost}")
        print(f"{'':<16}{policy.source}")
    return DONE
