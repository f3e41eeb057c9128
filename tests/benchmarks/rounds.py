"""Run the workloads of a benchmark script in rounds, and merge the results into one JSON of pyperf.

    python tests/benchmarks/rounds.py --rounds 15 -o calls.json tests/benchmarks/calls.py

The speed of a machine varies over time. To run one contender to its end and then the next would
compare two moments rather than two contenders. So each workload runs for a moment in every round,
from the second round on in a shuffled order. Arguments after the script are passed on to it:
options of pyperf, or its own. A workload that this machine cannot run is left out of later rounds.

The exit status is 0, 130 after Ctrl-C (the file has the results so far), or that of a workload that
failed.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
from pathlib import Path

from workload import MISSING


def main() -> int:
    """Run the rounds and return the exit status."""
    parser = argparse.ArgumentParser(description="Run the workloads of a script in rounds.")
    add = parser.add_argument
    add("--rounds", type=int, default=15, metavar="N", help="rounds (15)")
    add("-o", "--output", type=Path, required=True, metavar="FILE", help="the JSON to write")
    add("script", help="a benchmark script: calls.py or shared.py")
    add("arguments", nargs=argparse.REMAINDER, help="arguments of the script")
    options = parser.parse_args()
    script = [sys.executable, options.script, *options.arguments]
    names = subprocess.run(script, stdout=subprocess.PIPE, text=True, check=True).stdout
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.unlink(missing_ok=True)
    try:
        return run(
            [*script, "-q", "--append", str(options.output)], names.splitlines(), options.rounds
        )
    except KeyboardInterrupt:
        return 130


def run(script: list[str], names: list[str], rounds: int) -> int:
    """Run each workload once a round; returns the first status that is a failure, or 0."""
    for number in range(rounds):
        print(f"--- Round {number + 1} of {rounds}", flush=True)
        for name in random.Random(number).sample(names, len(names)) if number else list(names):
            status = subprocess.run([*script, name], check=False).returncode
            if status == MISSING:
                names.remove(name)
            elif status != 0:
                return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
