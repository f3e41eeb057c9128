"""`glassheap info`: what is in a trace."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from glassheap.cli.base import print_json
from glassheap.cli.trace_files import FORMATS, open_trace, report_misuse

if TYPE_CHECKING:
    import argparse

    from glassheap.traces.summary import Summary

NAME = "info"
HELP = "sizes, lifetimes, peak and leaks of a recorded program"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "Print what is in a trace of allocations: its format, operations, sizes, lifetimes, peak, "
        f"the blocks that are never freed, and what was skipped and why. {FORMATS} The exit status "
        "is 1 if the trace misuses its memory."
    )
    parser.add_argument("file", metavar="FILE", help="the trace; - reads standard input")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the figures; the status is 1 if the trace misused its memory."""
    from glassheap.traces.summary import Summary

    with open_trace(arguments.file) as stream:
        summary = Summary.of(stream)
    if arguments.json:
        print_json(summary.as_dict())
    else:
        print_figures(summary)
    return report_misuse(summary.name, summary.skipped)


def print_figures(summary: Summary) -> None:
    """Print the figures and the histograms on stdout."""
    from glassheap import terminal
    from glassheap.traces.wording import INK, PLAIN_INK, lines

    ink = INK if terminal.can_show(sys.stdout, INK) else PLAIN_INK
    terminal.write(lines(summary, terminal.columns(sys.stdout), ink), sys.stdout)
