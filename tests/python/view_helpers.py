"""The calls that a heap refuses while a view or an array of its block lives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heap_probes import refused

if TYPE_CHECKING:
    import glassheap


def assert_pinned(heap: glassheap.Heap) -> None:
    """Assert that the heap's only block cannot be freed, moved, reset or closed."""
    [address] = heap
    for call in (
        lambda: heap.free(address),
        lambda: heap.free_many([address]),
        lambda: heap.realloc(address, 1),
        heap.reset,
        heap.close,
    ):
        with refused(heap, BufferError, f"a view of the block at {address:#x} is still alive."):
            call()
