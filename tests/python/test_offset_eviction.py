"""Eviction and waiting on a heap of offsets: as on a heap with bytes, in granules."""

from __future__ import annotations

import asyncio
import random
from threading import Thread
from time import sleep
from typing import Any

import pytest

import glassheap
from glassheap import Heap, OffsetHeap

GRANULES = (1, 16, 4096)
POLICIES = [policy.name for policy in glassheap.policies()]


def filled(heap: Heap, unit: int, seed: int) -> None:
    """Fill a heap of 64 units with blocks of 1 to 6 of them, and free a third."""
    rng = random.Random(seed)
    taken: list[int] = []
    try:
        while True:
            taken.append(heap.malloc(unit * rng.randint(1, 6)))
    except glassheap.OutOfMemory:
        for address in rng.sample(taken, len(taken) // 3):
            heap.free(address)


@pytest.mark.parametrize("granule", GRANULES)
@pytest.mark.parametrize("policy", POLICIES)
def test_the_cheapest_blocks_are_those_of_a_heap_with_bytes(policy: str, granule: int) -> None:
    base = 1 << 40
    for seed in range(20):
        plain = Heap(64 * 16, headers=False, base=base, policy=policy)
        offsets = OffsetHeap(64 * granule, granule=granule, policy=policy)
        filled(plain, 16, seed)
        filled(offsets, granule, seed)
        for units, align in ((3, 1), (9, 1), (5, 4), (20, 1), (65, 1)):
            found = offsets.cheapest(units * granule, align=align * granule)
            expected = plain.cheapest(units * 16, align=align * 16)
            assert (found is None) == (expected is None)
            if found is None or expected is None:
                continue
            assert [block.address // granule for block in found.blocks] == [
                (block.address - base) // 16 for block in expected.blocks
            ]
            assert found.cost / granule == expected.cost / 16
            assert found.address // granule == (expected.address - base) // 16
            assert found.size // granule == expected.size // 16


def test_without_an_align_the_cheapest_blocks_are_those_for_a_malloc_without_one() -> None:
    small = OffsetHeap(64, granule=1)
    small.malloc_many([1] * 64)

    def cost(block: glassheap.BlockInfo) -> float:
        return 1 if block.address in (5, 6) else 10

    found = small.cheapest(2, cost=cost)
    assert found is not None
    assert [block.address for block in found.blocks] == [5, 6]
    wide = OffsetHeap(1 << 20, granule=4096, align=64 << 10)
    for _ in range(16):
        wide.malloc(60 << 10)
    with pytest.raises(glassheap.OutOfMemory):
        wide.malloc(4096)
    found = wide.cheapest(4096, align=None)
    assert found is not None
    assert [block.address for block in found.blocks] == [0]


@pytest.mark.parametrize("granule", GRANULES)
def test_a_request_evicts_the_block_at_0_and_takes_its_place(granule: int) -> None:
    heap = OffsetHeap(4 * granule, granule=granule)
    for _ in range(4):
        heap.malloc(granule)
    given: list[int] = []

    def evict(blocks: list[glassheap.BlockInfo]) -> None:
        given.extend(block.address for block in blocks)
        for block in blocks:
            heap.free(block.address)

    assert heap.malloc(2 * granule, evict=evict, tag="new") == 0
    assert given == [0, granule]
    assert ("new", 1, 2 * granule) in [usage[:3] for usage in heap.by_tag()]


def test_a_request_waits_for_the_block_at_0() -> None:
    heap = OffsetHeap(4096, granule=4096)
    assert heap.malloc(1) == 0
    with pytest.raises(glassheap.OutOfMemory, match="waited"):
        heap.malloc(1, timeout=0.01)

    def free_later() -> None:
        sleep(0.02)
        heap.free(0)

    freeing = Thread(target=free_later)
    freeing.start()
    assert heap.malloc(1, timeout=10) == 0
    freeing.join()


@pytest.mark.parametrize(
    ("timeout", "error"),
    [("5", TypeError), ([], TypeError), (-1, ValueError), (float("nan"), ValueError)],
)
def test_a_coroutine_refuses_what_malloc_refuses(timeout: Any, error: type[Exception]) -> None:
    heap = Heap()
    with pytest.raises(error) as refused:
        heap.malloc(1, timeout=timeout)
    with pytest.raises(error) as also_refused:
        asyncio.run(heap.amalloc(1, timeout=timeout))
    assert str(also_refused.value) == str(refused.value)


def test_a_coroutine_waits_for_the_block_at_0() -> None:
    heap = OffsetHeap(4096, granule=4096, align=4096)
    heap.malloc(1)

    async def both() -> int:
        asyncio.get_running_loop().call_later(0.02, heap.free, 0)
        return await heap.amalloc(1, tag="late", timeout=10)

    assert asyncio.run(both()) == 0
    assert heap.by_tag()[0].tag == "late"
    assert heap.check() == []
