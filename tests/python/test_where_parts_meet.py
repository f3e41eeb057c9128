"""Tags, eviction, waiting, offsets and sharing where two of them meet."""

from __future__ import annotations

import asyncio
import gc
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

import glassheap
from glassheap import Heap, OffsetHeap, SharedHeap, SharedOffsetHeap

if TYPE_CHECKING:
    from collections.abc import Callable

SLEEPY = 0.05
"""Seconds of a wait that ends in vain."""


def refused(heap: Heap) -> dict[str, int]:
    """How many calls were refused, without the reasons that none had."""
    return {reason: count for reason, count in heap.report().refused.items() if count}


def full(heap: Heap) -> list[int]:
    """The addresses of blocks of 512 bytes that fill the heap."""
    taken: list[int] = []
    while heap.largest_free() >= 512:
        taken.append(heap.malloc(512))
    return taken


# --- Closing. -------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [lambda: Heap(4096), lambda: OffsetHeap(4096, granule=512)])
def test_cheapest_answers_for_the_heap_as_it_was_though_a_cost_closes_it(
    make: Callable[[], Heap],
) -> None:
    heap = make()
    full(heap)

    def cost(block: glassheap.BlockInfo) -> int:
        heap.close()
        return block.size

    found = heap.cheapest(512, cost=cost)
    assert found is not None
    assert len(found.blocks) == 1


# --- Tags of blocks that move. --------------------------------------------------------------------


def tags(heap: Heap) -> list[str | None]:
    return [usage.tag for usage in heap.by_tag()]


def test_a_block_that_its_caller_moves_keeps_its_tag() -> None:
    heap = OffsetHeap(1 << 16, granule=16, tags=True)
    stale = [heap.malloc(64, tag="stale") for _ in range(8)]
    block = heap.malloc(64, tag="mine")
    wall = heap.malloc(64, tag="mine")
    for offset in stale:
        heap.free(offset)
    heap.realloc(block, 256, move=lambda *_: None)
    assert tags(heap) == ["mine"]
    heap.free(wall)


@pytest.mark.parametrize("granule", [None, 16])
def test_a_block_of_a_shared_heap_that_moves_keeps_its_tag(granule: int | None) -> None:
    heap: SharedHeap
    if granule is None:
        heap = SharedHeap.create(size=1 << 16)
    else:
        heap = SharedOffsetHeap.create(size=1 << 16, granule=granule)
    with heap:
        block = heap.malloc(64, tag="mine")
        heap.malloc(64, tag="mine")
        more: dict[str, Any] = {} if granule is None else {"move": lambda *_: None}
        heap.realloc(block, 256, **more)
        assert tags(heap) == ["mine"]


# --- Counts of refused calls. ---------------------------------------------------------------------


def test_a_request_that_waits_in_vain_is_refused_once() -> None:
    heap = Heap(4096)
    full(heap)
    with pytest.raises(glassheap.OutOfMemory):
        heap.malloc(512, timeout=SLEEPY)
    with pytest.raises(glassheap.OutOfMemory):
        asyncio.run(heap.amalloc(512, timeout=SLEEPY))
    assert refused(heap) == {"exhausted": 2}
    assert heap.stats().failures == 2


def test_a_request_that_is_served_in_the_end_is_not_refused() -> None:
    heap = Heap(4096)
    first, *_ = full(heap)
    freeing = Thread(target=heap.free, args=(first,))
    waiting: list[int] = []
    thread = Thread(target=lambda: waiting.append(heap.malloc(512, timeout=10)))
    thread.start()
    freeing.start()
    thread.join()
    freeing.join()
    assert waiting == [first]
    assert refused(heap) == {}


def test_blocks_that_a_callback_has_freed_are_no_misuse() -> None:
    heap = Heap(4096)
    full(heap)
    heap.malloc(1500, evict=lambda blocks: heap.free_many([block.address for block in blocks]))
    assert set(refused(heap)) <= {"exhausted"}


def test_a_move_and_an_array_inside_of_a_block_are_no_misuse() -> None:
    numpy = pytest.importorskip("numpy")
    offsets = OffsetHeap(1 << 16, granule=16)
    block = offsets.malloc(64)
    offsets.malloc(64)
    offsets.realloc(block, 256, move=lambda *_: None)
    assert refused(offsets) == {}
    heap = Heap(4096)
    address = heap.malloc(100)
    part = numpy.frombuffer(heap.view(address), numpy.uint8)[32:]
    assert heap.block_of(part).address == address
    assert refused(heap) == {}


# --- The line. ------------------------------------------------------------------------------------


def test_a_request_for_more_than_the_region_does_not_hold_up_the_others() -> None:
    heap = Heap(4096)
    full(heap)
    began = monotonic()
    with pytest.raises(glassheap.OutOfMemory) as error:
        heap.malloc(1 << 20, timeout=60)
    with pytest.raises(glassheap.OutOfMemory):
        asyncio.run(heap.amalloc(1 << 70))
    assert monotonic() - began < 10
    assert error.value.requested == 1 << 20


def test_a_coroutine_that_a_closed_loop_leaves_behind_does_not_stay_in_the_line() -> None:
    heap = Heap(4096)
    taken = full(heap)
    loop = asyncio.new_event_loop()
    task = loop.create_task(heap.amalloc(512))
    loop.run_until_complete(asyncio.sleep(SLEEPY))
    loop.close()
    assert not task.done()
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    del task, loop
    gc.collect()
    for address in taken:
        heap.free(address)
    began = monotonic()
    heap.free(heap.malloc(512, timeout=30))
    assert monotonic() - began < 10


# --- Messages. ------------------------------------------------------------------------------------


@pytest.mark.parametrize("patience", [{"timeout": 1}, {"evict": list}])
def test_a_wrong_align_is_named_also_where_the_request_may_wait(patience: dict[str, Any]) -> None:
    heap = Heap(4096)
    for align in (0, -1, 3, 1 << 70):
        with pytest.raises(glassheap.InvalidAlignment, match=f"and {align} is not"):
            heap.malloc(77, align=align, **patience)
        with pytest.raises(glassheap.InvalidAlignment, match=f"and {align} is not"):
            heap.cheapest(77, align=align)


def test_what_was_freed_and_taken_again_is_not_said_to_be_kept() -> None:
    heap = OffsetHeap(4096, granule=512)
    full(heap)
    rounds: list[int] = []

    def evict(blocks: list[glassheap.BlockInfo]) -> None:
        rounds.append(len(blocks))
        for block in blocks:
            heap.free(block.address)
            heap.malloc(512)

    with pytest.raises(glassheap.OutOfMemory, match="what it freed was taken again"):
        heap.malloc(1024, evict=evict)
    assert len(rounds) == 8
