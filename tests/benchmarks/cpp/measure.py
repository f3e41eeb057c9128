"""Runs the placement benchmark on every workload, with every malloc, and writes the page.

    cmake --preset bench && cmake --build --preset bench
    python tests/benchmarks/cpp/measure.py                  prints the page
    python tests/benchmarks/cpp/measure.py --page FILE --traces FOLDER
    python tests/benchmarks/cpp/measure.py --only lifo --rounds 1

It takes half an hour, on a machine that does nothing else, and needs the installed glassheap. The
peers are Debian's packages libboost-container-dev and libtbb-dev, from before the build, and
libmimalloc2.0, libjemalloc2 and libtcmalloc-minimal4. The page names a peer that is missing.

Each workload runs in a process of its own, on all heaps that are built in, whose repetitions Google
Benchmark interleaves in random order; and in another process for each malloc to preload. All
results become one file, in the format of Google Benchmark, which page.py turns into the page.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memory import measure as measure_memory
from page import Page
from results import Results

from glassheap import traces
from glassheap.replay.sizing import demand, memory_limit

if TYPE_CHECKING:
    from collections.abc import Callable

    from glassheap.traces import Trace

ROOT = Path(__file__).resolve().parents[3]
BUILD = ROOT / ".build/bench"
PROGRAM = BUILD / "tests/benchmarks/cpp/glassheap-bench"
SHIPPED = ROOT / "python/glassheap/data"
TRACE = re.compile(r"\.(rep|script|trace)(\.gz)?$")
PRELOADED = {
    "mimalloc": "libmimalloc.so.2",
    "jemalloc": "libjemalloc.so.2",
    "tcmalloc": "libtcmalloc_minimal.so.4",
}

Json = dict[str, Any]
"""A JSON file of Google Benchmark: {"context": {...}, "benchmarks": [{...}, ...]}."""


@dataclass(frozen=True)
class Program:
    """The benchmark program and its arguments."""

    file: Path
    traces: list[Path]
    options: list[str]

    def workloads(self) -> list[str]:
        """All workloads, in order."""
        names = self.run(["--benchmark_list_tests"]).splitlines()
        return list(dict.fromkeys(name.partition("/")[0] for name in names))

    def measure(self, names: str, preload: str = "") -> Json:
        """Run the benchmarks whose names match; no results if the program fails."""
        print(preload, names, file=sys.stderr)
        with tempfile.NamedTemporaryFile("r", suffix=".json") as out:
            options = [f"--benchmark_filter={names}", f"--benchmark_out={out.name}", *self.options]
            try:
                self.run(options, preload)
            except subprocess.CalledProcessError as error:
                print(f"measure.py: {error}\n{error.stderr}", file=sys.stderr)
                return {"context": {}, "benchmarks": []}
            results = dict(json.load(out))
        results["benchmarks"].sort(key=lambda run: run["family_index"])  # they were interleaved
        return results

    def run(self, options: list[str], preload: str = "") -> str:
        """Run the program; its output."""
        command = [str(self.file), *map(str, self.traces), *options]
        env = os.environ | ({"LD_PRELOAD": preload} if preload else {})
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout


def measure_all(program: Program, only: Callable[[str], object]) -> Json:
    """The results of all workloads whose names match."""
    found: Json = {"context": {}, "benchmarks": []}
    for workload in filter(only, program.workloads()):
        results = program.measure(f"^{workload}/")
        found["context"] = results["context"] | found["context"]
        found["benchmarks"] += results["benchmarks"]
        add_preloaded(program, workload, found)
    return found


def add_preloaded(program: Program, workload: str, found: Json) -> None:
    """Add the results of each malloc that can be preloaded."""
    for name, library in PRELOADED.items():
        results = program.measure(f"^{workload}/libc malloc$", library)
        malloc = results["context"].get("malloc", "")
        if not malloc.startswith(library):
            continue
        found["context"][name] = malloc
        for run in results["benchmarks"]:
            found["benchmarks"].append(run | {"name": run["name"].replace("libc malloc", name)})


def machine_facts() -> dict[str, str]:
    """A description of the machine: enough to judge the figures, and nothing that identifies it."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    release = ".".join(platform.release().split(".")[:2])
    system = f"{platform.system()} {release}, {platform.machine()}"
    libc = " ".join(platform.libc_ver())
    return {"processor": model[1] if model else "-", "system": system, "libc malloc": libc}


def read_traces(folders: list[Path]) -> dict[str, Trace]:
    """The shipped trace, and those directly in the folders, by name."""
    files = [file for folder in [SHIPPED, *folders] for file in sorted(folder.iterdir())]
    chosen = [file for file in files if TRACE.search(file.name)]
    return {file.name.partition(".")[0]: traces.read(file) for file in chosen}


def write_trace(trace: Trace, file: Path) -> Path:
    """Write arrays in the byte order of this machine, with a free of each block left; the file."""
    last = dict(zip(trace.ids, trace.kinds, strict=True))
    left = [block for block, kind in last.items() if kind != traces.FREE]
    kinds = trace.kinds + bytes([traces.FREE]) * len(left)
    ids, sizes = trace.ids + array("I", left), trace.sizes + array("Q", bytes(8 * len(left)))
    counts = array("Q", [len(kinds), trace.id_count, demand(trace, memory_limit()).bytes])
    file.write_bytes(b"".join([counts.tobytes(), kinds, ids.tobytes(), sizes.tobytes()]))
    return file


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    add = parser.add_argument
    add("--program", type=Path, default=PROGRAM, help="glassheap-bench")
    add("--traces", type=Path, action="append", default=[], help="a folder of traces")
    add("--only", default=".*", help="a regular expression for the workloads")
    add("--rounds", type=int, default=5, help="repetitions (5)")
    add("--seconds", type=float, default=0.3, help="time of a repetition (0.3)")
    add("--json", type=Path, default=BUILD / "placement.json", help="the file of results")
    add("--page", type=Path, help="the page to write; without it, it is printed")
    return parser.parse_args()


def main() -> int:
    """Measure, and write the results and the page."""
    arguments = parse_arguments()
    if not arguments.program.exists():
        print(f"measure.py: {arguments.program} is not built; see --help.", file=sys.stderr)
        return 2
    options = [
        f"--benchmark_repetitions={arguments.rounds}",
        f"--benchmark_min_time={arguments.seconds}",
        "--benchmark_enable_random_interleaving=true",
    ]
    wanted = re.compile(arguments.only).fullmatch
    found = read_traces(arguments.traces)
    with tempfile.TemporaryDirectory() as folder:
        files = [write_trace(trace, Path(folder, name)) for name, trace in found.items()]
        results = measure_all(Program(arguments.program, files, options), wanted)
    results["benchmarks"] += measure_memory(found, wanted)
    results["context"] |= machine_facts() | vars(arguments)
    arguments.json.write_text(json.dumps(results, indent=1, default=str))
    text = Page(Results(results)).markdown()
    arguments.page.write_text(text) if arguments.page else print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
