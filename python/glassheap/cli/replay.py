"""`glassheap replay`: one policy with its figures and its map, or every policy in a table."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from glassheap.cli.base import (
    DONE,
    INTERRUPTED,
    TOO_SMALL,
    MistakeError,
    did_you_mean,
    print_error,
    print_json,
)
from glassheap.cli.trace_files import FORMATS, read_trace, report_misuse
from glassheap.cli.values import byte_count
from glassheap.errors import HeapError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from glassheap.progress import Bar
    from glassheap.replay import Report
    from glassheap.traces import Trace

NAME = "replay"
HELP = "run a recorded program's allocations"

ALL = "all"
"""The value of --policy that stands for every policy in turn."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the replay."""
    parser.description = (
        f"Replay a trace of allocations on a heap and print the result. {FORMATS} The exit status "
        "is 1 if the trace misuses its memory, 3 if allocations fail in a region of --size. "
        "The names of the figures are explained in docs/replay.md."
    )
    add = parser.add_argument
    add("file", metavar="FILE", help="the trace; - reads standard input")
    size = "size of the region (64K, 1M; default: grown until the trace fits)"
    add("--size", type=byte_count, metavar="BYTES", help=size)
    add_policy_arguments(parser)
    add_layout_arguments(parser)
    add("--no-map", action="store_true", help="do not draw the heap at the end of the trace")
    output = parser.add_mutually_exclusive_group().add_argument
    output("--csv", action="store_true", help="print the figures as CSV, a row for each policy")
    output("--json", action="store_true", help="print the figures as JSON, and no map")


def add_layout_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --no-headers and --granule, which exclude each other."""
    add = parser.add_mutually_exclusive_group().add_argument
    add("--no-headers", action="store_true", help="a heap without headers: payloads alone")
    granule = "an offset heap: blocks in whole multiples of so many bytes (4K), without headers"
    add("--granule", type=byte_count, metavar="BYTES", help=granule)


def add_policy_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --policy and --compare, which exclude each other."""
    add = parser.add_mutually_exclusive_group().add_argument
    add(
        "--policy",
        type=policy_name,
        default="first_fit",
        metavar="NAME",
        help="the placement policy (default: first_fit; see glassheap policies)",
    )
    add("--compare", action="store_true", help="every policy in turn, in a table (--policy all)")


def policy_name(text: str) -> str:
    """The name of a placement policy, or `ALL`."""
    from glassheap import policies

    names = [policy.name for policy in policies()]
    if text not in (*names, ALL):
        known = ", ".join(names)
        guess = did_you_mean(text, [*names, ALL])
        raise ArgumentTypeError(f"there is no policy '{text}'; there are: {known}, {ALL}{guess}")
    return text


def run(arguments: argparse.Namespace) -> int:
    """Replay the trace; the status is 1 if it misused its memory, 3 if --size is too small."""
    trace = read_trace(arguments.file)
    if arguments.compare or arguments.policy == ALL:
        return compare_policies(trace, arguments)
    return replay_policy(trace, arguments)


def compare_policies(trace: Trace, arguments: argparse.Namespace) -> int:
    """Print the figures of every policy; if interrupted, of those replayed before."""
    from glassheap.replay import Setup, compare, tried

    largest = Setup(granule=arguments.granule).largest(arguments.size)
    trace = tried(trace, largest)  # so that the head and the notes are about what is played
    reports: list[Report] = []
    status = DONE
    with progress_bar("replaying", trace) as bar:
        try:
            options = {**layout(arguments), "libc": True, "progress": bar}
            reports += compare(trace, arguments.size, **options)
        except KeyboardInterrupt:
            sentence = "interrupted: the table holds the policies replayed before"
            status = print_error(sentence, INTERRUPTED)
    print_comparison(trace, reports, arguments)
    return (
        status
        or report_misuse(trace.name, trace.skipped)
        or report_failures(reports, arguments.size)
    )


def print_comparison(trace: Trace, reports: list[Report], arguments: argparse.Namespace) -> None:
    """Print the reports on stdout, as tables, as CSV or as JSON."""
    from glassheap.replay import table

    if arguments.json:
        print_json([report.as_dict() for report in reports])
        return
    if arguments.csv:
        print_csv(reports)
        return
    print(f"{trace.name} ({trace.format}), {len(trace):,} operations", "", sep="\n")
    print("\n".join([*table(reports), *(f"note: {note}" for note in trace.skipped)]))


def replay_policy(trace: Trace, arguments: argparse.Namespace) -> int:
    """Print the figures of one policy, and the map of the heap at the end."""
    from glassheap.replay import ReplayInterrupted, replay

    options = {"policy": arguments.policy, **layout(arguments)}
    try:
        with progress_bar("replaying", trace) as bar:
            report = replay(trace, arguments.size, **options, progress=bar)
    except ReplayInterrupted as interruption:
        print_report(interruption.report, arguments)
        return INTERRUPTED
    print_report(report, arguments)
    if not (arguments.json or arguments.csv or arguments.no_map):
        print()
        report.heap.show()
    return report_misuse(trace.name, trace.skipped) or report_failures([report], arguments.size)


def layout(arguments: argparse.Namespace) -> dict[str, Any]:
    """The layout of the heap, as options of `replay`."""
    return {"headers": not arguments.no_headers, "granule": arguments.granule}


def print_report(report: Report, arguments: argparse.Namespace) -> None:
    """Print the figures on stdout, as lines, as CSV or as JSON."""
    if arguments.json:
        print_json(report.as_dict())
    elif arguments.csv:
        print_csv([report])
    else:
        print("\n".join(report.lines()))


def print_csv(reports: list[Report]) -> None:
    """Print the records on stdout as CSV, below their names; a missing figure is empty."""
    import csv

    records = [report.record() for report in reports]
    if records:
        writer = csv.DictWriter(sys.stdout, [*records[0]], lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)


@contextmanager
def progress_bar(title: str, trace: Trace) -> Iterator[Bar]:
    """A progress bar, drawn if it takes long. Raises `MistakeError` for a wrong region."""
    from glassheap.progress import Bar

    with closing(Bar(title)) as bar:
        try:
            yield bar
        except (HeapError, MemoryError, OSError) as error:
            raise MistakeError(f"cannot make a region for {trace.name}: {error}") from None


def report_failures(reports: list[Report], size: int | None) -> int:
    """The status: `TOO_SMALL` if allocations failed in a region of the size asked for."""
    failed = size is not None and any(report.failures for report in reports)
    return TOO_SMALL if failed else DONE
