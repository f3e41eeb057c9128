"""The command line: what to measure, in which order, and how the run ends.

    exit status   0    measured, whatever came of it
                  1    something could not be run or written
                  2    a mistake in the arguments
                  130  Ctrl-C; the sections that were finished have been printed

Each section is printed as soon as it is there, and the files are written at the end.
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

DONE, FAILED, MISTAKE, INTERRUPTED = 0, 1, 2, 130

LEAST_ROUNDS = 5

ROOT = Path(__file__).resolve().parents[3]


def command(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; the exit status."""
    try:
        options = build_parser().parse_args(arguments)
        write(options, run(options))
    except KeyboardInterrupt:
        return complain("interrupted", INTERRUPTED)
    except subprocess.CalledProcessError as error:
        return complain(f"an interpreter that was to be measured failed: {error}", FAILED)
    except (OSError, HeapError) as error:
        return complain(str(error), FAILED)
    return DONE


def run(options: argparse.Namespace) -> Report:
    """Measure and print."""
    facts = machine.describe()
    say("\n".join(machine_lines(facts)) + "\n")
    sections: list[Section] = []
    for section in measure(options):
        sections.append(section)
        say(text(section))
    report = Report(how(options), options.rounds, facts, sections)
    say(text(report.bar_section()))
    return report


def measure(options: argparse.Namespace) -> Iterator[Section]:
    """The sections, one after the other."""
    for part in (pairs, batches, start, memory):
        yield part.measure(options.rounds, options.seconds)
    yield wheel.measure(options.wheel)
    if options.traces is not None:
        yield replays.measure(options.traces, options.rounds)


def write(options: argparse.Namespace, report: Report) -> None:
    """The report into the files that were asked for."""
    if options.json is not None:
        options.json.write_text(json.dumps(report.as_dict(), indent=2) + "\n", encoding="utf-8")
    if options.markdown is not None:
        options.markdown.write_text(markdown(report), encoding="utf-8")


def how(options: argparse.Namespace) -> str:
    """The command that measures the same again, with places outside of the project left open."""
    words = ["python tests/benchmarks/calls.py", f"--rounds {options.rounds}"]
    words += ["--wheel FILE"] if options.wheel else []
    words += [f"--traces {shown(options.traces)}"] if options.traces else []
    words += ["--markdown docs/benchmarks.md"] if options.markdown else []
    return " ".join(words)


def shown(place: Path) -> str:
    """A folder of the project by its name there; any other is somebody's own."""
    resolved = place.resolve()
    return resolved.relative_to(ROOT).as_posix() if resolved.is_relative_to(ROOT) else "DIR"


def build_parser() -> argparse.ArgumentParser:
    """The arguments, with their help."""
    parser = argparse.ArgumentParser(
        prog="calls.py",
        description="The cost of calls from Python: glassheap beside other ways to do the same.",
    )
    add = parser.add_argument
    add("--rounds", type=round_count, default=15, metavar="N", help="turns of each (5 or more; 15)")
    add("--seconds", type=duration, default=0.05, metavar="S", help="of one turn (0.05)")
    add("--wheel", type=wheel_file, metavar="FILE", help="the wheel, to be weighed")
    add("--traces", type=folder, metavar="DIR", help="replay its .script, .rep, .trace files (.gz)")
    add("--json", type=Path, metavar="FILE", help="write every figure of every round")
    add("--markdown", type=Path, metavar="FILE", help="write the tables as a page")
    return parser


def round_count(word: str) -> int:
    """Enough rounds for a median."""
    if not word.isdecimal() or int(word) < LEAST_ROUNDS:
        raise argparse.ArgumentTypeError(f"'{word}' is no number of rounds from {LEAST_ROUNDS} up")
    return int(word)


def duration(word: str) -> float:
    """Seconds of a turn, above 0 and not beyond patience."""
    try:
        seconds = float(word)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 60:
        raise argparse.ArgumentTypeError(f"'{word}' is no time; expected seconds, up to 60")
    return seconds


def wheel_file(word: str) -> Path:
    """A file that could be a wheel."""
    if not zipfile.is_zipfile(word):
        raise argparse.ArgumentTypeError(f"'{word}' is no wheel that can be read")
    return Path(word)


def folder(word: str) -> Path:
    """A folder that is there."""
    if not Path(word).is_dir():
        raise argparse.ArgumentTypeError(f"'{word}' is no folder")
    return Path(word)


def say(message: str) -> None:
    """Print at once, so that a long run is seen to go on."""
    print(message, flush=True)


def complain(sentence: str, status: int) -> int:
    """Print one sentence on stderr and return the status."""
    print(f"calls.py: {sentence}", file=sys.stderr)
    return status
