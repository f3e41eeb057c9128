"""The cost of calls from Python: glassheap beside other ways to do the same.

Two commands write docs/benchmarks.md (workload.py describes the command line of this script):

    python tests/benchmarks/rounds.py -o calls.json tests/benchmarks/calls.py --wheel FILE
    python tests/benchmarks/page.py calls calls.json docs/benchmarks.md

With `--traces DIR` it replays the traces of a folder instead of the one in the package.
"""

from __future__ import annotations

import mmap
import random
import subprocess
import sys
import zipfile
from array import array
from functools import cache, cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import workload
from peers import BLOCK, BY_HAND, METHODS, PEERS, REGION
from tables import LOOP, MS, NS, ONE, Bar, Table, difference, number, of, ratio, spread
from workload import MissingError, Workload, record, repeated, seconds_of, timed

import glassheap
from glassheap import Heap, traces
from glassheap.replay import replay

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyperf

OWN = "glassheap"
TARGETS = {
    "libc by ctypes": "at least 5 times as fast",
    "libc by cffi, ABI mode": "at least 5 times as fast",
    f"bytearray({BLOCK})": "more than 1 times as fast",
    "multiprocessing.heap, Heap": "at least 50 times as fast",
}
PAIRS = Table(
    "pair",
    f"malloc and free of {BLOCK} bytes, from Python",
    ["by", "ns a pair", "all rounds", "times glassheap's"],
    NS,
    {LOOP: timed("pass"), OWN: timed(METHODS, lambda: {"heap": Heap(REGION)}), **PEERS},
    compared=OWN,
    bars=[
        Bar(f"a pair, against {BY_HAND}", "at most 1.30 times its time", ratio(OWN, BY_HAND)),
        *(Bar(f"a pair, against {peer}", TARGETS[peer], ratio(peer, OWN)) for peer in TARGETS),
    ],
)

# --- A million blocks in one call. ----------------------------------------------------------------

COUNT = 1_000_000
LARGEST = 256
HEADER = 16


class Batch:
    """The sizes, drawn from a fixed seed; a heap that was used before; the calls to time.

    In a new region the system has to find and clear each page at the first access; a region that
    was used before has its pages. A program meets the first case once and the second one
    afterwards, so both are measured, and the system's time for the pages alone.
    """

    def __init__(self) -> None:
        self.sizes = random.Random(COUNT).choices(range(1, LARGEST + 1), k=COUNT)
        self.array = array("Q", self.sizes)
        self.region = sum(HEADER + size + -size % 16 for size in self.sizes)
        self.used = Heap(self.region)
        self.order = self.used.malloc_many(self.array)

    @cached_property
    def shuffled(self) -> array[int]:
        """The addresses in random order."""
        return array("Q", random.Random(COUNT).sample(self.order, COUNT))

    def untouched(self) -> float:
        """Allocate the blocks in an untouched region."""
        with Heap(self.region) as heap:
            return seconds_of(lambda: heap.malloc_many(self.array))

    def pages(self) -> float:
        """Write a byte to each page of a new region, without a heap."""
        with mmap.mmap(-1, self.region, flags=mmap.MAP_PRIVATE) as pages:
            if hasattr(mmap, "MADV_HUGEPAGE"):  # a heap asks for them too
                pages.madvise(mmap.MADV_HUGEPAGE)
            return seconds_of(lambda: touch(pages))

    def malloc_many(self, sizes: Sequence[int] | array[int]) -> float:
        """Allocate the blocks in a heap that was reset."""
        self.used.reset()
        return seconds_of(lambda: self.used.malloc_many(sizes))

    def malloc_each(self) -> float:
        """Allocate the same blocks by single calls."""
        self.used.reset()
        malloc = self.used.malloc
        return seconds_of(lambda: [malloc(size) for size in self.sizes])

    def free_many(self, addresses: array[int]) -> float:
        """Free the blocks; the heap returns the same addresses every time."""
        self.used.reset()
        self.used.malloc_many(self.array)
        return seconds_of(lambda: self.used.free_many(addresses))


def touch(pages: mmap.mmap) -> None:
    """Write one byte to each page."""
    for offset in range(0, len(pages), mmap.PAGESIZE):
        pages[offset] = 1


def batch(call: Callable[[Batch], float]) -> Workload:
    """A call on a batch, in seconds a block."""
    prepared = cache(Batch)
    return repeated(lambda: call(prepared()), COUNT)


FRESH = "malloc_many, array('Q'), untouched region"
USED = "malloc_many, array('Q'), region used before"
BATCHES = Table(
    "batch",
    f"A million blocks of 1 to {LARGEST} bytes in one call",
    ["call", "ns a block", "all rounds"],
    NS,
    {
        FRESH: batch(Batch.untouched),
        USED: batch(lambda it: it.malloc_many(it.array)),
        "malloc_many, list, region used before": batch(lambda it: it.malloc_many(it.sizes)),
        "the system alone: touching the pages of such a region": batch(Batch.pages),
        "malloc in a list comprehension, region used before": batch(Batch.malloc_each),
        "free_many, array('Q'), in order of address": batch(lambda it: it.free_many(it.order)),
        "free_many, array('Q'), shuffled": batch(lambda it: it.free_many(it.shuffled)),
    },
    bars=[Bar(name, "at most 20 ns a block", of(name)) for name in (FRESH, USED)],
)

# --- Start and memory, of fresh interpreters. -----------------------------------------------------


def start(code: str) -> Workload:
    """An interpreter, run to its end; isolated, so that it finds no other module by chance."""
    line = [sys.executable, "-I", "-c", code]
    return lambda runner, name: runner.bench_command(name, line)


