"""The heap that faults are committed on, and the ways to name a block to it."""

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
"""What a heap may count its addresses from; nothing but the numbers may depend on it."""


FREED, THIRD, GONE, TOP = 22, 27, 47, 65
"""Granules where these blocks of a Bench start."""


@dataclass
class Bench:
    """A page, and the addresses of blocks in it.

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
        """Of the block with this payload: bytes from the region's first to the block's."""
        return address - self.heap.base - front(self.heap)


def make_bench(
    base: int | None = None, *, policy: str = "first_fit", headers: bool = True
) -> Bench:
    return worked_on(glassheap.Heap(4096, base=base, policy=policy, headers=headers))


def worked_on(heap: glassheap.Heap) -> Bench:
    """A fresh heap of about a page, brought to the state that is drawn above."""
    names = ["first", "second", "freed", "third", "gone", "merged", "twin"]
    sizes = [100, 200, 50, 300, 64, 64, 100]
    blocks = dict(zip(names, heap.malloc_many(sizes), strict=True))
    heap.free_many([blocks["freed"], blocks["merged"], blocks["gone"]])
    stale = heap.alloc(500)
    heap.free(stale.address)
    return Bench(heap=heap, stale=stale, **blocks)


class Kind(NamedTuple):
    """A policy, and a layout."""

    policy: str
    headers: bool
    base: int | None

    def heap(self, size: int, **options: Any) -> glassheap.Heap:
        """A heap of this kind over `size` bytes."""
        return glassheap.Heap(
            size, policy=self.policy, headers=self.headers, base=self.base, **options
        )

    def bench(self) -> Bench:
        """A page of this kind, worked on."""
        return make_bench(self.base, policy=self.policy, headers=self.headers)

    def __str__(self) -> str:
        """As the id of a test."""
        layout = "headers" if self.headers else "bare"
        return f"{self.policy}-{layout}" + ("-at-0" if self.base == 0 else "")


LAYOUTS = [(True, None), (False, None), (False, 0)]
"""Headers, and what addresses count from: without headers, from 0, a granule stays unused."""
KINDS = [
    Kind(policy.name, headers, base) for policy in glassheap.policies() for headers, base in LAYOUTS
]
"""Every policy in every layout: what the contract is tested on."""


def over_a_buffer(size: int, **options: Any) -> glassheap.Heap:
    """A heap inside a bytearray, which begins at no granule; its last granule is a sentinel."""
    inner = memoryview(bytearray(size + 4 * GRANULE))[5:]
    start = ctypes.addressof(ctypes.c_char.from_buffer(inner))
    odd = inner[3 - start % GRANULE + GRANULE :][: size + 2 * GRANULE - 2]
    return glassheap.Heap.over(odd, **options)


def shared(size: int, **options: Any) -> glassheap.Heap:
    """A heap that the processes could use that this one forks."""
    return glassheap.SharedHeap.create(buffer=mapped_for(size, **options), **options)


@cache
def bytes_for(size: int, **options: Any) -> int:
    """Of a mapping whose heap has so many."""
    with glassheap.SharedHeap.create(size=size, **options) as heap:
        return Path("/dev/shm", str(heap.name)).stat().st_size


def mapped_for(size: int, **options: Any) -> mmap.mmap:
    return mmap.mmap(-1, bytes_for(size, **options))


REGIONS: dict[str, Callable[..., glassheap.Heap]] = {
    "pages": glassheap.Heap,
    "pages, from 0": partial(glassheap.Heap, base=0),
    "a buffer": over_a_buffer,
    "shared": shared,
}
"""Kinds of region: a heap over about so many bytes of it, with these options."""


class Ground(NamedTuple):
    """A kind of region, a policy, a layout and a level: what every fault is committed on."""

    region: str
    policy: str
    headers: bool
    checks: str = "robust"

    def heap(self, size: int) -> glassheap.Heap:
        """A fresh heap of this kind, of about so many bytes."""
        return REGIONS[self.region](
            size, policy=self.policy, headers=self.headers, checks=self.checks
        )

    def bench(self) -> Bench:
        """About a page of this kind, worked on."""
        return worked_on(self.heap(4096))

    def __str__(self) -> str:
        """As the id of a test."""
        level = "" if self.checks == "robust" else f", {self.checks}"
        return f"{self.policy}, {'headers' if self.headers else 'bare'}, {self.region}{level}"


GROUNDS = [
    Ground(region, policy.name, headers)
    for region in REGIONS
    for policy in glassheap.policies()
    for headers in (True, False)
    if "pages" in region or policy.name in {"first_fit", "tlsf", "buddy"}
]
"""Every policy on pages; where only the bytes are others, one of each kind of index."""
WATCHED_GROUNDS = [ground._replace(checks="debug") for ground in GROUNDS]


OF_AN_ADDRESS: dict[str, Callable[[glassheap.Heap, Any], object]] = {
    "free": lambda heap, address: heap.free(address),
    "realloc": lambda heap, address: heap.realloc(address, 40),
    "usable_size": lambda heap, address: heap.usable_size(address),
    "view": lambda heap, address: heap.view(address),
    "free_many": lambda heap, address: heap.free_many([address]),
}
"""Every call that takes the address of a block."""

OF_A_SIZE: dict[str, Callable[[Bench, Any], object]] = {
    "malloc": lambda bench, size: bench.heap.malloc(size),
    "aligned": lambda bench, size: bench.heap.malloc(size, align=64),
    "calloc": lambda bench, size: bench.heap.calloc(1, size),
    "calloc, as a count": lambda bench, count: bench.heap.calloc(count, 1),
    "realloc": lambda bench, size: bench.heap.realloc(bench.first, size),
    "realloc of None": lambda bench, size: bench.heap.realloc(None, size),
    "alloc": lambda bench, size: bench.heap.alloc(size),
    "malloc_many": lambda bench, size: bench.heap.malloc_many([size, 8]),
}
"""Every call that takes a size."""

OF_AN_ALIGNMENT: dict[str, Callable[[Bench, Any], object]] = {
    "malloc": lambda bench, align: bench.heap.malloc(8, align=align),
    "realloc": lambda bench, align: bench.heap.realloc(bench.first, 8, align=align),
    "realloc of None": lambda bench, align: bench.heap.realloc(None, 8, align=align),
    "alloc": lambda bench, align: bench.heap.alloc(8, align=align),
}
"""Every call that takes an alignment."""


def give(number: int, call: Callable[[Bench, Any], object]) -> Callable[[Bench], object]:
    return lambda bench: call(bench, number)


CHANGES: dict[str, Callable[[Bench], object]] = {
    **{name: give(8, call) for name, call in OF_A_SIZE.items()},
    **{f"{name}, align": give(64, call) for name, call in OF_AN_ALIGNMENT.items()},
    "free": lambda b: b.heap.free(b.first),
    "free of None": lambda b: b.heap.free(None),
    "free of a bad address": lambda b: b.heap.free(8),
    "free_many": lambda b: b.heap.free_many([b.first]),
    "realloc to the same size": lambda b: b.heap.realloc(b.first, 100),
    "malloc of too much": lambda b: b.heap.malloc(2**64),
    "a handle's free": lambda b: b.stale.free(),
}
"""Every call that would change a heap."""
