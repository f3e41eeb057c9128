"""The cost of sharing: SharedHeap beside Heap, multiprocessing.heap, SharedMemory and pickle.

    python tests/benchmarks/shared.py
    python tests/benchmarks/shared.py --markdown docs/benchmarks-shared.md

    a pair          malloc + free of one block of 64 bytes, uncontended
    pieces          a block beside a segment of SharedMemory, and an array in either
    passing         100 MB to a worker of a pool and back (--megabytes)
    a crowd         four processes at once, the longest single operation (--crowd SECONDS)
    a million       live blocks in one segment (--blocks)

calls.py describes the method, the bars and the exit status.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from measuring.results import Section

INTRODUCTION = """\
# Cost of sharing

A shared heap, beside a private one and the means of the standard library, all measured in one run.
The benchmark writes this page itself:

    {command}

Contenders take turns, in {rounds} rounds. A figure is the median of the rounds, with their minimum
and maximum beside it. A ratio is the median of the rounds' ratios. Calls within one process are
timed in processor time, everything that crosses processes by the wall clock. Shared heaps are
described in [shared.md](shared.md), the cost of calls in a private heap in
[benchmarks.md](benchmarks.md).
"""


def main() -> int:
    """Run the benchmark if glassheap is installed, and return the exit status."""
    if importlib.util.find_spec("glassheap") is None:
        return complain(
            f"glassheap is not installed for {sys.executable}: run `pip install .` with it first."
        )
    try:
        run(build_parser().parse_args())
    except KeyboardInterrupt:
        complain("interrupted")
        return 130
    except OSError as error:
        return complain(str(error))
    return 0


def run(options: argparse.Namespace) -> None:
    """Measure, print, and write the requested files."""
    from measuring import machine
    from measuring.command import print_now
    from measuring.reporting import Report, machine_lines, markdown, text

    facts = machine.describe()
    print_now("\n".join(machine_lines(facts)) + "\n")
    sections: list[Section] = []
    for section in measure(options):
        sections.append(section)
        print_now(text(section))
    report = Report(command_line(options), options.rounds, facts, sections, INTRODUCTION)
    print_now(text(report.bar_section()))
    if options.json is not None:
        options.json.write_text(json.dumps(report.as_dict(), indent=2) + "\n", encoding="utf-8")
    if options.markdown is not None:
        options.markdown.write_text(markdown(report), encoding="utf-8")


def measure(options: argparse.Namespace) -> Iterator[Section]:
    """Measure the sections, one after the other."""
    from measuring import crossing, sharing

    yield sharing.measure_pairs(options.rounds, options.seconds)
    yield sharing.measure_pieces(options.rounds, options.seconds)
    yield sharing.measure_million(options.blocks)
    yield crossing.measure_passing(options.rounds, options.megabytes)
    yield crossing.measure_crowd(options.crowd)


def command_line(options: argparse.Namespace) -> str:
    """The command that repeats this run."""
    words = [f"python tests/benchmarks/shared.py --rounds {options.rounds}"]
    words += [f"--crowd {options.crowd:g}", f"--megabytes {options.megabytes}"]
    words += ["--markdown docs/benchmarks-shared.md"] if options.markdown else []
    return " ".join(words)


def build_parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    from measuring.command import duration, round_count

    parser = argparse.ArgumentParser(
        prog="shared.py", description="The cost of sharing: SharedHeap beside other ways."
    )
    add = parser.add_argument
    add("--rounds", type=round_count, default=15, metavar="N", help="rounds, 5 or more (15)")
    add("--seconds", type=duration, default=0.05, metavar="S", help="seconds of a turn (0.05)")
    add("--crowd", type=float, default=60.0, metavar="S", help="seconds of the crowd (60)")
    add("--megabytes", type=int, default=100, metavar="N", help="megabytes to pass (100)")
    add("--blocks", type=int, default=1_000_000, metavar="N", help="live blocks (1000000)")
    add("--json", type=Path, metavar="FILE", help="write every figure of every round")
    add("--markdown", type=Path, metavar="FILE", help="write the tables as a page")
    return parser


def complain(sentence: str) -> int:
    """Print one sentence to stderr and return the exit status."""
    print(f"shared.py: {sentence}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
