"""The cost of calls from Python, beside other ways to do the same: a program of pyperf.

measure.py runs it in rounds; pages/python.py has its tables. A benchmark's name is GROUP/ROW.

glassheap, the type written by hand and multiprocessing.heap have methods and are called as in a
program. The functions of ctypes and cffi are local variables of the loop, which saves them the
attribute look-up. cffi has two modes: in ABI mode it opens the library at run time, like ctypes; in
API mode it writes a C extension for the declared functions, as fast as one written by hand, but the
functions must be known at build time.
"""

from __future__ import annotations

import ctypes
import mmap
import random
import subprocess
import sys
from array import array
from functools import cache, cached_property, partial
from time import perf_counter
from typing import TYPE_CHECKING

import cffi
import pyperf

from glassheap import Heap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# --- A pair of calls. -----------------------------------------------------------------------------

BLOCK, REGION = 64, 4096
"""Bytes of the block that every contender allocates; and of its heap, if it has one."""
METHODS = f"heap.free(heap.malloc({BLOCK}))"
FUNCTIONS = f"free(malloc({BLOCK}))"


def by_ctypes() -> tuple[object, object]:
    """libc's functions through ctypes; without declared types it would cut addresses to 32 bits."""
    libc = ctypes.CDLL(None)
    libc.malloc.argtypes, libc.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
    libc.free.argtypes, libc.free.restype = [ctypes.c_void_p], None
    return libc.malloc, libc.free


def by_cffi() -> tuple[object, object]:
    """libc's functions through cffi, found at run time."""
    ffi = cffi.FFI()
    ffi.cdef("void *malloc(size_t size); void free(void *address);")
    libc = ffi.dlopen(None)
    return libc.malloc, libc.free


PAIRS = {
    "glassheap": (METHODS, f"from glassheap import Heap; heap = Heap({REGION})"),
    "a C type written by hand": (
        METHODS,
        f"from glassheap_peer import Heap; heap = Heap({REGION})",
    ),
    "libc by ctypes": (FUNCTIONS, "malloc, free = by_ctypes()"),
    "libc by cffi, ABI mode": (FUNCTIONS, "malloc, free = by_cffi()"),
    "libc by cffi, API mode (compiled)": (FUNCTIONS, "from libc_peer.lib import malloc, free"),
    f"bytearray({BLOCK})": (f"bytearray({BLOCK})", "pass"),
    "multiprocessing.heap, Heap": (METHODS, "from multiprocessing.heap import Heap; heap = Heap()"),
    "multiprocessing.heap, BufferWrapper": (
        f"BufferWrapper({BLOCK})",
        "from multiprocessing.heap import BufferWrapper",
    ),
}

# --- A million blocks in one call. ----------------------------------------------------------------

COUNT, LARGEST, HEADER = 1_000_000, 256, 16


def seconds_of(call: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = perf_counter()
    call()
    return perf_counter() - start


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
        with Heap(self.region, huge_pages=True) as heap:
            return seconds_of(lambda: heap.malloc_many(self.array))

    def pages(self) -> float:
        """Write a byte to each page of a new region, without a heap."""
        with mmap.mmap(-1, self.region, flags=mmap.MAP_PRIVATE) as pages:
            if hasattr(mmap, "MADV_HUGEPAGE"):  # the heap asks for them too
                pages.madvise(mmap.MADV_HUGEPAGE)
            firsts = slice(0, len(pages), mmap.PAGESIZE)
            zeros = bytes(len(range(0, len(pages), mmap.PAGESIZE)))
            return seconds_of(lambda: pages.__setitem__(firsts, zeros))

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


BATCHES: dict[str, Callable[[Batch], float]] = {
    "malloc_many, array('Q'), untouched region": Batch.untouched,
    "malloc_many, array('Q'), region used before": lambda it: it.malloc_many(it.array),
    "malloc_many, list, region used before": lambda it: it.malloc_many(it.sizes),
    "the system alone: touching the pages of such a region": Batch.pages,
    "malloc in a list comprehension, region used before": Batch.malloc_each,
    "free_many, array('Q'), in order of address": lambda it: it.free_many(it.order),
    "free_many, array('Q'), shuffled": lambda it: it.free_many(it.shuffled),
}
prepared = cache(Batch)


def batches(call: Callable[[Batch], float], loops: int) -> float:
    """Seconds of so many batches."""
    return sum(call(prepared()) for _ in range(loops))


# --- Start and memory, of fresh interpreters. -----------------------------------------------------

LIVE = 100_000
GROWTH = """
import ctypes, os, sys
from array import array
malloc = ctypes.CDLL(None).malloc
malloc.argtypes, malloc.restype = [ctypes.c_size_t], ctypes.c_void_p

def resident():
    with open("/proc/self/statm") as pages:
        return int(pages.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

exec(sys.argv[1])
before = resident()
exec(sys.argv[2])
print(resident() - before)
"""
HEAP = f"import glassheap; h = glassheap.Heap(2**26); sizes = array('Q', [{BLOCK}]) * {LIVE}"
MALLOC_EACH = f"kept = array('Q', (malloc({BLOCK}) for _ in range({LIVE})))"
BYTEARRAYS = f"kept = [bytearray({BLOCK}) for _ in range({LIVE})]"
MEMORY = {
    "glassheap, addresses in an array('Q')": (HEAP, "kept = h.malloc_many(sizes)", LIVE),
    "libc's malloc, addresses in an array('Q')": ("", MALLOC_EACH, LIVE),
    f"bytearray({BLOCK}), in a list": ("", BYTEARRAYS, LIVE),
    "import glassheap, in all": ("", "import glassheap", 1),
}


def growth(prepare: str, measured: str, parts: int) -> float:
    """The growth of a fresh interpreter's resident set in bytes, divided by `parts`.

    For a block this is all that is around it: header, rounding, bookkeeping, the kept address.
    """
    line = [sys.executable, "-c", GROWTH, prepare, measured]
    return int(subprocess.run(line, capture_output=True, check=True).stdout) / parts


def figures(_quick: bool) -> dict[str, float]:
    """Figures that need no repetition: bytes that become resident."""
    return {f"memory/{name}": growth(*arguments) for name, arguments in MEMORY.items()}


if __name__ == "__main__":
    runner = pyperf.Runner(processes=1, values=3, min_time=0.05)
    for name, (statement, setup) in PAIRS.items():
        runner.timeit(f"pair/{name}", statement, setup, duplicate=10, globals=globals())
    for name, call in BATCHES.items():
        runner.bench_time_func(f"batch/{name}", partial(batches, call), inner_loops=COUNT)
    for code in ("pass", "import glassheap"):  # isolated: no other module is found by chance
        runner.bench_command(f"start/python -c '{code}'", [sys.executable, "-I", "-c", code])
