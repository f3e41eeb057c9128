"""Counts the instructions of a malloc and a free, and compares them with the kept figures.

    cmake --preset bench && cmake --build --preset bench --target glassheap-pairs
    python tests/benchmarks/instructions/compare.py           fails if a figure is 3 % over
    python tests/benchmarks/instructions/compare.py --write   keeps the new figures

The program runs under valgrind, twice for each figure with different numbers of pairs; the
difference, divided by the pairs, is the figure. It depends on the code and the compiler alone,
not on the machine's load, so a change of a few percent is a change of the code. Figures of
different compilers or build types are not comparable: they are printed, and the exit status is 0.
Every policy is counted but sequential_fit, whose walks would take minutes; two of them also on a
shared heap.

Exit status: 0 no figure is over its limit; 1 one is; 2 the instructions cannot be counted.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
KEPT = HERE / "kept.json"
PROGRAM = HERE.parents[2] / ".build/bench/tests/benchmarks/glassheap-pairs"

PEERS = ("dlmalloc", "conte tlsf")
"""For comparison, if their sources are in .build/peers: their figures are not kept."""
WORKLOADS = ("lifo", "churn")
FEW, MANY = 1_000, 21_000
"""The pairs of the two runs; the first thousand also warm up the heap."""

TOLERANCE = 0.03
"""The part of a kept figure by which the new one may be higher."""


def output(*command: str) -> str:
    """Everything that a command prints."""
    pipe, both = subprocess.PIPE, subprocess.STDOUT
    return subprocess.run(command, stdout=pipe, stderr=both, text=True, check=True).stdout


def count(*command: str) -> int:
    """The instructions of a command."""
    callgrind = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")
    (found,) = re.findall(r"Collected : (\d+)", output(*callgrind, *command))
    return int(found)


def measure(program: str, heap: str, workload: str) -> float:
    """The instructions of one malloc and one free."""
    few, many = (count(program, heap, workload, str(pairs)) for pairs in (FEW, MANY))
    return round((many - few) / (MANY - FEW), 1)


def measure_all(program: str) -> tuple[str, dict[str, float]]:
    """The build of the program; the figures of all its heaps, by name."""
    build, *heaps = output(program).splitlines()
    names = [(heap, workload) for heap in heaps for workload in WORKLOADS]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        figures = list(pool.map(lambda name: measure(program, *name), names))
    return build, {", ".join(name): figure for name, figure in zip(names, figures, strict=True)}


def verdict(name: str, figure: float, kept: float | None) -> str:
    """The sentence about a figure."""
    found = f"{name}: {figure:,} instructions a pair"
    if name.startswith(PEERS):
        return f"        {found}, for comparison."
    if kept is None:
        return f"FAILED  {found}, and no figure is kept; --write keeps it."
    compared = f"{found}, {figure / kept - 1:+.1%} against the kept {kept:,}"
    if figure > kept * (1 + TOLERANCE):
        return f"FAILED  {compared}; at most {TOLERANCE:+.0%} is allowed."
    better = "; --write keeps the better figure" if figure < kept * (1 - TOLERANCE) else ""
    return f"ok      {compared}{better}."


def compare(build: str, figures: dict[str, float]) -> int:
    """Print a sentence about each figure; the exit status."""
    kept = json.loads(KEPT.read_text())
    verdicts = [verdict(name, figures[name], kept["instructions"].get(name)) for name in figures]
    print("\n".join(verdicts))
    if build != kept["build"]:
        print(f"Not binding: the build is {build}; the kept figures are of {kept['build']}.")
        return 0
    return int(any(sentence.startswith("FAILED") for sentence in verdicts))


def main() -> int:
    """Measure, and compare or keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--program", default=str(PROGRAM), help="glassheap-pairs")
    parser.add_argument("--write", action="store_true", help="keep the new figures")
    options = parser.parse_args()
    try:
        build, figures = measure_all(options.program)
    except FileNotFoundError as error:
        parser.error(f"{error.filename} is not installed, or not built: see --help.")
    except subprocess.CalledProcessError as error:
        parser.error(f"{error}:\n{error.stdout}")
    if not options.write:
        return compare(build, figures)
    kept = {name: figure for name, figure in figures.items() if not name.startswith(PEERS)}
    KEPT.write_text(json.dumps({"build": build, "instructions": kept}, indent=2) + "\n")
    print(f"Kept in {KEPT}: {kept}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
