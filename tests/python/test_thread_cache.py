"""Heap(thread_cache=True): small blocks that stay with the thread that freed them."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from glassheap import DoubleFree, Heap, StaleHandle

POLICIES = ("first_fit", "segregated_fit", "buddy")


@pytest.mark.parametrize("policy", POLICIES)
def test_a_cached_block_is_free_for_every_call(policy: str) -> None:
    with Heap(1 << 16, policy=policy, thread_cache=True) as heap:
        p, q = heap.malloc(64), heap.malloc(64)
        block = heap.alloc(64)
        heap.free(p)
        heap.free(block.address)
        for call in (heap.free, heap.view, heap.usable_size):
            with pytest.raises(DoubleFree):
                call(p)
        with pytest.raises(DoubleFree):
            heap.free_many([q, p])
        with pytest.raises(StaleHandle):
            block.free()
        assert p not in heap
        assert len(heap) == 1
        assert [one.address for one in heap.walk() if one.live] == [q]
        assert heap.stats().frees == 2
        assert heap.check() == []


def test_a_thread_gets_its_own_block_back_and_a_pinned_block_stays() -> None:
    heap = Heap(1 << 16, policy="worst_fit", thread_cache=True)
    p, _ = heap.malloc(64), heap.malloc(64)
    heap.free(p)
    with ThreadPoolExecutor(1) as other:
        assert other.submit(heap.malloc, 64).result() != p
    assert heap.malloc(60) == p
    with heap.view(p) as view:
        assert len(view) == 60
        with pytest.raises(BufferError):
            heap.free(p)
    heap.free(p)


@pytest.mark.parametrize("other", [{"zero_on_free": True}, {"checks": "debug"}], ids=str)
def test_the_option_is_refused_where_freed_memory_is_filled(other: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=re.escape("the option 'thread_cache'")):
        Heap(4096, thread_cache=True, **other)
