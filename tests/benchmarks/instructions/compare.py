"""Counts the instructions of a malloc and a free, and compares them with the kept figures.

    cmake --preset bench
    cmake --build --preset bench --target glassheap-pairs
    python tests/benchmarks/instructions/compare.py           fails if a figure is 3 % over
    python tests/benchmarks/instructions/compare.py --write   keeps the new figures

The program runs under valgrind, twice for each figure with different numbers of pairs; the
difference, divided by the pairs, is the figure. It depends on the code and the compiler alone,
not on the machine's load, so a change of a few percent is a change of the code. Figures of
different compilers or build types are not comparable: they are printed, and the exit status is 0.

Exit status: 0 no figure is over its limit; 1 one is; 2 the instructions cannot be counted.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
KEPT = HERE / "kept.json"
PROGRAM = HERE.parents[2] / ".build/bench/tests/benchmarks/instructions/glassheap-pairs"

POLICIES = ("segregated_fit", "first_fit", "tlsf")
WORKLOADS = ("lifo", "churn")
FEW, MANY = 1_000, 21_000
"""The pairs of the two runs; the first thousand also warm up the heap."""

TOLERANCE = 0.03
"""The part of a kept figure by which the new one may be higher."""


class CannotCountError(Exception):
    """The reason why instructions cannot be counted, as one sentence."""


@dataclass(frozen=True)
class Figures:
    """Instructions a pair, by policy and workload, and the build that they belong to."""

    build: str
    instructions: dict[str, float]

    @classmethod
    def load(cls, file: Path) -> Figures:
        """The figures in `file`; none if it does not exist."""
        return cls(**json.loads(file.read_text())) if file.exists() else cls("no build", {})

    def save(self, file: Path) -> None:
        """Write the figures to `file`."""
        file.write_text(json.dumps(vars(self), indent=2) + "\n")


def measure(program: Path) -> Figures:
    """Count the instructions of every policy on every workload."""
    if shutil.which("valgrind") is None:
        raise CannotCountError("valgrind is not installed: apt-get install valgrind.")
    if not program.exists():
        build = "cmake --preset bench && cmake --build --preset bench --target glassheap-pairs"
        raise CannotCountError(f"{program} does not exist: {build}.")
    names = [(policy, workload) for policy in POLICIES for workload in WORKLOADS]
    figures = {", ".join(name): instructions_a_pair(program, *name) for name in names}
    return Figures(output([str(program)]).strip(), figures)


def instructions_a_pair(program: Path, policy: str, workload: str) -> float:
    """The instructions of one malloc and one free."""
    few, many = (count(program, policy, workload, str(pairs)) for pairs in (FEW, MANY))
    return round((many - few) / (MANY - FEW), 1)


def count(program: Path, *arguments: str) -> int:
    """The instructions of one run of the program."""
    callgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    collected = re.search(r"Collected : (\d+)", output([*callgrind, str(program), *arguments]))
    if collected is None:
        raise CannotCountError("valgrind has printed no number of instructions.")
    return int(collected[1])


def output(command: list[str]) -> str:
    """Everything that a command prints."""
    run = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if run.returncode != 0:
        raise CannotCountError(f"{' '.join(command)} failed:\n{run.stdout}")
    return run.stdout


def is_over(figure: float, kept: float | None) -> bool:
    """True if a figure is over its limit, or has none."""
    return kept is None or figure > kept * (1 + TOLERANCE)


def verdict(name: str, figure: float, kept: float | None) -> str:
    """The sentence about a figure."""
    found = f"{name}: {figure:,} instructions a pair"
    if kept is None:
        return f"FAILED  {found}, and no figure is kept; --write keeps it."
    compared = f"{found}, {figure / kept - 1:+.1%} against the kept {kept:,}"
    if is_over(figure, kept):
        return f"FAILED  {compared}; at most {TOLERANCE:+.0%} is allowed."
    better = "; --write keeps the better figure" if figure < kept * (1 - TOLERANCE) else ""
    return f"ok      {compared}{better}."


def compare(measured: Figures, kept: Figures) -> int:
    """Print a sentence about each figure; the exit status."""
    over = 0
    for name, figure in measured.instructions.items():
        print(verdict(name, figure, kept.instructions.get(name)))
        over += is_over(figure, kept.instructions.get(name))
    if measured.build != kept.build:
        print(f"Not binding: the build is {measured.build}; the kept figures are of {kept.build}.")
        return 0
    return int(over > 0)


def keep(measured: Figures) -> int:
    """Keep the figures, and print them; the exit status."""
    measured.save(KEPT)
    print(f"Kept in {KEPT}, of {measured.build}:")
    for name, figure in measured.instructions.items():
        print(f"{name}: {figure:,} instructions a pair")
    return 0


def main() -> int:
    """Measure, and compare or keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--program", type=Path, default=PROGRAM, help="glassheap-pairs")
    parser.add_argument("--write", action="store_true", help="keep the new figures")
    arguments = parser.parse_args()
    try:
        measured = measure(arguments.program)
    except CannotCountError as error:
        print(f"compare.py: {error}", file=sys.stderr)
        return 2
    return keep(measured) if arguments.write else compare(measured, Figures.load(KEPT))


if __name__ == "__main__":
    sys.exit(main())
