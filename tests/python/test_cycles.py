"""Garbage in cycles: a heap that is reached only through its own blocks and views is collected."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from glassheap import Heap

if TYPE_CHECKING:
    from collections.abc import Callable


class OwnHeap(Heap):
    """A heap with attributes, which may refer to itself."""

    kept: Any


class SlottedHeap(Heap):
    __slots__ = ("kept",)
    kept: Any


def view(heap: Heap) -> memoryview:
    return heap.view(heap.malloc(16))


REFERENCES: dict[str, Callable[[Heap], Any]] = {
    "a block": lambda heap: heap.alloc(16),
    "a view": view,
    "a slice of a view": lambda heap: view(heap)[4:8],
    "the view of a block": lambda heap: memoryview(heap.alloc(16)),
    "the region": lambda heap: heap.region,
    "all": lambda heap: [heap.alloc(16), view(heap), heap.region],
}


@pytest.mark.parametrize("cls", [OwnHeap, SlottedHeap], ids=["with a dict", "with slots"])
@pytest.mark.parametrize("reference", REFERENCES)
def test_a_cycle_through_a_heap_is_collected(reference: str, cls: type[Any]) -> None:
    def make() -> weakref.ref[Heap]:
        heap = cls(1 << 16)
        heap.kept = REFERENCES[reference](heap)
        return weakref.ref(heap)

    heaps = [make() for _ in range(50)]
    gc.collect()
    assert [heap() for heap in heaps] == [None] * 50


def test_a_block_in_a_cycle_keeps_its_heap_until_it_is_freed() -> None:
    """A finalizer of the same garbage may still use both."""
    sizes: list[int] = []

    class Last:
        def __init__(self, heap: OwnHeap) -> None:
            self.block = heap.alloc(100)
            heap.kept = self

        def __del__(self) -> None:
            with memoryview(self.block) as bytes_:
                bytes_[:] = bytes(100)
            sizes.append(self.block.heap.stats().requested)

    for _ in range(3):
        Last(OwnHeap(4096))
    gc.collect()
    assert sizes == [100] * 3


def test_the_collector_looks_at_no_block_of_a_heap_without_attributes() -> None:
    heap = Heap()
    assert not gc.is_tracked(heap.alloc(16))
    assert gc.is_tracked(OwnHeap().alloc(16))
