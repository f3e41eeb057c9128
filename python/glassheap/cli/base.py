"""The base of every command: its interface, its exit statuses, its errors.

    exit status   0    success
                  1    the output could not be written, the heap was found corrupt, or the trace
                       freed memory that it did not hold (the figures are printed all the same);
                       sweep: it ended early;
                       fsck: the image is bad
                  2    a mistake in the arguments or in the file
                  3    replay --size: allocations failed; fit: a policy has no region for the trace
                       (the figures are printed all the same)
                  4    why: the replay is not what the recorded heap did (the figures are printed
                       all the same)
                  130  Ctrl-C
                  143  SIGTERM, which ends a command as Ctrl-C does: nothing is left behind; of
                       several signals, the first one ends the command, and the others do nothing
                  141  the reader of the output closed it (`| head`); nothing is printed

An error is one sentence on stderr that begins with "glassheap:", never a traceback.
"""

from __future__ import annotations

import argparse
import errno
import os
import re
import signal
import sys
from typing import TYPE_CHECKING, NoReturn, Protocol

from glassheap.cli.output import Output
from glassheap.cli.terminating import Interruptions
from glassheap.errors import HeapError
from glassheap.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from _typeshed import SupportsWrite

DONE, FAILED, MISTAKE, TOO_SMALL, CONTRADICTED = range(5)
INTERRUPTED, PIPE_CLOSED, TERMINATED = 130, 141, 143

SILENT = {"record"}
"""The commands that print nothing on stdout, so that they run without one."""


class Command(Protocol):
    """The module of a command."""

    NAME: str
    """The command's name on the command line."""
    HELP: str
    """Its line in the list of commands."""

    def add_arguments(self, parser: argparse.ArgumentParser, /) -> None:
        """Add the command's arguments and its description to its parser."""

    def run(self, arguments: argparse.Namespace, /) -> int:
        """Run the command and return the exit status."""
        ...


class MistakeError(Exception):
    """A mistake of the user; the message is the sentence to print."""


class OutputClosedError(Exception):
    """There is no standard output to print on."""


class Parser(argparse.ArgumentParser):
    """An argument parser that reports a mistake in one sentence."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str], namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse; raises `OutputClosedError` if a command that prints has no standard output."""
        command = [*self.prog.split()[1:], *args][:1]
        if SILENT.isdisjoint(command):
            check_output()
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Print the sentence and exit with status 2."""
        guess = did_you_mean(*self._names(message))
        print_error(f"{message}{guess} (see {self.prog} --help)", MISTAKE)
        self.exit(MISTAKE)

    def _names(self, message: str) -> tuple[str, list[str]]:
        """The unknown name in argparse's message, and the known ones."""
        if choice := re.search(r"invalid choice: '(.*)' \(choose from (.*)\)", message):
            return choice[1], re.findall(r"[\w+-]+", choice[2])
        if option := re.search(r"unrecognized arguments: (--[\w-]+)", message):
            return option[1], re.findall(r"--[\w-]+", self.format_help())
        return "", []

    def print_help(self, file: SupportsWrite[str] | None = None) -> None:
        """Print the help; raise `OSError` if that fails, which argparse would ignore."""
        if file is None:
            check_output()
        print(self.format_help(), end="", file=file)


def check_output() -> None:
    """Raise `OutputClosedError` if there is no standard output: print() would do nothing."""
    if sys.stdout is None:
        raise OutputClosedError


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """The end of a sentence about an unknown name: the nearest of the known ones, or nothing."""
    from difflib import get_close_matches  # slow to import, and needed after a mistake only

    near = get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def handle_errors(command: Callable[[], int]) -> int:
    """Run a command, flush its output, and return the exit status.

    An error of the command or of its output becomes a sentence and a status.
    """
    with Output() as output, Interruptions() as interruptions:
        try:
            interruptions.begin()
            status = status_of(command, output)
            interruptions.end()
        except KeyboardInterrupt:
            status = print_error("interrupted", INTERRUPTED)
    by_sigterm = interruptions.first == signal.SIGTERM and status == INTERRUPTED
    return TERMINATED if by_sigterm else status


def status_of(command: Callable[[], int], output: Output) -> int:
    """Run a command, flush its output, and return the exit status, also of its errors."""
    try:
        status = command()
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except OutputClosedError:
        return print_error("cannot write the output: standard output is closed", FAILED)
    except MistakeError as mistake:
        return print_error(str(mistake), MISTAKE)
    except HeapError as error:
        return print_error(str(error), FAILED)
    except OSError as error:
        return status_of_system_error(error, output)


def status_of_system_error(error: OSError, output: Output) -> int:
    """Print an error of the system, unless the reader of the output has closed it."""
    if output.error is not None:
        output.discard()
    if error is not output.error:
        return print_error(sentence_of(error), FAILED)
    if isinstance(error, BrokenPipeError):
        return PIPE_CLOSED
    return print_error(f"cannot write the output: {error.strerror or error}", FAILED)


def sentence_of(error: OSError) -> str:
    """What the system has refused, and what may help."""
    told = error.strerror or str(error)
    if error.filename is not None:
        return f"{error.filename}: {told}"
    if not has_directory():
        return "the current directory was removed; expected to be started in one that exists"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"cannot write a temporary file: {told}; the variable TMPDIR can name another folder"
    return f"the system refused what the command needs: {told}"


def has_directory() -> bool:
    """True unless the current directory was removed."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True


def print_error(sentence: str, status: int) -> int:
    """Print one sentence on stderr, without control characters, and return `status`."""
    if sys.stderr is not None:  # with None, print() would write to stdout
        print(f"glassheap: {printable(sentence)}", file=sys.stderr)
    return status


def print_json(figures: object) -> None:
    """Print figures on stdout as JSON."""
    import json

    print(json.dumps(figures, indent=2))
