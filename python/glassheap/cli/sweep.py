"""`glassheap sweep`: many traces with many policies and sizes, in parallel."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError
from contextlib import closing
from typing import TYPE_CHECKING, TypeVar

from glassheap.cli.base import (
    DONE,
    FAILED,
    INTERRUPTED,
    MISTAKE,
    MistakeError,
    print_error,
    print_json,
)
from glassheap.cli.replay import ALL, policy_name
from glassheap.cli.trace_files import FORMATS, read_trace, report_misuse
from glassheap.cli.values import byte_count, is_number
from glassheap.errors import HeapError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Generator, Iterable, Iterator

    from glassheap.sweeping import Row
    from glassheap.traces import Note, Trace

    Value = TypeVar("Value")

NAME = "sweep"
HELP = "many traces with many policies and sizes, in parallel"

MOST_JOBS = 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the sweep."""
    parser.description = (
        "Replay every trace with every policy and every size, in parallel, and print a table. "
        f"{FORMATS} The exit status is 1 if a trace misuses its memory. Allocations that fail are "
        "figures, and no error."
    )
    add = parser.add_argument
    add("traces", metavar="TRACE", nargs="+", help="a trace, as for glassheap replay")
    policies = "the placement policies, with commas between them (default: all)"
    add("--policies", type=listed(policy_name), default=[ALL], metavar="NAMES", help=policies)
    sizes = "the sizes of the region (64K,1M; default: grown until the trace fits)"
    add("--sizes", type=listed(byte_count), default=[None], metavar="LIST", help=sizes)
    add_layout_arguments(parser)
    add_worker_arguments(parser)
    add_output_arguments(parser)


def add_layout_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --no-headers and --granules, which exclude each other."""
    add = parser.add_mutually_exclusive_group().add_argument
    add("--no-headers", action="store_true", help="heaps without headers: payloads alone")
    granules = "offset heaps with these granules (4K,64K), which have no headers"
    add("--granules", type=listed(byte_count), default=[None], metavar="LIST", help=granules)


def add_worker_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --jobs and --scheduler, which exclude each other."""
    add = parser.add_mutually_exclusive_group().add_argument
    add("--jobs", type=jobs, metavar="N", help="worker processes (default: one a core)")
    scheduler = "the Dask scheduler whose workers replay (tcp://host:8786)"
    add("--scheduler", metavar="ADDRESS", help=scheduler)


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --csv, --json and --resume."""
    add = parser.add_mutually_exclusive_group().add_argument
    add("--csv", action="store_true", help="print each row as soon as it is ready, as CSV")
    add("--json", action="store_true", help="print the rows as JSON")
    resume = "a file of results: what it has is not replayed, and new rows are appended"
    parser.add_argument("--resume", metavar="FILE", help=resume)


# --- Values ---------------------------------------------------------------------------------------
def listed(value: Callable[[str], Value]) -> Callable[[str], list[Value]]:
    """The type of an argument that is a list of values with commas between them."""
    return lambda text: [value(item) for item in text.split(",")]


def jobs(text: str) -> int:
    """A number of processes."""
    if not (is_number(text) and 1 <= int(text) <= MOST_JOBS):
        expected = f"a number of processes from 1 to {MOST_JOBS:,}"
        raise ArgumentTypeError(f"'{text}' is no number of jobs; expected {expected}")
    return int(text)


# --- The command ----------------------------------------------------------------------------------
def run(arguments: argparse.Namespace) -> int:
    """Sweep; the status is 1 if a trace misused its memory, or if only some of the rows came."""
    from glassheap.sweeping import SweepError

    notes: list[tuple[str, tuple[Note, ...]]] = []
    rows: list[Row] = []
    status = DONE
    try:
        with closing(sweep_rows(arguments, notes)) as found:
            collect(found, rows, as_csv=arguments.csv)
    except KeyboardInterrupt:
        sentence = "interrupted: the output has the rows that were ready"
        status = print_error(sentence, INTERRUPTED)
    except SweepError as error:
        status = print_error(f"cannot sweep: {error}", FAILED if rows else MISTAKE)
    if rows or not status:
        print_rows(arguments, rows)
    return status or max([report_misuse(*misuse) for misuse in notes], default=DONE)


def sweep_rows(
    arguments: argparse.Namespace, notes: list[tuple[str, tuple[Note, ...]]]
) -> Generator[Row, None, None]:
    """The rows as they are ready. Raises `MistakeError` for a wrong argument."""
    from glassheap.progress import Bar
    from glassheap.sweeping import sweep

    with closing(Bar("sweeping")) as bar:
        try:
            yield from sweep(
                traces(arguments.traces, notes),
                policies=None if ALL in arguments.policies else arguments.policies,
                sizes=arguments.sizes,
                granules=arguments.granules,
                headers=not arguments.no_headers,
                jobs=arguments.jobs,
                scheduler=arguments.scheduler,
                resume=arguments.resume,
                progress=bar,
            )
        except (HeapError, ValueError, MemoryError) as error:
            raise MistakeError(f"cannot sweep: {error}") from None


def traces(files: list[str], notes: list[tuple[str, tuple[Note, ...]]]) -> Iterator[Trace]:
    """The traces, each read when it is asked for; their notes are kept."""
    for file in files:
        trace = read_trace(file)
        notes.append((trace.name, trace.skipped))
        yield trace


def collect(found: Iterable[Row], rows: list[Row], *, as_csv: bool) -> None:
    """Keep the rows as they are ready, and print them if that is asked for."""
    import csv

    write = csv.writer(sys.stdout, lineterminator="\n").writerow
    for row in found:
        rows.append(row)
        if as_csv:
            if len(rows) == 1:
                write(row._fields)
            write(row)
            sys.stdout.flush()


def print_rows(arguments: argparse.Namespace, rows: list[Row]) -> None:
    """Print the rows on stdout, as a table or as JSON, in an order that is always the same."""
    from glassheap import policies
    from glassheap.sweeping.table import table

    rank = {policy.name: at for at, policy in enumerate(policies())}
    ordered = sorted(
        rows, key=lambda row: (row.trace, row.granule or 0, row.size or 0, rank[row.policy])
    )
    if arguments.json:
        print_json([row._asdict() for row in ordered])
    elif not arguments.csv:
        print("\n".join(table(ordered)))
