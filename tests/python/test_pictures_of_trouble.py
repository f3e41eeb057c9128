"""Maps, images and dumps of damaged and closed heaps, and that drawing changes nothing."""

from __future__ import annotations

import ctypes

import pytest

import glassheap
from rendering_helpers import (
    BIG,
    cells,
    dump_lines,
    map_lines,
    notebook_svg,
    rectangles,
    total_width,
)


def overwrite(heap: glassheap.Heap, address: int, data: bytes) -> None:
    """Write over the header in front of a payload, past the heap."""
    ctypes.memmove(heap.address + address - heap.base - len(data), data, len(data))


@pytest.mark.parametrize(("size", "cell"), [(4096, 16), (BIG, 1024)])
@pytest.mark.parametrize("data", [b"A" * 16, b"\xff" * 16, b"\0" * 16])
def test_the_map_marks_a_damaged_header_at_its_place(size: int, cell: int, data: bytes) -> None:
    with glassheap.Heap(size, base=0) as heap:
        address = heap.malloc_many([size // 4, 200, 300])[1]
        overwrite(heap, address, data)
        with pytest.raises(glassheap.HeapCorrupted):
            heap.free(address)
        lines = map_lines(heap, width=80)
        assert cells(lines).index("!") == (address - 16) // cell
        assert cells(lines).count("!") == 1
        assert len(cells(lines)) == size // cell
        assert "1 header without the magic number" in "\n".join(lines)
        assert any("expected 0xdeadbeef" in line for line in dump_lines(heap, address))


@pytest.mark.parametrize(("size", "width"), [(4096, 4 * 1024), (BIG, 8 * 1024)])
def test_the_image_of_a_damaged_heap_is_still_to_scale(size: int, width: int) -> None:
    with glassheap.Heap(size) as heap:
        address = heap.malloc_many([100, size // 4, 300])[1]
        overwrite(heap, address, b"\xff" * 16)
        rects = rectangles(notebook_svg(heap))
        assert total_width(rects) == pytest.approx(width)
        assert total_width(rects, "broken") > 0
        assert "header without the magic number" in notebook_svg(heap)


def test_a_closed_heap_refuses_to_be_drawn() -> None:
    heap = glassheap.Heap()
    heap.close()
    for draw in (map_lines, lambda heap: dump_lines(heap, 0)):
        with pytest.raises(glassheap.HeapClosed):
            draw(heap)


def test_drawing_changes_nothing_and_keeps_no_view() -> None:
    """`close` raises BufferError if a view of the region is still alive."""
    heap = glassheap.Heap()
    address = heap.malloc(100)
    with heap.region as region:
        before = bytes(region)
    stats = heap.stats()
    map_lines(heap)
    dump_lines(heap, address)
    with pytest.raises(glassheap.InvalidPointer):
        dump_lines(heap, address + 1)
    notebook_svg(heap)
    with heap.region as region:
        assert bytes(region) == before
    assert heap.stats() == stats
    heap.close()
