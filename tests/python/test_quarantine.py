"""The quarantine of a debug heap: freed blocks wait before they are handed out again.

Meanwhile they are free for the caller: in every report, and for every call that gets their address.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

import glassheap
from fault_fixture import ADDRESS_CALLS, KINDS
from glassheap import Heap
from heap_probes import overwrite, refused

if TYPE_CHECKING:
    from collections.abc import Callable

EVERY_KIND = pytest.mark.parametrize("kind", KINDS, ids=str)


def quarantined(quarantine: int = 1 << 14, size: int = 1 << 16, **options: Any) -> Heap:
    return Heap(size, checks="debug", quarantine=quarantine, **options)


def of_kind(kind: Any, **options: Any) -> Heap:
    return quarantined(policy=kind.policy, headers=kind.headers, **options)


@EVERY_KIND
def test_a_freed_block_is_not_handed_out_and_a_second_free_of_it_is_named(kind: Any) -> None:
    """Without the quarantine the second free would free the block of another owner."""
    heap = of_kind(kind)
    freed = heap.malloc(100)
    heap.free(freed)
    others = [heap.malloc(100) for _ in range(20)]
    assert freed not in others
    for call in ADDRESS_CALLS.values():
        with refused(heap, glassheap.DoubleFree):
            call(heap, freed)
    with refused(heap, glassheap.DoubleFree):
        heap.free(freed + 16)
    assert freed not in heap
    assert sorted(heap) == sorted(others)
    assert heap.check() == []


@EVERY_KIND
@pytest.mark.parametrize("zeros", [False, True])
def test_a_late_write_is_named_by_check_and_when_the_block_leaves(kind: Any, zeros: bool) -> None:
    for byte in (0, 57, 199):
        heap = of_kind(kind, quarantine=300, zero_on_free=zeros)
        freed, other = heap.malloc(200), heap.malloc(200)
        heap.free(freed)
        place = freed - heap.base + byte
        overwrite(heap, place, b"X")
        with refused(heap, glassheap.WriteAfterFree) as caught:
            heap.free(other)
        error: Any = caught.value
        assert error.offset == place
        assert (error.expected, error.found) == (0 if zeros else 0xDD, ord("X"))
        (finding,) = heap.check()
        assert (finding.fault, finding.offset) == ("WriteAfterFree", place)
        assert other in heap
        heap.reset()
        assert (heap.check(), len(heap), heap.stats().quarantined) == ([], 0, 0)
        heap.free(heap.malloc(100))


@EVERY_KIND
def test_blocks_leave_in_the_order_in_which_they_were_freed(kind: Any) -> None:
    heap = of_kind(kind, quarantine=1000)
    blocks = heap.malloc_many([60] * 100)
    rng = random.Random(1)
    rng.shuffle(blocks)
    extent = next(info.extent for info in heap.walk() if info.live)
    for count, block in enumerate(blocks, 1):
        heap.free(block)
        waiting = min(count, 1000 // extent)
        assert heap.stats().quarantined == waiting * extent
        assert len(heap) == 100 - count
        assert {info.address for info in heap.walk() if info.size == 0} == {
            *blocks[count - waiting : count]
        }
    assert heap.check() == []


@EVERY_KIND
def test_memory_is_short_only_when_no_block_waits(kind: Any) -> None:
    heap = of_kind(kind, quarantine=1 << 20, size=1 << 14)
    whole = heap.largest_free()
    requests: list[Callable[[], object]] = [
        lambda: heap.malloc(whole),
        lambda: heap.calloc(1, whole),
        lambda: heap.realloc(None, whole),
        lambda: heap.malloc_many([whole]),
        lambda: heap.alloc(whole),
    ]
    for request in requests:
        before = heap.stats().failures
        heap.free_many(heap.malloc_many([100] * 50))
        assert heap.stats().quarantined > 5000
        block = request()
        assert heap.stats().failures == before
        assert heap.stats().quarantined == 0
        with pytest.raises(glassheap.OutOfMemory):
            heap.malloc(16)
        del block
        heap.reset()


@pytest.mark.any_interpreter
@EVERY_KIND
def test_the_reports_are_those_of_a_caller_for_whom_freed_is_freed(kind: Any) -> None:
    """Compared with a shadow: the live blocks and their contents, and the counters."""
    heap = of_kind(kind, quarantine=3000)
    rng = random.Random(repr(kind))
    live: dict[int, bytes] = {}
    freed: list[int] = []
    peak = mallocs = frees = reallocs = 0
    for step in range(600):
        size, byte = rng.randrange(200), bytes([step % 256])
        action = rng.randrange(5) if live else 0
        block = rng.choice([*live]) if live else 0
        if action in (0, 1):
            block = heap.malloc(size)
            mallocs += 1
        elif action == 2:
            kept = live.pop(block)[:size]
            block = heap.realloc(block, size)
            assert bytes(heap.view(block)[: len(kept)]) == kept
            reallocs += 1
        else:
            some = [block] if action == 3 else rng.sample([*live], min(4, len(live)))
            with refused(heap, glassheap.DoubleFree):
                heap.free_many([*some, some[0]])
            heap.free_many(some)
            freed += some
            frees += len(some)
            for one in some:
                del live[one]
        if action <= 2:
            heap.view(block)[:] = byte * size
            live[block] = byte * size
        peak = max(peak, sum(map(len, live.values())))
        stats = heap.stats()
        counted = (stats.live_blocks, stats.requested, stats.peak_requested)
        assert counted == (len(live), sum(map(len, live.values())), peak)
        assert (stats.mallocs, stats.frees, stats.reallocs) == (mallocs, frees, reallocs)
        assert stats.quarantined <= 3000
    assert sorted(heap) == sorted(live)
    assert all(bytes(heap.view(block)) == content for block, content in live.items())
    assert heap.check() == []
    heap.free_many([*live])


def test_a_block_that_a_realloc_left_waits_too() -> None:
    heap = quarantined()
    old = heap.malloc(100)
    heap.view(old)[:] = b"x" * 100
    new = heap.realloc(old, 200)
    assert bytes(heap.view(new)[:100]) == b"x" * 100
    assert heap.malloc(100) != old
    with refused(heap, glassheap.DoubleFree):
        heap.free(old)
    assert heap.realloc(new, 50) == new
    assert heap.stats().reallocs == 2


def test_a_handle_of_a_block_that_waits_is_stale() -> None:
    heap = quarantined()
    block = heap.alloc(100)
    block.free()
    with refused(heap, glassheap.StaleHandle):
        block.free()
    assert len(heap) == 0
    heap.close()


def test_a_block_larger_than_the_quarantine_does_not_wait() -> None:
    heap = quarantined(quarantine=100)
    big = heap.malloc(1000)
    assert heap.realloc(big, 2000) == big
    heap.free(big)
    assert heap.stats().quarantined == 0
    assert heap.malloc(1000) == big


def test_an_array_and_a_view_are_pinned_until_they_end() -> None:
    heap = quarantined()
    block = heap.malloc(100)
    with heap.view(block), pytest.raises(BufferError):
        heap.free_many([heap.malloc(8), block])
    assert heap.stats().quarantined == 0
    heap.free(block)


def test_a_quarantine_needs_the_checks_that_watch_it() -> None:
    told = "is taken by a heap of one process with checks='debug' alone"
    with pytest.raises(ValueError, match=told):
        Heap(quarantine=100)
    with pytest.raises(ValueError, match=told):
        Heap.over(bytearray(4096), quarantine=100)
    with pytest.raises(glassheap.InvalidSize):
        Heap(checks="debug", quarantine=-1)
    with pytest.raises(TypeError):
        Heap(checks="debug", quarantine="1")  # type: ignore[arg-type]
    Heap.over(bytearray(4096), checks="debug", quarantine=1 << 40).close()
