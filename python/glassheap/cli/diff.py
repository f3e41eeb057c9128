"""`glassheap diff`: where two policies, or two recorded programs, part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glassheap.cli.base import MistakeError, print_json
from glassheap.cli.replay import add_layout_arguments, layout, progress_bar
from glassheap.cli.trace_files import FORMATS, read_trace, report_misuse
from glassheap.cli.values import byte_count
from glassheap.cli.why import one_policy

if TYPE_CHECKING:
    import argparse

NAME = "diff"
HELP = "where two policies or two recorded programs part"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "Replay a trace with two policies in step, or two traces, and print the first operation "
        f"at which they part, and why. {FORMATS} The exit status is 0 whether they part or not, "
        "and 1 if a trace misuses its memory."
    )
    add = parser.add_argument
    add("file", metavar="A", help="the trace; - reads standard input")
    add("other", metavar="B", nargs="?", help="another trace (default: A again)")
    policy = "the placement policy; given twice: of A and of B (default: first_fit)"
    add("--policy", type=one_policy, action="append", metavar="NAME", help=policy)
    size = "size of each region (64K, 1M; default: grown until both fit)"
    add("--size", type=byte_count, metavar="BYTES", help=size)
    add_layout_arguments(parser)
    add("--json", action="store_true", help="print the answer as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print where they part; the status is 1 if a trace misused its memory."""
    from glassheap.replay import diff, diff_lines

    first, second = two_policies(arguments)
    trace = read_trace(arguments.file)
    other = trace if arguments.other is None else read_trace(arguments.other)
    options = {**layout(arguments), "policies": (first, second)}
    with progress_bar("comparing", trace) as bar:
        found = diff(trace, other, arguments.size, **options, progress=bar)
    if arguments.json:
        print_json(found.as_dict())
    else:
        print("\n".join(diff_lines(found)))
    both = [trace] if other is trace else [trace, other]
    return max(report_misuse(one.name, one.skipped) for one in both)


def two_policies(arguments: argparse.Namespace) -> tuple[str, str]:
    """The policies of A and of B. Raises `MistakeError` if there is nothing to compare."""
    named = arguments.policy or ["first_fit"]
    if len(named) > 2:
        raise MistakeError(f"expected at most two policies, not {len(named)}: those of A and of B")
    if len(named) == 1 and arguments.other is None:
        raise MistakeError("expected two traces, or --policy twice: there is nothing to compare")
    if arguments.file == arguments.other == "-":
        raise MistakeError("standard input can be read once: expected a file for A or B")
    return named[0], named[-1]
