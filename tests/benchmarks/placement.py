"""Runs glassheap-bench: each workload in a process of its own, pinned to one processor.

Google Benchmark interleaves the repetitions of all heaps in random order. A malloc that is
preloaded takes the place of libc's, in another process; so do the policies without checks, which
are another build. These processes take turns.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import memory
import peers
from instructions import compare
from machine import BUILD, HERE, PRELOADED, ROOT, output, preloads

from glassheap import traces

if TYPE_CHECKING:
    from pathlib import Path

    from glassheap.traces import Trace

SHIPPED = ROOT / "python/glassheap/data"
FORMATS = re.compile(r"\.(rep|script|trace)(\.gz)?$")
TURNS, REPETITIONS, SECONDS = 3, 3, 0.03
BARE = "(segregated_fit|first_fit)/no checks"
"""The policies that are also measured without checks."""


def build(preset: str = "bench", *options: str) -> Path:
    """Build the benchmarks, and return the folder of the programs."""
    folder = BUILD / preset
    cmake = ["cmake", "--preset", "bench", "-S", str(ROOT), "-B", str(folder), *options]
    subprocess.run(cmake, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", folder], check=True, stdout=subprocess.DEVNULL)
    return folder / HERE.relative_to(ROOT)


def build_both() -> tuple[Path, Path]:
    """Build the benchmarks with checks and without, and all peers."""
    peers.fetch()
    return build(), build("bench-unchecked", "-DGLASSHEAP_CHECKS=none")


def run(program: Path, names: str, out: Path, quick: bool, malloc: str = "libc malloc") -> None:
    """Run the benchmarks whose names match, also of the traces beside the results; keep those."""
    print(names, file=sys.stderr)
    done = output(
        str(program),
        *map(str, sorted(out.parent.glob("*.trace"))),
        f"--benchmark_filter={names}",
        f"--benchmark_out={out}",
        f"--benchmark_repetitions={1 if quick else REPETITIONS}",
        f"--benchmark_min_time={0.001 if quick else SECONDS}",
        "--benchmark_enable_random_interleaving=true",
        LD_PRELOAD=PRELOADED.get(malloc, ""),
        BENCH_MALLOC=malloc,
    )
    if done.returncode != 0:
        sys.exit(done.stderr)


def measure(results: Path, given: list[Path], quick: bool) -> dict[str, float]:
    """Measure the time of every workload on every heap; returns instructions and memory."""
    folders = build_both()
    instructions = compare.measure_all(str(folders[0] / "glassheap-pairs"))[1]
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    program, bare = (folder / "glassheap-bench" for folder in folders)
    found = read_traces([SHIPPED, *given])
    for name, trace in found.items():
        write_trace(trace, results / f"{name}.trace")
    for number, load in enumerate(loads(found, quick)):
        for turn in range(1 if quick else TURNS):
            out = f"{number:02}.{turn}"
            run(program, f"^{load}/", results / f"{out}.0.json", quick)
            run(bare, f"^{load}/{BARE}", results / f"{out}.1.json", quick)
            for name in preloads():
                run(program, f"^{load}/{name}$", results / f"{out}.{name}.json", quick, name)
    run(program, "^size:", results / "sizes.json", quick)
    names = ((*reversed(name.split(", ")), figure) for name, figure in instructions.items())
    counted = {f"instructions:{load}/{heap}": figure for load, heap, figure in names}
    return counted | memory.measure()


def loads(found: dict[str, Trace], quick: bool) -> list[str]:
    """The names of the workloads."""
    lives = (100, 1000) if quick else (100, 1000, 10_000, 100_000)
    churns = [f"churn:{sizes}:{live}" for sizes in ("uniform", "log-normal") for live in lives]
    return [*(f"trace:{name}" for name in found), *churns, "lifo"]


def measure_checks(results: Path, quick: bool) -> None:
    """Measure the levels of checks, those of two builds in turns."""
    folders = build_both()
    for turn in range(1 if quick else 3):
        for number, folder in enumerate(folders):
            run(folder / "glassheap-bench", "^checks", results / f"{turn}.{number}.json", quick)


# --- Traces. --------------------------------------------------------------------------------------


def read_traces(given: list[Path]) -> dict[str, Trace]:
    """The files, and those directly in the folders, by name."""
    files = [file for it in given for file in (sorted(it.iterdir()) if it.is_dir() else [it])]
    chosen = [file for file in files if FORMATS.search(file.name)]
    return {file.name.partition(".")[0]: traces.read(file) for file in chosen}


def write_trace(trace: Trace, file: Path) -> None:
    """Write what glassheap-bench reads, with a free of each block that is left."""
    last = dict(zip(trace.ids, trace.kinds, strict=True))
    left = [f"f {block} 0" for block, kind in last.items() if kind != traces.FREE]
    operations = zip(trace.kinds, trace.ids, trace.sizes, strict=True)
    lines = [f"{'arf'[kind]} {block} {size}" for kind, block, size in operations]
    file.write_text("\n".join([*lines, *left]))
