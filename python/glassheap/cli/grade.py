"""`glassheap grade`: a student's malloc on recorded traces, in a table."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError
from contextlib import closing
from typing import TYPE_CHECKING

from glassheap.cli.base import DONE, FAILED, MistakeError, print_json
from glassheap.cli.trace_files import read_trace
from glassheap.cli.values import byte_count, is_number, seconds

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from glassheap.grading import Grade
    from glassheap.traces import Trace

NAME = "grade"
HELP = "check and time a student's malloc"

LARGEST_ALIGNMENT = 4096
SMALLEST_MEMORY = 2**28
"""A child has Python in it, which takes some of this."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the grading."""
    parser.description = (
        "Play traces on the malloc, free and realloc of a shared library, each in a child process; "
        "check the alignment, the place and the contents of every block; and measure utilisation "
        "and throughput. The exit status is 1 if the library broke a rule; what a trace itself "
        "misuses is noted, and is not played. The child is no sandbox: the library has your rights."
    )
    add = parser.add_argument
    add("library", metavar="LIBRARY", help="the shared library (cc -shared -fPIC)")
    add("traces", metavar="TRACE", nargs="+", help="a trace, as for glassheap replay")
    add_name_arguments(parser)
    add_limit_arguments(parser)
    weight = "weight of the utilisation in the score, 0 to 1 (default: 0.6)"
    add("--weight", type=share, default=0.6, metavar="W", help=weight)
    reference = "operations a second for the full score (default: libc's, measured)"
    add("--reference", type=count, metavar="OPS", help=reference)
    add("--no-rules", action="store_true", help="do not try free(NULL), realloc(p, 0) and the like")
    add("--json", action="store_true", help="print the figures as JSON")


def add_name_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the names of the library's functions."""
    add = parser.add_argument
    malloc = "name of malloc (default: my_malloc, mm_malloc or malloc)"
    add("--malloc", metavar="NAME", help=malloc)
    add("--free", metavar="NAME", help="name of free (default: as that of malloc)")
    add("--realloc", metavar="NAME", help="name of realloc (default: as that of malloc)")
    start = "a function to call before each trace; may be repeated"
    add("--init", metavar="NAME", action="append", default=[], help=start)
    region = (
        "functions that return the heap's first and last byte (default: mem_heap_lo,mem_heap_hi, "
        "if the library has them)"
    )
    add("--region", type=two_names, metavar="LOW,HIGH", help=region)


def add_limit_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is required of the library, and the limits of a child."""
    add = parser.add_argument
    align = "alignment that every payload must have (default: 16)"
    add("--align", type=alignment, default=16, metavar="BYTES", help=align)
    heap = "size of the library's heap: more than that may be refused"
    add("--heap", type=byte_count, metavar="BYTES", help=heap)
    memory = "address space of a child (default: 4G)"
    add("--memory", type=memory_limit, default=2**32, metavar="BYTES", help=memory)
    timeout = "time limit of a child (default: 10)"
    add("--timeout", type=time_limit, default=10.0, metavar="SECONDS", help=timeout)


# --- Values ---------------------------------------------------------------------------------------
def two_names(text: str) -> tuple[str, str]:
    """The names of two functions."""
    low, comma, high = text.partition(",")
    if not (low and comma and high) or "," in high:
        raise ArgumentTypeError(f"'{text}' is no region; expected two names, as in LOW,HIGH")
    return low, high


def alignment(text: str) -> int:
    """A power of two."""
    align = int(text) if is_number(text) else 0
    if not 1 <= align <= LARGEST_ALIGNMENT or align & (align - 1):
        expected = f"a power of two from 1 to {LARGEST_ALIGNMENT}"
        raise ArgumentTypeError(f"'{text}' is no alignment; expected {expected}")
    return align


def memory_limit(text: str) -> int:
    """A number of bytes in which Python has room."""
    memory = byte_count(text)
    if not SMALLEST_MEMORY <= memory < 2**63:
        raise ArgumentTypeError(f"'{text}' is too little or too much memory; expected 256M or more")
    return memory


def time_limit(text: str) -> float:
    """A time that is not 0."""
    limit = seconds(text)
    if not limit:
        raise ArgumentTypeError(f"'{text}' is no time limit; expected more than 0 seconds")
    return limit


def share(text: str) -> float:
    """A number from 0 to 1."""
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 <= number <= 1:
        raise ArgumentTypeError(f"'{text}' is no weight; expected a number from 0 to 1")
    return abs(number)  # -0 is 0


def count(text: str) -> int:
    """A number of at least 1."""
    if not (is_number(text) and int(text)):
        raise ArgumentTypeError(f"'{text}' is no speed; expected a number of operations a second")
    return int(text)


# --- The command ----------------------------------------------------------------------------------
def run(arguments: argparse.Namespace) -> int:
    """Grade the library; the status is 1 if it broke a rule."""
    require_file(arguments.library)
    result = grade_library(arguments)
    if arguments.json:
        print_json(result.as_dict())
    else:
        from glassheap import terminal
        from glassheap.grading.table import lines

        terminal.write(lines(result), sys.stdout)
    return FAILED if result.breaches else DONE


def grade_library(arguments: argparse.Namespace) -> Grade:
    """The grade. Raises `MistakeError` if the library cannot be graded, or a trace not be read."""
    from glassheap.grading import LibraryError, Names, grade
    from glassheap.progress import Bar

    traces = [read_trace(file) for file in arguments.traces]
    print_notes(traces)
    names = Names(
        arguments.malloc, arguments.free, arguments.realloc, tuple(arguments.init), arguments.region
    )
    with closing(Bar("grading")) as bar:
        try:
            return grade(
                arguments.library,
                traces,
                names=names,
                align=arguments.align,
                heap=arguments.heap,
                memory=arguments.memory,
                timeout=arguments.timeout,
                weight=arguments.weight,
                reference=arguments.reference,
                rules=not arguments.no_rules,
                progress=bar,
            )
        except LibraryError as error:
            raise MistakeError(str(error)) from None


def print_notes(traces: Sequence[Trace]) -> None:
    """Print on stderr what was skipped of the traces."""
    from glassheap.terminal import printable

    lines = [f"{trace.name}: {note}" for trace in traces for note in trace.skipped]
    if sys.stderr is not None:  # with None, print() would write to stdout
        print("".join(f"{printable(line)}\n" for line in lines), end="", file=sys.stderr)


def require_file(path: str) -> None:
    """Raise `MistakeError` if there is no such file."""
    try:
        with open(path, "rb") as file:
            file.read(1)
    except OSError as error:
        raise MistakeError(f"cannot read {path}: {error.strerror or error}") from None
    except ValueError as error:  # a zero byte in the name
        raise MistakeError(f"cannot read {path!r}: {error}") from None
