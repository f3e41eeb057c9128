"""A KV cache: what is evicted to make room for a request, in two ways.

    python docs/examples/kv_cache.py

A request reads a prefix of 64 KiB to 1 MiB, which stays for later requests, and writes to a buffer
of its own of 1 to 16 MiB, which goes when the request ends. Some prefixes are popular (Zipf's law).
The prefixes and buffers of the requests that run are pinned. If there is no hole for a new block,
prefixes are evicted: the least recently used ones until the largest hole will do, as caches do
whose allocator cannot tell more; or those that `Heap.cheapest` finds.

The heap cuts offsets, and touches no memory: what it describes may be that of a GPU.
"""

from __future__ import annotations

import random
from collections import OrderedDict, deque
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from glassheap import OffsetHeap, OutOfMemory

if TYPE_CHECKING:
    from collections.abc import Callable

    from glassheap import BlockInfo

KIB, MIB = 1 << 10, 1 << 20


class Load(NamedTuple):
    """The requests, and the memory for them."""

    memory: int = 512 * MIB
    prefixes: int = 1300
    requests: int = 60_000
    running: int = 8
    policy: str = "first_fit"
    seed: int = 1


class Cache:
    """Prefixes and buffers in one heap, and a way to make room for a block of a size."""

    def __init__(self, load: Load, make_room: Callable[[Cache, int], None]) -> None:
        self.heap = OffsetHeap(load.memory, granule=4 * KIB, policy=load.policy)
        self.make_room = make_room
        self.places: OrderedDict[int, int] = OrderedDict()
        """The address of each prefix, the least recently used first."""
        self.prefixes: dict[int, int] = {}
        """The prefix at each address."""
        self.running: deque[tuple[int, int]] = deque()
        """The prefix and the buffer of each request."""
        self.hits = self.evicted = 0

    def serve(self, prefix: int, prefix_size: int, buffer_size: int) -> None:
        """Begin a request: find its prefix, or store it, and allocate its buffer."""
        if prefix in self.places:
            self.hits += 1
            self.places.move_to_end(prefix)
        else:
            self.places[prefix] = self.allocate(prefix_size)
            self.prefixes[self.places[prefix]] = prefix
        self.running.append((prefix, -1))  # pinned while its buffer is allocated
        self.running[-1] = prefix, self.allocate(buffer_size)

    def end_oldest(self) -> None:
        """End the request that has run for the longest time."""
        self.heap.free(self.running.popleft()[1])

    def allocate(self, size: int) -> int:
        """The address of a new block; prefixes are evicted if there is no hole for it."""
        try:
            return self.heap.malloc(size)
        except OutOfMemory:
            self.make_room(self, size)
            return self.heap.malloc(size)

    def evict(self, prefix: int) -> None:
        """Give the memory of a prefix back."""
        address = self.places.pop(prefix)
        del self.prefixes[address]
        self.evicted += self.heap.usable_size(address)
        self.heap.free(address)

    def pinned(self) -> set[int]:
        """The prefixes of the requests that run."""
        return {prefix for prefix, _ in self.running}


# --- Two ways to make room. -----------------------------------------------------------------------


def least_recently_used(cache: Cache, size: int) -> None:
    """Evict the least recently used prefixes, until the largest hole is large enough."""
    pinned = cache.pinned()
    for prefix in [one for one in cache.places if one not in pinned]:
        cache.evict(prefix)
        if cache.heap.largest_free() >= size:
            return


def cheapest(cache: Cache, size: int) -> None:
    """Evict the fewest bytes that make one hole of the size."""
    pinned = cache.pinned()

    def cost(block: BlockInfo) -> float | None:
        prefix = cache.prefixes.get(block.address)  # None: the buffer of a request
        return None if prefix is None or prefix in pinned else block.size

    found = cache.heap.cheapest(size, cost=cost)
    for block in found.blocks if found else []:
        cache.evict(cache.prefixes[block.address])


# --- The same requests for both. ------------------------------------------------------------------


def play(load: Load, make_room: Callable[[Cache, int], None]) -> Cache:
    """The cache after all requests."""
    draw = random.Random(load.seed)
    sizes = [int(64 * KIB * 16 ** draw.random()) for _ in range(load.prefixes)]
    popularity = list(accumulate(1 / rank for rank in range(1, load.prefixes + 1)))
    cache = Cache(load, make_room)
    for prefix in draw.choices(range(load.prefixes), cum_weights=popularity, k=load.requests):
        if len(cache.running) == load.running:
            cache.end_oldest()
        cache.serve(prefix, sizes[prefix], int(MIB * 16 ** draw.random()))
    return cache


def main() -> None:
    """Print what each way has evicted."""
    load = Load()
    for way in (least_recently_used, cheapest):
        cache = play(load, way)
        hits = cache.hits / load.requests
        print(f"{way.__name__:20} {cache.evicted // MIB:,} MiB evicted, {hits:.1%} of prefixes hit")


if __name__ == "__main__":
    main()
