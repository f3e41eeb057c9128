"""Measures the figures of a page of docs/, and writes them into it by way of page.py.

    tests/run -s bench -- calls       this session installs everything that is needed
    python tests/benchmarks/measure.py calls

    calls       calls from Python, beside other ways to do the same
    shared      sharing, beside the means of the standard library
    holes       offsets, beside a sorted list of holes
    placement   the policies, beside other allocators
    checks      the levels of checks
    misuse      the same mistakes, beside other allocators

Each takes at most six minutes, on a machine that does nothing else. The speed of a machine varies
over time: to run one contender to its end and then the next would compare two moments rather than
two contenders. So the contenders take turns.
"""

from __future__ import annotations

import argparse
import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import machine
import misuse
import page
import placement

ROUNDS = 9  # of a program of pyperf


def main() -> None:
    """Measure, and write the page."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    add = parser.add_argument
    add("page", choices=page.PAGES, help="what to measure")
    add("--quick", action="store_true", help="try everything once, and print the page instead")
    add("--traces", type=Path, action="append", default=[], help="a trace, or a folder (placement)")
    add("--wheel", type=Path, help="the wheel to weigh (calls)")
    options = parser.parse_args()
    results = page.RESULTS / options.page
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    facts = {"machine": machine.facts()} | measure(options, results)
    (results / "facts.json").write_text(json.dumps(facts))
    if options.quick:
        print(*page.texts(options.page).values(), sep="\n\n")
        page.draw(options.page, results)
    else:
        page.write(options.page)


def measure(options: argparse.Namespace, results: Path) -> dict[str, object]:
    """Measure; returns what neither library writes into the folder of the results."""
    if options.page == "placement":
        return {"figures": placement.measure(results, options.traces, options.quick)}
    if options.page == "checks":
        placement.measure_checks(results, options.quick)
        return {}
    if options.page == "misuse":
        return {"misuse": misuse.measure(placement.build(), options.quick)}
    return {"figures": measure_calls(options, results)}


def measure_calls(options: argparse.Namespace, results: Path) -> dict[str, float]:
    """Run a program of pyperf, every workload once a round."""
    script = [sys.executable, str(machine.HERE / f"{options.page}.py"), "--quiet"]
    script += [f"--append={results}/pyperf.json", *["--debug-single-value"] * options.quick]
    for _ in range(1 if options.quick else ROUNDS):
        subprocess.run(script, check=True)
    figures: dict[str, float] = importlib.import_module(options.page).figures(options.quick)
    if options.wheel:
        figures["wheel/the wheel"] = options.wheel.stat().st_size
    return figures


if __name__ == "__main__":
    main()
