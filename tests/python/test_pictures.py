"""A map in the terminal is to scale, complete, and within its width.

Damaged heaps are drawn, closed ones are not, and drawing changes nothing.
"""

from __future__ import annotations

import ctypes
import re
from typing import TYPE_CHECKING

import pytest

import glassheap
from glassheap.pictures import scale, totals
from glassheap.pictures.scale import Scene
from glassheap.records import BlockInfo
from rendering_helpers import (
    BIG,
    cells,
    churn,
    dump_lines,
    each_kind,
    each_seed,
    letters,
    map_lines,
    notebook_svg,
    number,
    rectangles,
    total_width,
)

if TYPE_CHECKING:
    from fault_fixture import Configuration

SIGNS = {"h": "█", "p": "▒", "r": "░", "n": "○", "f": "·", "u": "×"}


# --- A small region -------------------------------------------------------------------------------
@each_kind
@pytest.mark.parametrize("size", [48, 5008, 16384])
def test_a_cell_shows_the_kind_of_its_last_byte(kind: Configuration, size: int) -> None:
    """A block can be twice the requested size, and its first byte can belong to its payload."""
    with kind.heap(size) as heap:
        churn(heap, size, rounds=200, mean=120)
        drawn = cells(map_lines(heap)).replace("▓", "▒")
        assert drawn == "".join(SIGNS[letter] for letter in letters(heap)[15::16])
        text = "\n".join(map_lines(heap))
        assert ("█ header" in text, ", no headers," in text) == (heap.headers, not heap.headers)
        assert ("unused" in text) == (letters(heap)[0] == "u")


@each_kind
@pytest.mark.parametrize("seed", [2, 3])
def test_the_totals_agree_with_the_walk_and_add_up(kind: Configuration, seed: int) -> None:
    with kind.heap(9600) as heap:
        churn(heap, seed, mean=150)
        sums, seen = totals.of(scale.capture(heap)), letters(heap)
        assert (sums.requested, sums.headers) == (seen.count("p"), seen.count("h"))
        assert (sums.rounding, sums.unused) == (seen.count("r"), seen.count("u"))
        assert sums.free == seen.count("n") + seen.count("f")
        assert (sums.live_blocks, sums.largest_free) == (len(heap), heap.largest_free())
        assert sums.requested == heap.stats().requested
        lines = map_lines(heap, width=200)
        line = next(line for line in lines if "9,600 bytes: " in line)
        size, *shares = (int(n.replace(",", "")) for n in re.findall(r"[\d,]*\d", line))
        assert size == sum(shares) == heap.size
        assert shares[0] == sums.requested
        assert ("headers" in line, "rounding" in line) == (heap.headers, heap.headers)
        offered = number(r"the largest offers ([\d,]+) bytes", "\n".join(lines))
        assert offered == heap.largest_free()


def test_rows_begin_with_the_address_of_their_first_cell() -> None:
    with glassheap.Heap(4096, base=0x10000) as heap:
        rows = [line.split()[0] for line in map_lines(heap, width=80) if line.startswith("0x")]
        assert rows == ["0x10000", "0x10400", "0x10800", "0x10c00"]


def test_the_marks_of_the_ruler_and_the_sizes_are_at_the_cells_of_their_blocks() -> None:
    """Under its two cells the size 16 has no room."""
    with glassheap.Heap(base=0) as heap:
        heap.malloc_many([0x80 - 16, 0x200 - 0x80 - 16, 16, 100])
        _, ruler, row, sizes, *_ = map_lines(heap, width=80)
        for mark in ("+0 ", "+0x80", "+0x200"):
            assert row[ruler.index(mark)] == "█"
        assert sizes.split() == ["112", "368", "100", "3408"]
        assert [row[sizes.index(size)] for size in sizes.split()] == ["█", "█", "█", "○"]


def test_without_headers_adjacent_blocks_are_drawn_differently() -> None:
    """With base 0 the first granule is drawn as unused."""
    with glassheap.Heap(256, base=0, headers=False) as heap:
        heap.malloc_many([16] * 6)
        lines = map_lines(heap)
        assert lines[2].endswith("  ×▒▓▒▓▒▓○········")
        assert "payload of the next block" in "\n".join(lines)
        kinds = {rect.get("class") for rect in rectangles(notebook_svg(heap))}
        assert kinds == {"unused", "payload", "next payload", "node", "free"}


