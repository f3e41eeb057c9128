"""`glassheap policies`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glassheap.cli.base import DONE

if TYPE_CHECKING:
    import argparse

NAME = "policies"
HELP = "the placement policies"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command; it has no arguments."""
    parser.description = "Print each placement policy: the block it picks, its cost, its source."


def run(_: argparse.Namespace) -> int:
    """Print three lines for each policy."""
    from glassheap import policies

    for policy in policies():
        print(f"{policy.name:<16}{policy.summary}")
        print(f"{'':<16}{policy.cost}")
        print(f"{'':<16}{policy.source}")
    return DONE
