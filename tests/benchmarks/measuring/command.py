"""The command line of calls.py: its arguments, the order of the sections, the exit status.

    exit status   0    measured, whatever the figures
                  1    something could not be run or written
                  2    a usage error
                  130  Ctrl-C; the finished sections have been printed

Each section is printed when it is finished. The files are written at the end.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from glassheap.errors import HeapError
from measuring import batches, machine, memory, pairs, replays, start, wheel
from measuring.reporting import Report, machine_lines, markdown, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from measuring.results import Section

DONE, FAILED, USAGE_ERROR, INTERRUPTED = 0, 1, 2, 130

LEAST_ROUNDS = 5

ROOT = Path(__file__).resolve().parents[3]


def command(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and return the exit status."""
    try:
        options = build_parser().parse_args(arguments)
        write(options, run(options))
    except KeyboardInterrupt:
        return complain("interrupted", INTERRUPTED)
    except subprocess.CalledProcessError as error:
        return complain(f"a measured interpreter failed: {error}", FAILED)
    except (OSError, HeapError) as error:
        return complain(str(error), FAILED)
    return DONE


def run(options: argparse.Namespace) -> Report:
    """Measure and print."""
    facts = machine.describe()
    print_now("\n".join(machine_lines(facts)) + "\n")
    sections: list[Section] = []
    for section in measure(options):
        sections.append(section)
        print_now(text(section))
    report = Report(command_line(options), options.rounds, facts, sections)
    print_now(text(report.bar_section()))
    return report


def measure(options: argparse.Namespace) -> Iterator[Section]:
    """Measure the sections, one after the other."""
    for part in (pairs, batches, start, memory):
        yield part.measure(options.rounds, options.seconds)
    yield wheel.measure(options.wheel)
    if options.traces is not None:
        yield replays.measure(options.traces, options.rounds)


def write(options: argparse.Namespace, report: Report) -> None:
    """Write the report to the requested files."""
    if options.json is not None:
        options.json.write_text(json.dumps(report.as_dict(), indent=2) + "\n", encoding="utf-8")
    if options.markdown is not None:
        options.markdown.write_text(markdown(report), encoding="utf-8")


def command_line(options: argparse.Namespace) -> str:
    """The command that repeats this run, with placeholders for paths outside the project."""
    words = ["python tests/benchmarks/calls.py", f"--rounds {options.rounds}"]
    words += ["--wheel FILE"] if options.wheel else []
    words += [f"--traces {shown(options.traces)}"] if options.traces else []
    words += ["--markdown docs/benchmarks.md"] if options.markdown else []
    return " ".join(words)


def shown(place: Path) -> str:
    """The path of a folder below the project; DIR for any other folder."""
    resolved = place.resolve()
    return resolved.relative_to(ROOT).as_posix() if resolved.is_relative_to(ROOT) else "DIR"


def build_parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="calls.py",
        description="The cost of calls from Python: glassheap beside other ways to do the same.",
    )
    add = parser.add_argument
    add("--rounds", type=round_count, default=15, metavar="N", help="rounds, 5 or more (15)")
    add("--seconds", type=duration, default=0.05, metavar="S", help="seconds of a turn (0.05)")
    add("--wheel", type=wheel_file, metavar="FILE", help="the wheel to measure")
    add("--traces", type=folder, metavar="DIR", help="replay its .script, .rep, .trace files (.gz)")
    add("--json", type=Path, metavar="FILE", help="write every figure of every round")
    add("--markdown", type=Path, metavar="FILE", help="write the tables as a page")
    return parser


def round_count(word: str) -> int:
    """Parse a number of rounds that is large enough for a median."""
    if not word.isdecimal() or int(word) < LEAST_ROUNDS:
        raise argparse.ArgumentTypeError(f"'{word}' is not a number of {LEAST_ROUNDS} or more")
    return int(word)


def duration(word: str) -> float:
    """Parse the seconds of a turn: more than 0 and at most 60."""
    try:
        seconds = float(word)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 60:
        raise argparse.ArgumentTypeError(f"'{word}' is not a number of seconds up to 60")
    return seconds


def wheel_file(word: str) -> Path:
    """Parse the path of a wheel."""
    if not zipfile.is_zipfile(word):
        raise argparse.ArgumentTypeError(f"'{word}' is not a readable wheel")
    return Path(word)


def folder(word: str) -> Path:
    """Parse the path of an existing folder."""
    if not Path(word).is_dir():
        raise argparse.ArgumentTypeError(f"'{word}' is not a folder")
    return Path(word)


def print_now(message: str) -> None:
    """Print without buffering, so that the progress of a long run is visible."""
    print(message, flush=True)


def complain(sentence: str, status: int) -> int:
    """Print one sentence to stderr and return the exit status."""
    print(f"calls.py: {sentence}", file=sys.stderr)
    return status
