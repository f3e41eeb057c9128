"""`glassheap fit`: the smallest region that serves a trace, for each policy and layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glassheap.cli.base import DONE, TOO_SMALL, print_json
from glassheap.cli.replay import ALL, policy_name, progress_bar
from glassheap.cli.trace_files import FORMATS, read_trace, report_misuse
from glassheap.cli.values import byte_count

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from glassheap.replay import Fit, Setup
    from glassheap.traces import Trace

NAME = "fit"
HELP = "the smallest region that serves a recorded program"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "Print the smallest region in which every operation of a trace succeeds, for each policy "
        "and layout, and what fills it at the peak: bytes asked for, headers, rounding and "
        f"fragmentation. {FORMATS} The exit status is 1 if the trace misuses its memory, 3 if a "
        "policy has no region for it."
    )
    add = parser.add_argument
    add("file", metavar="FILE", help="the trace; - reads standard input")
    policy = "a placement policy; may be given more than once (default: all)"
    add("--policy", type=policy_name, action="append", metavar="NAME", help=policy)
    add_layout_arguments(parser)
    add("--exact", action="store_true", help="try every size, however long it takes")
    add("--json", action="store_true", help="print the figures as JSON")


def add_layout_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --headers, --no-headers and --granule, which exclude each other."""
    add = parser.add_mutually_exclusive_group().add_argument
    add("--headers", action="store_true", help="heaps with headers alone (default: both)")
    add("--no-headers", action="store_true", help="heaps without headers alone")
    granule = "offset heaps alone: blocks in whole multiples of so many bytes (4K), without headers"
    add("--granule", type=byte_count, metavar="BYTES", help=granule)


def run(arguments: argparse.Namespace) -> int:
    """Print the fits; 1 is for a trace that misuses its memory, 3 for no region."""
    from glassheap.replay import fit_all, tried

    setups = [*layouts(arguments)]
    trace = tried(read_trace(arguments.file), setups[0].largest())
    named = arguments.policy or [ALL]
    names = None if ALL in named else list(dict.fromkeys(named))
    with progress_bar("fitting", trace) as bar:
        fits = list(fit_all(trace, names, setups, exact=arguments.exact, progress=bar))
    print_fits(trace, fits, as_json=arguments.json)
    return report_misuse(trace.name, trace.skipped) or status_of(fits)


def layouts(arguments: argparse.Namespace) -> Iterator[Setup]:
    """The layouts that were asked for; by default with headers and without."""
    from glassheap.replay import Setup

    if arguments.granule is not None:
        yield Setup(headers=False, granule=arguments.granule)
        return
    if not arguments.no_headers:
        yield Setup()
    if not arguments.headers:
        yield Setup(headers=False)


def print_fits(trace: Trace, fits: list[Fit], *, as_json: bool) -> None:
    """Print the fits on stdout, as a table or as JSON."""
    from glassheap.replay import fit_table

    if as_json:
        print_json([one._asdict() for one in fits])
        return
    print(f"{trace.name} ({trace.format}), {len(trace):,} operations")
    print(f"peak live: {trace.peak_live:,} bytes; no region can be smaller", "", sep="\n")
    print("\n".join([*fit_table(fits), *(f"note: {note}" for note in trace.skipped)]))


def status_of(fits: list[Fit]) -> int:
    """The status: `TOO_SMALL` if a policy has no region for the trace."""
    return TOO_SMALL if any(one.region is None for one in fits) else DONE
