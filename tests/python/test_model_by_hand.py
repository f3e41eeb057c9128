"""The rules of the free list, one by one, on heaps drawn as string literals."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import pytest

from glassheap.model import ORDERS, Chunk, FreeList, inserted, merged

if TYPE_CHECKING:
    from glassheap.model import Fit


def from_drawing(drawing: str, fit: Fit) -> FreeList:
    """The free list of a drawn region: letters are live blocks, dots are free bytes."""
    model = FreeList(0, fit=fit)
    model.chunks = []
    place = 0
    for sign, run in groupby(drawing):
        size = len(list(run))
        if sign == ".":
            model.chunks.append(Chunk(place, size))
        else:
            model.live[place] = size
        place += size
    return model


def drawn(model: FreeList, size: int) -> str:
    """The drawing of a model in address order: x for a live byte, . for a free one."""
    cells = ["x"] * size
    for addr, sz in model.chunks:
        cells[addr : addr + sz] = "." * sz
    return "".join(cells)


@pytest.mark.parametrize(
    ("fit", "heap", "n", "block", "searched"),
    [
        ("first", "aa...b....c..", 2, 2, 1),
        ("first", "aa...b....c..", 4, 6, 2),
        ("first", "aa...b....c..", 5, None, 3),
        ("best", "aa...b....c..", 2, 11, 3),
        ("best", "aa...b....c..", 3, 2, 3),
        ("worst", "aa...b....c..", 1, 6, 3),
        ("worst", "aa...b....c..", 5, None, 3),
        # Of equal elements, the earlier one.
        ("best", "..a..b..", 2, 0, 3),
        ("best", "...a..b..", 1, 4, 3),
        ("worst", "..a..b..", 1, 0, 3),
        ("worst", ".a..b..", 2, 2, 3),
        # An empty list.
        ("first", "aabb", 1, None, 0),
        ("best", "", 0, None, 0),
    ],
)
def test_each_fit_chooses_by_its_definition(
    fit: Fit, heap: str, n: int, block: int | None, searched: int
) -> None:
    model = from_drawing(heap, fit)
    before = list(model.chunks)
    assert model.malloc(n) == (block, searched)
    if block is None:
        assert model.chunks == before


@pytest.mark.parametrize(
    ("rover", "n", "block", "searched"),
    [
        (0, 2, 2, 1),
        (2, 2, 2, 1),  # the rover at the start of an element
        (4, 2, 2, 1),  # inside an element: the whole element is searched, its low end taken
        (5, 2, 6, 1),  # at the end of an element, so after it
        (7, 3, 6, 1),
        (10, 2, 11, 1),
        (11, 3, 2, 2),  # the search wraps around
        (13, 4, 6, 2),  # at the end of the region
        (6, 3, 6, 1),
        (6, 5, None, 3),  # every element, once
        (11, 4, 6, 3),
    ],
)
def test_next_fit_continues_at_the_rover(
    rover: int, n: int, block: int | None, searched: int
) -> None:
    model = from_drawing("aa...b....c..", "next")
    model.rover = rover
    assert model.malloc(n) == (block, searched)
    assert model.rover == (rover if block is None else block + n)


def test_the_rover_stays_at_the_end_of_the_last_allocation_when_blocks_are_freed() -> None:
    model = FreeList(100, fit="next", coalesce=True)
    a, b, c = (model.malloc(10).block for _ in range(3))
    assert (a, b, c) == (0, 10, 20)
    model.free(0)
    assert model.malloc(10).block == 30
    model.free(30)  # merges with the rest of the region, [30, 100), which contains the rover, 40
    assert model.malloc(10).block == 30
    for block in (10, 20, 30):
        model.free(block)
    assert model.chunks == [(0, 100)]
    assert model.malloc(5) == (0, 1)


@pytest.mark.parametrize(
    ("heap", "align", "n", "after", "block"),
    [
        ("a...............", 8, 4, "x.......xxxx....", 8),  # a gap in front, a rest behind
        ("a.......b.......", 8, 1, "x.......x.......", None),
        ("a........b......", 8, 1, "x.......xx......", 8),  # only the gap is left
        ("........", 8, 3, "xxx.....", 0),  # aligned already: no gap
        ("........", 8, 8, "xxxxxxxx", 0),
    ],
)
def test_an_aligned_block_takes_the_lowest_aligned_place(
    heap: str, align: int, n: int, after: str, block: int | None
) -> None:
    model = from_drawing(heap, "first")
    assert model.malloc(n, align).block == block
    assert drawn(model, len(heap)) == after


def test_the_payload_is_aligned_and_the_size_of_the_whole_element_is_compared() -> None:
    model = FreeList(64, header=4, fit="best")
    assert model.malloc(4, 16).block == 12
    assert model.chunks == [(0, 12), (20, 44)]
    # An element of 12 holds no aligned payload of 1. Of those that do, the smallest is taken; the
    # size of its gap does not count.
    assert model.malloc(1, 16).block == 28
    assert model.chunks == [(0, 12), (20, 8), (33, 31)]


def test_gap_and_rest_replace_the_element_in_the_list_in_every_order() -> None:
    for order in ORDERS:
        model = FreeList(64, fit="first", order=order)
        model.chunks = [Chunk(40, 4), Chunk(1, 30), Chunk(60, 2)]
        assert model.malloc(3, 16).block == 16
        assert model.chunks == [(40, 4), (1, 15), (19, 12), (60, 2)]


def test_a_rest_of_any_size_is_kept_and_the_list_is_sorted_only_by_a_free() -> None:
    model = FreeList(0, fit="first", order="size+")
    model.chunks = [Chunk(0, 5), Chunk(10, 6), Chunk(20, 7)]
    assert model.malloc(6).block == 10
    assert model.malloc(6).block == 20
    assert model.chunks == [(0, 5), (20 + 6, 1)]
    model.free(10)
    assert model.chunks == [(26, 1), (0, 5), (10, 6)]


def test_a_new_element_is_inserted_after_its_equals() -> None:
    chunks = [Chunk(50, 4), Chunk(0, 4), Chunk(20, 4)]
    assert inserted(chunks, Chunk(10, 4), "size+")[-1] == (10, 4)
    assert inserted(chunks, Chunk(10, 4), "size-")[-1] == (10, 4)
    assert inserted(chunks, Chunk(10, 4), "address") == [(0, 4), (10, 4), (20, 4), (50, 4)]


def test_one_pass_merges_forwards_and_only_elements_adjacent_in_the_list() -> None:
    assert merged([]) == []
    assert merged([Chunk(0, 5), Chunk(5, 5), Chunk(10, 1), Chunk(12, 1)]) == [(0, 11), (12, 1)]
    assert merged([Chunk(5, 5), Chunk(0, 5)]) == [(5, 5), (0, 5)]
    assert merged([Chunk(0, 5), Chunk(9, 1), Chunk(5, 4)]) == [(0, 5), (9, 1), (5, 4)]
    # The merged element keeps the place of the first one, and can merge with the next one.
    assert merged([Chunk(5, 5), Chunk(10, 5), Chunk(15, 1)]) == [(5, 11)]


def test_only_the_size_is_rounded_up_and_not_the_header() -> None:
    assert FreeList(0, header=3, align=8).need(9) == 19
    assert FreeList(0, header=3, align=-1).need(9) == 12
    assert FreeList(0, header=3, align=8).need(0) == 3


def test_impossible_options_are_refused_with_a_sentence() -> None:
    cases: list[tuple[dict[str, object], str]] = [
        ({"fit": "fast"}, "no fit 'fast'; the fits are: first, best, worst, next"),
        ({"order": "up"}, "no list order 'up'; the orders are: address, size+"),
        ({"fit": "next", "order": "size+"}, "next fit searches in address order"),
        ({"align": 0}, "rounded to 0"),
        ({"header": -1}, "a header of -1"),
    ]
    for options, phrase in cases:
        with pytest.raises(ValueError, match=phrase.replace("+", r"\+")):
            FreeList(100, **options)  # type: ignore[arg-type]
