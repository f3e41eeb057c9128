"""A map in the terminal is to scale, complete, and within its width."""

from __future__ import annotations

import random
import re

import pytest

import glassheap
from fault_fixture import KINDS, Kind
from glassheap.pictures import scale, totals
from glassheap.pictures.scale import Scene
from glassheap.records import BlockInfo
from rendering_helpers import (
    BIG,
    SEEDS,
    cells,
    churn,
    letters,
    map_lines,
    notebook_svg,
    number,
    rectangles,
)

SIGNS = {"h": "█", "p": "▒", "r": "░", "n": "○", "f": "·", "u": "×"}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_cell_of_a_small_region_shows_the_kind_of_the_last_byte_of_its_granule(seed: int) -> None:
    with glassheap.Heap(random.Random(seed).choice((16, 48, 4096, 5008, 16384)), base=0) as heap:
        churn(heap, seed)
        assert cells(map_lines(heap)) == "".join(SIGNS[letter] for letter in letters(heap)[15::16])


def test_every_live_block_of_a_small_region_has_its_own_header_cell() -> None:
    with glassheap.Heap() as heap:
        heap.malloc_many([16] * 100)
        assert cells(map_lines(heap)).count("█▒") == 100


def test_rows_begin_with_the_address_of_their_first_cell() -> None:
    with glassheap.Heap(4096, base=0x10000) as heap:
        rows = [line.split()[0] for line in map_lines(heap, width=80) if line.startswith("0x")]
        assert rows == ["0x10000", "0x10400", "0x10800", "0x10c00"]


def test_the_marks_of_the_ruler_are_above_their_cells() -> None:
    with glassheap.Heap(base=0) as heap:
        heap.malloc(0x80 - 16)
        heap.malloc(0x200 - 0x80 - 16)
        heap.malloc(1)
        _, ruler, row, *_ = map_lines(heap, width=80)
        for mark in ("+0 ", "+0x80", "+0x200"):
            assert row[ruler.index(mark)] == "█"


def test_sizes_are_printed_below_their_blocks() -> None:
    with glassheap.Heap(base=0) as heap:
        heap.malloc_many([100, 200, 16, 300])
        _, _, row, sizes, *_ = map_lines(heap, width=80)
        assert sizes.split() == ["100", "200", "300", "3376"], "under two cells 16 has no room"
        for size in ("100", "200", "300"):
            assert row[sizes.index(size)] == "█"
        assert row[sizes.index("3376")] == "○"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("width", [40, 80, 132])
def test_a_large_region_is_shaded_to_scale_in_at_most_16_rows(seed: int, width: int) -> None:
    with glassheap.Heap(BIG + 16 * seed * 999, base=0) as heap:
        churn(heap, seed, rounds=900, mean=1500)
        lines = map_lines(heap, width=width)
        assert sum(line.startswith("0x") for line in lines) <= 16
        cell = number(r"a cell is ([\d,]+) bytes", "\n".join(lines))
        live = letters(heap).translate(str.maketrans("hprnf", "11100"))
        pieces = [live[start : start + cell] for start in range(0, heap.size, cell)]
        assert cells(lines) == "".join(map(shade, pieces))


def test_a_smaller_last_cell_can_be_shown_as_full() -> None:
    with glassheap.Heap(BIG + 16) as heap:
        heap.malloc(heap.largest_free())
        assert set(cells(map_lines(heap))) == {"█"}


def shade(piece: str) -> str:
    """The sign for a piece of the region; "1" stands for a live byte."""
    if "0" not in piece:
        return "█"
    return "·░▒▓"[next(level for level in range(4) if piece.count("1") * 3 <= level * len(piece))]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("cell", [16, 48, 1024, 65536])
def test_the_cells_of_a_large_region_add_up_to_the_walk(seed: int, cell: int) -> None:
    with glassheap.Heap(BIG // 16) as heap:
        churn(heap, seed, mean=700)
        live = sum(info.extent for info in heap.walk() if info.live)
        assert sum(scale.fill(scale.capture(heap), cell)) == live


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_cell_is_to_scale_in_every_policy_with_and_without_headers(kind: Kind) -> None:
    """A block can be twice the requested size, and its first byte can belong to its payload."""
    with kind.heap(5008) as heap:
        churn(heap, 1, rounds=120, mean=150)
        drawn = cells(map_lines(heap)).replace("▓", "▒")
        assert drawn == "".join(SIGNS[letter] for letter in letters(heap)[15::16])
        text = "\n".join(map_lines(heap))
        assert ("█ header" in text, ", no headers," in text) == (heap.headers, not heap.headers)
        assert ("unused" in text) == (letters(heap)[0] == "u")


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_the_totals_add_up_in_every_policy_with_and_without_headers(kind: Kind) -> None:
    with kind.heap(5008) as heap:
        churn(heap, 2, rounds=120, mean=150)
        sums, seen = totals.of(scale.capture(heap)), letters(heap)
        assert (sums.requested, sums.headers) == (seen.count("p"), seen.count("h"))
        assert (sums.rounding, sums.unused) == (seen.count("r"), seen.count("u"))
        assert sums.free == seen.count("n") + seen.count("f")
        shares = sums.requested + sums.headers + sums.rounding + sums.free + sums.unused
        assert shares == heap.size
        line = next(line for line in map_lines(heap, width=200) if "5,008 bytes: " in line)
        numbers = [int(n.replace(",", "")) for n in re.findall(r"[\d,]*\d", line)]
        assert numbers[0] == sum(numbers[1:]) == heap.size
        assert ("headers" in line, "rounding" in line) == (heap.headers, heap.headers)


def test_the_rounding_of_buddies_is_drawn_as_rounding() -> None:
    """130 bytes and a header take 256: seven of the 16 cells are rounding."""
    with glassheap.Heap(4096, policy="buddy", base=0) as heap:
        heap.malloc(130)
        assert cells(map_lines(heap)).startswith("█▒▒▒▒▒▒▒▒░░░░░░░○")
        assert "130 requested, 16 headers, 110 rounding" in "\n".join(map_lines(heap))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_totals_agree_with_the_walk_and_add_up(seed: int) -> None:
    with glassheap.Heap(9600) as heap:
        churn(heap, seed)
        sums, seen = totals.of(scale.capture(heap)), letters(heap)
        assert sums.requested == seen.count("p") == heap.stats().requested
        assert (sums.headers, sums.rounding) == (seen.count("h"), seen.count("r"))
        assert sums.requested + sums.headers + sums.rounding + sums.free == heap.size
        assert sums.free == seen.count("n") + seen.count("f")
        assert sums.live_blocks == len(heap)
        assert sums.largest_free == heap.largest_free()
        text = "\n".join(map_lines(heap, width=200))
        sentence = (
            rf"([\d,]+) bytes: {sums.requested:,} requested, {sums.headers:,} headers,"
            rf" {sums.rounding:,} rounding, {sums.free:,} free"
        )
        assert number(sentence, text) == heap.size
        assert number(r"the largest offers ([\d,]+) bytes", text) == heap.largest_free()


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
