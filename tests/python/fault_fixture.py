"""A heap prepared for faults, the configurations to test, and every call that can be misused."""

from __future__ import annotations

import ctypes
import mmap
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import glassheap
from heap_probes import GRANULE, front

if TYPE_CHECKING:
    from collections.abc import Callable

BASES = {"real": None, "offsets": 0, "high": 1 << 44}
"""Bases of a heap's addresses; nothing but the numbers may depend on the base."""


FREED, THIRD, TOP = 22, 27, 65
"""Granules at which these blocks of a PreparedHeap start."""


@dataclass
class PreparedHeap:
    """A heap of about a page, and the addresses of blocks in it.

    | first 100 | second 200 | hole, was freed 50 | third 300 | hole, was gone 64 and merged 64 |
    | twin 100 | free top, was stale 500 |
    """

    heap: glassheap.Heap
    first: int
    second: int
    freed: int
    third: int
    gone: int
    merged: int
    twin: int
    stale: glassheap.Block

    def offset(self, address: int) -> int:
        """Bytes from the start of the region to the start of the block with this payload."""
        return address - self.heap.base - front(self.heap)


def prepared_heap(base: int | None = None) -> PreparedHeap:
    """A prepared page."""
    return prepare(glassheap.Heap(4096, base=base))


def prepare(heap: glassheap.Heap) -> PreparedHeap:
    """Bring a fresh heap of about a page to the state drawn at PreparedHeap."""
    names = ["first", "second", "freed", "third", "gone", "merged", "twin"]
    sizes = [100, 200, 50, 300, 64, 64, 100]
    blocks = dict(zip(names, heap.malloc_many(sizes), strict=True))
    heap.free_many([blocks["freed"], blocks["merged"], blocks["gone"]])
    stale = heap.alloc(500)
    heap.free(stale.address)
    return PreparedHeap(heap=heap, stale=stale, **blocks)


def heap_over_buffer(size: int, **options: Any) -> glassheap.Heap:
    """A heap in a buffer that is not aligned to a granule; its last granule is a sentinel.

    The buffer has the same place in a page each time. Aligned requests then always get the same
    answer, which Hypothesis needs to replay a run.
    """
    inner = memoryview(bytearray(size + mmap.PAGESIZE + 4 * GRANULE))
    start = ctypes.addressof(ctypes.c_char.from_buffer(inner))
    odd = inner[(3 - start) % mmap.PAGESIZE :][: size + 2 * GRANULE - 2]
    return glassheap.Heap.over(odd, **options)


def shared(size: int, **options: Any) -> glassheap.Heap:
    """A heap in an anonymous mapping, which forked children would share."""
    return glassheap.SharedHeap.create(buffer=mapping_for(size, **options), **options)


@cache
def mapping_size(size: int, **options: Any) -> int:
    """Bytes of a mapping that holds a heap with `size` bytes."""
    with glassheap.SharedHeap.create(size=size, **options) as heap:
        return Path("/dev/shm", str(heap.name)).stat().st_size


def mapping_for(size: int, **options: Any) -> mmap.mmap:
    return mmap.mmap(-1, mapping_size(size, **options))


REGIONS: dict[str, Callable[..., glassheap.Heap]] = {
    "pages": glassheap.Heap,
    "pages, from 0": partial(glassheap.Heap, base=0),
    "a buffer": heap_over_buffer,
    "shared": shared,
}
"""Kinds of region; each function makes a heap of about `size` bytes with these options."""


