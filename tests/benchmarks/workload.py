"""Workloads of the benchmark scripts, each run by pyperf in processes of its own.

A workload is a function that gives a statement, a call or a figure to a pyperf.Runner under a name,
"group: row". A script runs the workload that is named on its command line; without a name it lists
its workloads. rounds.py runs all of them.

    python tests/benchmarks/calls.py
    python tests/benchmarks/calls.py "pair: glassheap" --append pair.json

Calls are timed in processor time of the process, which excludes other programs. The garbage
collector is off, as in `timeit`.
"""

from __future__ import annotations

import gc
import importlib.metadata
import importlib.util
import platform
import sys
import timeit
from collections.abc import Callable, Mapping
from time import process_time
from typing import TYPE_CHECKING

import pyperf

import glassheap

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from tables import Table

Workload = Callable[[pyperf.Runner, str], object]

MISSING = 3
"""The exit status if the workload needs something that this machine does not have."""


class MissingError(Exception):
    """Raised by a workload that this machine cannot run; the message is the reason."""


def timed(statement: str, names: Callable[[], Mapping[str, object]] = dict) -> Workload:
    """A statement, whose names are local variables of the loop around it."""

    def run(runner: pyperf.Runner, name: str) -> None:
        found = names()
        setup = "; ".join(f"{local} = found[{local!r}]" for local in found) or "pass"
        timer = timeit.Timer(statement, setup, process_time, {"found": found})
        runner.bench_time_func(name, timer.timeit)

    return run


def repeated(call: Callable[[], float], parts: int) -> Workload:
    """A call that returns its seconds, which are divided by `parts`."""
    return lambda runner, name: runner.bench_time_func(
        name, lambda loops: sum(call() for _ in range(loops)), inner_loops=parts
    )


def seconds_of(call: Callable[[], object]) -> float:
    """Seconds of processor time of one call, with the garbage collector off."""
    gc.disable()
    try:
        start = process_time()
        call()
        return process_time() - start
    finally:
        gc.enable()


def record(runner: pyperf.Runner, name: str, figure: float, unit: str, **facts: float) -> None:
    """Record a figure that needs no repetition, with facts about it, as a run of pyperf."""
    metadata = {**runner.metadata, **facts, "name": name, "unit": unit}
    benchmark = pyperf.Benchmark([pyperf.Run([figure], metadata=metadata)])
    print(f"{name}: {benchmark.format_value(figure)}")
    if runner.args.append:
        pyperf.add_runs(runner.args.append, benchmark)


def create_runner() -> pyperf.Runner:
    """A runner for one short round: one process, three values of 50 ms or more."""
    options = {"metadata": versions(), "add_cmdline_args": pass_on}
    runner = pyperf.Runner(processes=1, values=3, min_time=0.05, **options)
    runner.argparser.add_argument("name", nargs="?", help="the workload; without it, list them")
    return runner


def pass_on(command: list[str], options: Namespace) -> None:
    """Give a worker process the arguments that are not pyperf's."""
    command.append(options.name)
    if "traces" in options:
        command.append(f"--traces={options.traces}")


def versions() -> dict[str, str]:
    """Names and versions beyond those that pyperf records."""
    cffi = importlib.util.find_spec("cffi") and importlib.metadata.version("cffi")
    release = ".".join(platform.release().split(".")[:2])
    return {
        "system": f"{platform.system()} {release}, {platform.machine()}",
        "libc": " ".join(platform.libc_ver()).strip() or "unknown",
        "glassheap": glassheap.__version__,
        "cffi": cffi or "not installed",
    }


def main(runner: pyperf.Runner, tables: Sequence[Table], more: Mapping[str, Workload]) -> int:
    """Run the named workload of the tables or of `more`, or list all; returns the exit status."""
    found = {f"{table.group}: {row}": run for table in tables for row, run in table.rows.items()}
    found |= more
    name = runner.parse_args().name
    if name is None:
        print("\n".join(found))
        return 0
    if name not in found:
        runner.argparser.error(f"there is no workload '{name}'")
    try:
        found[name](runner, name)
    except MissingError as reason:
        print(f"Not measured: {name}, because {reason}.", file=sys.stderr)
        return MISSING
    return 0
