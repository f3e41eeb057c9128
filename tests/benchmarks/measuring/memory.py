"""Memory: what a live block of 64 bytes takes, all told, and what the import does.

A fresh interpreter reads its resident set before and after it makes a hundred thousand blocks.  The
difference over their number is what a block takes with everything around it: headers, rounding,
bookkeeping, and the eight bytes of the place where its address is kept.  Linux alone tells this
exactly, in /proc; elsewhere the section says so and is empty.
"""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

from measuring.peers import BLOCK
from measuring.results import Section, middle, spread
from measuring.timing import race_of_calls

STATM = Path("/proc/self/statm")
COUNT = 100_000

PROGRAM = """
import os
from array import array

def resident():
    with open({statm!r}) as pages:
        return int(pages.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

{prepare}
before = resident()
{measured}
print(resident() - before)
"""
"""Run by a fresh interpreter; `prepare` is not counted, `measured` is."""

LIBC = """
import ctypes
malloc = ctypes.CDLL(None).malloc
malloc.argtypes, malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
"""

GLASSHEAP = f"""
import glassheap
heap = glassheap.Heap(2**26)
sizes = array("Q", [{BLOCK}]) * {COUNT}
"""

BLOCKS = {
    "glassheap, addresses in an array('Q')": (
        GLASSHEAP,
        "kept = heap.malloc_many(sizes)",
    ),
    "libc's malloc, addresses in an array('Q')": (
        LIBC,
        f"kept = array('Q', (malloc({BLOCK}) for _ in range({COUNT})))",
    ),
    f"bytearray({BLOCK}), in a list": ("", f"kept = [bytearray({BLOCK}) for _ in range({COUNT})]"),
}


IMPORT = "import glassheap, in all"


def measure(rounds: int, _seconds: float) -> Section:
    """Bytes of memory by what takes them."""
    title, columns = "Memory that becomes resident", ["what", "bytes", "all rounds"]
    if not STATM.exists():
        return Section(title, ["Not measured: this system has no /proc."], columns, [])
    calls = {name: partial(grown, *program, COUNT) for name, program in BLOCKS.items()}
    calls[IMPORT] = partial(grown, "", "import glassheap", 1)
    taken = race_of_calls(calls, rounds)
    return Section(
        title=title,
        notes=[f"Bytes per live block of {BLOCK} bytes, among {COUNT:,}. The last row is a total."],
        columns=columns,
        rows=[[name, middle(sizes), spread(sizes)] for name, sizes in taken.items()],
        samples=taken,
        unit="bytes",
    )


def grown(prepare: str, measured: str, parts: int) -> float:
    """How many bytes an interpreter has grown by, over `parts`."""
    program = PROGRAM.format(statm=str(STATM), prepare=prepare, measured=measured)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    return int(done.stdout) / parts