PLAIN, IMPORTING = "python -c 'pass'", "python -c 'import glassheap'"
ADDED = difference(IMPORTING, PLAIN)
STARTS = Table(
    "start",
    "The start of the interpreter",
    ["what", "ms", "all rounds"],
    MS,
    {PLAIN: start("pass"), IMPORTING: start("import glassheap")},
    note="Each command was started at least three times a round.",
    derived={"the import adds": ADDED},
    bars=[Bar("import glassheap, added to the start", "at most 15 ms", ADDED)],
)

STATM = Path("/proc/self/statm")
LIVE = 100_000
PROGRAM = f"""
import ctypes, os, sys
from array import array
malloc = ctypes.CDLL(None).malloc
malloc.argtypes, malloc.restype = [ctypes.c_size_t], ctypes.c_void_p

def resident():
    with open("{STATM}") as pages:
        return int(pages.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

exec(sys.argv[1])
before = resident()
exec(sys.argv[2])
print(resident() - before)
"""


def growth(prepare: str, measured: str, parts: int = LIVE) -> Workload:
    """The growth of a fresh interpreter's resident set in bytes, divided by `parts`.

    For a block this is all that is around it: header, rounding, bookkeeping, the kept address.
    """

    def run(runner: pyperf.Runner, name: str) -> None:
        if not STATM.exists():
            raise MissingError("this system has no /proc")
        line = [sys.executable, "-c", PROGRAM, prepare, measured]
        done = subprocess.run(line, capture_output=True, check=True)
        record(runner, name, int(done.stdout) / parts, "byte")

    return run


HEAP = f"import glassheap; h = glassheap.Heap(2**26); sizes = array('Q', [{BLOCK}]) * {LIVE}"
MALLOC_EACH = f"kept = array('Q', (malloc({BLOCK}) for _ in range({LIVE})))"
BYTEARRAYS = f"kept = [bytearray({BLOCK}) for _ in range({LIVE})]"
MEMORY = Table(
    "memory",
    "Memory that becomes resident",
    ["what", "bytes", "all rounds"],
    ONE,
    {
        "glassheap, addresses in an array('Q')": growth(HEAP, "kept = h.malloc_many(sizes)"),
        "libc's malloc, addresses in an array('Q')": growth("", MALLOC_EACH),
        f"bytearray({BLOCK}), in a list": growth("", BYTEARRAYS),
        "import glassheap, in all": growth("", "import glassheap", 1),
    },
    note=f"Bytes per live block of {BLOCK} bytes, among {LIVE:,}. The last row is a total.",
)

# --- The wheel. -----------------------------------------------------------------------------------


def weigh(runner: pyperf.Runner, name: str) -> None:
    """Record the size of the wheel, and of its four largest files."""
    wheel = runner.args.wheel
    if wheel is None:
        raise MissingError("no wheel was given with --wheel FILE")
    with zipfile.ZipFile(wheel) as archive:
        members = sorted(archive.infolist(), key=lambda member: -member.compress_size)
    unpacked = sum(member.file_size for member in members)
    record(runner, name, wheel.stat().st_size, "byte", unpacked=unpacked)
    for member in members[:4]:
        size, unpacked = member.compress_size, member.file_size
        record(runner, f"wheel: {member.filename}", size, "byte", unpacked=unpacked)


WHEEL = Table(
    "wheel",
    "The wheel",
    ["file", "bytes", "unpacked"],
    ONE,
    {"the wheel": weigh},  # records its largest files too
    cells=lambda times, facts: [number(times[0]), number(facts[0]["unpacked"])],
    bars=[Bar("the wheel", "under 600,000 bytes", of("the wheel"))],
)

# --- Recorded programs, inside the heap, without Python around an operation. ----------------------

DATA = Path(glassheap.__file__).parent / "data"


def replays(folder: Path) -> dict[str, Workload]:
    """The traces under a folder, plain or compressed."""
    files = {file.relative_to(folder).as_posix(): file for file in sorted(folder.rglob("*"))}
    return {
        f"replay: {name}": partial(run_replays, file)
        for name, file in files.items()
        if name.removesuffix(".gz").endswith((".rep", ".script", ".trace"))
    }


def run_replays(file: Path, runner: pyperf.Runner, name: str) -> None:
    """Time replays in new regions of the size that the first replay finds."""
    try:
        trace = traces.read(file)
    except traces.TraceError as error:
        raise MissingError(str(error)) from None
    found = replay(trace)
    runner.metadata.update(region=found.region, utilisation=found.peak_utilisation)
    repeated(partial(play, trace, found.region), found.operations)(runner, name)


def play(trace: traces.Trace, size: int) -> float:
    """Seconds of a replay."""
    report = replay(trace, size)
    report.heap.close()
    return report.nanoseconds_per_operation * report.operations / 1e9


REPLAYS = Table(
    "replay",
    "Replayed traces",
    ["trace", "operations", "ns an operation", "all rounds", "region", "utilisation"],
    NS,
    {},
    cells=lambda times, facts: [
        number(facts[0]["inner_loops"]),
        *spread(times),
        number(facts[0]["region"]),
        f"{facts[0]['utilisation']:.1%}",
    ],
)

TABLES = [PAIRS, BATCHES, STARTS, MEMORY, WHEEL, REPLAYS]

if __name__ == "__main__":
    runner = workload.create_runner()
    runner.argparser.add_argument("--traces", type=Path, default=DATA, help="a folder of traces")
    runner.argparser.add_argument("--wheel", type=Path, help="the wheel to weigh")
    sys.exit(workload.main(runner, TABLES, replays(runner.parse_args().traces)))
