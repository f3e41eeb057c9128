"""The command line: `glassheap`, or `python -m glassheap`.

    base.py             exit statuses; errors as sentences
    information.py      --version, --cmakedir, --pkgconfigdir, --includes
    values.py           values of arguments: bytes, columns, seconds
    image_arguments.py  the arguments and the errors that fsck and inspect share
    trace_files.py      opening a trace, and its errors, for all commands that read one
    output.py           standard output, and its errors
    terminating.py      Ctrl-C and SIGTERM
    every other file    one command: NAME, HELP, add_arguments, run

To add a command, write its module and add the module's name to COMMANDS. All command modules are
imported to build the parser, so each imports its heavy dependencies in `run`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, cast

from glassheap.cli.base import DONE, FAILED, Command, Parser, handle_errors
from glassheap.cli.information import add_options, is_requested, print_info
from glassheap.ostep.options import joined

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

COMMANDS = (
    "demo",
    "replay",
    "fit",
    "why",
    "diff",
    "sweep",
    "record",
    "grade",
    "info",
    "convert",
    "policies",
    "fsck",
    "inspect",
    "clean",
    "ostep",
)
"""The modules of the commands, in the order of the help."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (by default the process's arguments) and return the exit status."""
    return handle_errors(lambda: run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Parse the arguments and run the command they name."""
    commands = load_commands()
    parser, parsers = build_parser(commands.values())
    try:
        chosen, unknown = parser.parse_known_args(words_of(arguments))
        if unknown:  # the command's own parser knows which options there are
            named = parsers.get(chosen.command, parser)
            named.error(f"unrecognized arguments: {' '.join(unknown)}")
    except SystemExit as end:  # help or a complaint was printed; the caller flushes it
        return end.code if isinstance(end.code, int) else FAILED
    return run_chosen(chosen, parser, commands)


def words_of(arguments: Sequence[str]) -> Sequence[str]:
    """The arguments, with the lists of the homework in one word each."""
    return joined(arguments) if [*arguments[:1]] == ["ostep"] else arguments


def run_chosen(chosen: argparse.Namespace, parser: Parser, commands: dict[str, Command]) -> int:
    """Print the requested information, run the chosen command, or else print the help."""
    if is_requested(chosen):
        return print_info(chosen)
    if chosen.command is None:
        parser.print_help()
        return DONE
    return commands[chosen.command].run(chosen)


def load_commands() -> dict[str, Command]:
    """The command modules by the names of their commands."""
    modules = [cast("Command", import_module(f"{__name__}.{name}")) for name in COMMANDS]
    return {module.NAME: module for module in modules}


def build_parser(commands: Iterable[Command]) -> tuple[Parser, dict[str, Parser]]:
    """The parser of all arguments, with their help, and those of the commands by their names."""
    parser = Parser(prog="glassheap", description="A real heap in a glass box.")
    add_options(parser)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    parsers = {}
    for command in commands:
        parsers[command.NAME] = subparsers.add_parser(command.NAME, help=command.HELP)
        command.add_arguments(parsers[command.NAME])
    return parser, parsers
