"""Attacks on shared heaps that take minutes: programs to run by hand, not tests.

    tests/run -s attack -- images --count 100000
    tests/run -s attack -- kills --seconds 600 --processes 300

Each command is a module of this folder, with NAME, HELP, add_arguments(parser) and run(arguments),
which prints figures and returns the exit status: 0 if the heap withstood.
"""

from __future__ import annotations

import argparse
import sys

import images
import kills

COMMANDS = (images, kills)


def main() -> int:
    """Run one attack; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(required=True, metavar="ATTACK")
    for command in COMMANDS:
        command_parser = commands.add_parser(command.NAME, help=command.HELP)
        command.add_arguments(command_parser)
        command_parser.set_defaults(run=command.run)
    arguments = parser.parse_args()
    status: int = arguments.run(arguments)
    return status


if __name__ == "__main__":
    sys.exit(main())