def test_the_parts_of_a_block_with_an_absurd_size_stay_inside_the_block() -> None:
    """A damaged header can hold any size."""
    info = BlockInfo(0, 16, 2**64 - 1, 64, live=True, serial=0)
    scene = Scene("first_fit", 0, 64, [info], frozenset((0,)), frozenset())
    assert [tuple(part) for part in scale.parts(info, scene)] == [
        (0, 16, scale.Kind.BROKEN),
        (16, 64, scale.Kind.PAYLOAD),
    ]


# --- A large region -------------------------------------------------------------------------------
def shade(piece: str) -> str:
    """The sign for a piece of the region; "1" stands for a live byte."""
    if "0" not in piece:
        return "█"
    return "·░▒▓"[next(level for level in range(4) if piece.count("1") * 3 <= level * len(piece))]


@each_seed
@pytest.mark.parametrize("width", [40, 80, 132])
def test_a_large_region_is_shaded_to_scale_in_at_most_16_rows(seed: int, width: int) -> None:
    with glassheap.Heap(BIG + 16 * seed * 999, base=0) as heap:
        churn(heap, seed, rounds=900, mean=1500)
        lines = map_lines(heap, width=width)
        assert sum(line.startswith("0x") for line in lines) <= 16
        cell = number(r"a cell is ([\d,]+) bytes", "\n".join(lines))
        live = letters(heap).translate(str.maketrans("hprnf", "11100"))
        pieces = [live[start : start + cell] for start in range(0, heap.size, cell)]
        assert scale.fill(scale.capture(heap), cell) == [piece.count("1") for piece in pieces]
        assert cells(lines) == "".join(map(shade, pieces))


def test_a_smaller_last_cell_can_be_shown_as_full() -> None:
    with glassheap.Heap(BIG + 16) as heap:
        heap.malloc(heap.largest_free())
        assert set(cells(map_lines(heap))) == {"█"}


# --- The width ------------------------------------------------------------------------------------
@pytest.mark.parametrize("width", [*range(40, 140, 7), 400])
@pytest.mark.parametrize("size", [16, 4096, BIG])
def test_no_line_is_wider_than_the_width(width: int, size: int) -> None:
    with glassheap.Heap(size) as heap:
        churn(heap, 1)
        assert max(map(len, map_lines(heap, width=width))) <= width


def test_a_sentence_that_fits_into_the_width_is_on_one_line() -> None:
    """This holds also if long addresses make a wide margin."""
    with glassheap.Heap(BIG, base=0x7F0000000000) as heap:
        lines = [line.strip() for line in map_lines(heap, width=80)]
        for sentence in totals.of(scale.capture(heap)).sentences():
            assert sentence in lines


@pytest.mark.parametrize("width", [-1, 0, 1, 23])
def test_a_width_below_24_counts_as_24(width: int) -> None:
    with glassheap.Heap(base=0) as heap:
        assert map_lines(heap, width=width) == map_lines(heap, width=24)


# --- Trouble -------------------------------------------------------------------------------------
@pytest.mark.parametrize(("size", "cell", "rows"), [(4096, 16, 4), (BIG, 1024, 8)])
@pytest.mark.parametrize("data", [b"A" * 16, b"\xff" * 16, b"\0" * 16])
def test_a_damaged_header_is_marked_at_its_place_and_all_is_to_scale(
    size: int, cell: int, rows: int, data: bytes
) -> None:
    with glassheap.Heap(size, base=0) as heap:
        address = heap.malloc_many([size // 4, size // 8, 300])[1]
        ctypes.memmove(heap.address + address - 16, data, 16)
        with pytest.raises(glassheap.HeapCorrupted):
            heap.free(address)
        lines = map_lines(heap, width=80)
        assert cells(lines).index("!") == (address - 16) // cell
        assert cells(lines).count("!") == 1
        assert len(cells(lines)) == size // cell
        assert "1 header without the magic number" in "\n".join(lines)
        assert any("expected 0xdeadbeef" in line for line in dump_lines(heap, address))
        rects = rectangles(notebook_svg(heap))
        assert total_width(rects) == pytest.approx(rows * 1024)
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
    before, stats = bytes(heap.region), heap.stats()
    map_lines(heap)
    dump_lines(heap, address)
    with pytest.raises(glassheap.InvalidPointer):
        dump_lines(heap, address + 1)
    notebook_svg(heap)
    assert (bytes(heap.region), heap.stats()) == (before, stats)
    heap.close()