class Configuration(NamedTuple):
    """A kind of region, a policy, a layout and a level of checks; every fault is tested on each."""

    region: str
    policy: str
    headers: bool
    checks: str = "robust"

    def heap(self, size: int, **options: Any) -> glassheap.Heap:
        """A fresh heap of this configuration, of about `size` bytes."""
        kind = {"policy": self.policy, "headers": self.headers, "checks": self.checks}
        return REGIONS[self.region](size, **kind, **options)

    def prepared(self) -> PreparedHeap:
        """A prepared heap of this configuration, of about a page."""
        return prepare(self.heap(4096))

    def wastes_a_granule(self) -> bool:
        """True if the first granule stays unused, because no payload has the address 0."""
        return self.region == "pages, from 0" and not self.headers

    def __str__(self) -> str:
        """The id of a test."""
        layout = "headers" if self.headers else "no headers"
        level = "" if self.checks == "robust" else f", {self.checks}"
        return f"{self.policy}, {layout}, {self.region}{level}"


CONFIGURATIONS = [
    Configuration(region, policy.name, headers)
    for region in REGIONS
    for policy in glassheap.policies()
    for headers in (True, False)
    if "pages" in region or policy.name in {"first_fit", "tlsf", "buddy"}
]
"""Every policy on pages; on other regions, one policy for each kind of index."""
KINDS = [one for one in CONFIGURATIONS if one.region == "pages" or one.wastes_a_granule()]
"""Every policy in every layout."""
DEBUG_CONFIGURATIONS = [configuration._replace(checks="debug") for configuration in CONFIGURATIONS]


ADDRESS_CALLS: dict[str, Callable[[glassheap.Heap, Any], object]] = {
    "free": lambda heap, address: heap.free(address),
    "realloc": lambda heap, address: heap.realloc(address, 40),
    "usable_size": lambda heap, address: heap.usable_size(address),
    "view": lambda heap, address: heap.view(address),
    "free_many": lambda heap, address: heap.free_many([address]),
}
"""Every call that takes the address of a block, by name."""

SIZE_CALLS: dict[str, Callable[[PreparedHeap, Any], object]] = {
    "malloc": lambda prepared, size: prepared.heap.malloc(size),
    "aligned": lambda prepared, size: prepared.heap.malloc(size, align=64),
    "calloc": lambda prepared, size: prepared.heap.calloc(1, size),
    "calloc, as a count": lambda prepared, count: prepared.heap.calloc(count, 1),
    "realloc": lambda prepared, size: prepared.heap.realloc(prepared.first, size),
    "realloc of None": lambda prepared, size: prepared.heap.realloc(None, size),
    "alloc": lambda prepared, size: prepared.heap.alloc(size),
    "malloc_many": lambda prepared, size: prepared.heap.malloc_many([size, 8]),
}
"""Every call that takes a size, by name."""

ALIGNMENT_CALLS: dict[str, Callable[[PreparedHeap, Any], object]] = {
    "malloc": lambda prepared, align: prepared.heap.malloc(8, align=align),
    "realloc": lambda prepared, align: prepared.heap.realloc(prepared.first, 8, align=align),
    "realloc of None": lambda prepared, align: prepared.heap.realloc(None, 8, align=align),
    "alloc": lambda prepared, align: prepared.heap.alloc(8, align=align),
}
"""Every call that takes an alignment, by name."""


def with_argument(
    number: int, call: Callable[[PreparedHeap, Any], object]
) -> Callable[[PreparedHeap], object]:
    return lambda prepared: call(prepared, number)


MUTATING_CALLS: dict[str, Callable[[PreparedHeap], object]] = {
    **{name: with_argument(8, call) for name, call in SIZE_CALLS.items()},
    **{f"{name}, align": with_argument(64, call) for name, call in ALIGNMENT_CALLS.items()},
    "free": lambda p: p.heap.free(p.first),
    "free of None": lambda p: p.heap.free(None),
    "free of a bad address": lambda p: p.heap.free(8),
    "free_many": lambda p: p.heap.free_many([p.first]),
    "realloc to the same size": lambda p: p.heap.realloc(p.first, 100),
    "malloc of too much": lambda p: p.heap.malloc(2**64),
    "a handle's free": lambda p: p.stale.free(),
}
"""Every call that can change a heap, by name."""
