"""The memory of a live block of 64 bytes, all included, and of the import.

A fresh interpreter reads its resident set before and after it allocates a hundred thousand blocks.
The difference divided by their number is the memory of a block with everything around it: header,
rounding, bookkeeping, and the eight bytes that hold its address.  Only Linux has this figure, in
/proc; on other systems the section is empty and says so.
"""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

from measuring.peers import BLOCK
from measuring.results import Section, middle, spread
from measuring.timing import run_calls_interleaved

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
"""The program of a fresh interpreter; `measured` counts, `prepare` does not."""

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
    """Measure the bytes of a block of each kind, and of the import."""
    title, columns = "Memory that becomes resident", ["what", "bytes", "all rounds"]
    if not STATM.exists():
        return Section(title, ["Not measured: this system has no /proc."], columns, [])
    calls = {name: partial(growth, *program, COUNT) for name, program in BLOCKS.items()}
    calls[IMPORT] = partial(growth, "", "import glassheap", 1)
    taken = run_calls_interleaved(calls, rounds)
    return Section(
        title=title,
        notes=[f"Bytes per live block of {BLOCK} bytes, among {COUNT:,}. The last row is a total."],
        columns=columns,
        rows=[[name, middle(sizes), spread(sizes)] for name, sizes in taken.items()],
        samples=taken,
        unit="bytes",
    )


def growth(prepare: str, measured: str, parts: int) -> float:
    """The growth of an interpreter in bytes, divided by `parts`."""
    program = PROGRAM.format(statm=str(STATM), prepare=prepare, measured=measured)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    return int(done.stdout) / parts
