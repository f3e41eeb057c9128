"""Pictures of heaps in trouble: a damaged one is shown as it is, a closed one refuses.

And looking, at any heap, leaves no trace.
"""

from __future__ import annotations

import ctypes

import pytest

import glassheap
from seeing import BIG, cells, dumped, image, rectangles, shown, widths


def overwrite(heap: glassheap.Heap, address: int, data: bytes) -> None:
    """Write over the header in front of a payload, behind the heap's back."""
    ctypes.memmove(heap.address + address - heap.base - len(data), data, len(data))


@pytest.mark.parametrize(("size", "cell"), [(4096, 16), (BIG, 1024)])
@pytest.mark.parametrize("data", [b"A" * 16, b"\xff" * 16, b"\0" * 16])
def test_a_broken_header_is_shown_where_it_is(size: int, cell: int, data: bytes) -> None:
    with glassheap.Heap(size, base=0) as heap:
        address = heap.malloc_many([size // 4, 200, 300])[1]
        overwrite(heap, address, data)
        with pytest.raises(glassheap.HeapCorrupted):
            heap.free(address)
        lines = shown(heap, width=80)
        assert cells(lines).index("!") == (address - 16) // cell
        assert cells(lines).count("!") == 1
        assert len(cells(lines)) == size // cell
        assert "1 header without the magic number" in "\n".join(lines)
        assert any("expected 0xdeadbeef" in line for line in dumped(heap, address))


@pytest.mark.parametrize(("size", "width"), [(4096, 4 * 1024), (BIG, 8 * 1024)])
def test_the_image_of_a_damaged_heap_is_still_to_scale(size: int, width: int) -> None:
    with glassheap.Heap(size) as heap:
        address = heap.malloc_many([100, size // 4, 300])[1]
        overwrite(heap, address, b"\xff" * 16)
        rects = rectangles(image(heap))
        assert widths(rects) == pytest.approx(width)
        assert widths(rects, "broken") > 0
        assert "header without the magic number" in image(heap)


def test_a_closed_heap_refuses_to_be_drawn() -> None:
    heap = glassheap.Heap()
    heap.close()
    for look in (shown, image, lambda heap: dumped(heap, 0)):
        with pytest.raises(glassheap.HeapClosed):
            look(heap)


def test_looking_changes_nothing_and_holds_nothing() -> None:
    """`close` would raise BufferError if a view of the region were left behind."""
    heap = glassheap.Heap()
    address = heap.malloc(100)
    with heap.region as region:
        before = bytes(region)
    stats = heap.stats()
    shown(heap)
    dumped(heap, address)
    with pytest.raises(glassheap.InvalidPointer):
        dumped(heap, address + 1)
    image(heap)
    with heap.region as region:
        assert bytes(region) == before
    assert heap.stats() == stats
    heap.close()
