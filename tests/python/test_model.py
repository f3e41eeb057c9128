"""The free list of the model: next fit on a drawn heap, the options, and the invariants.

Every rule is compared with the recorded runs of the homework in test_ostep_command.py, and with
real heaps in test_model_heap.py.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassheap.model import FITS, ORDERS, Chunk, FreeList

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glassheap.model import Order


def from_drawing(drawing: str) -> FreeList:
    """Next fit in a drawn region: letters are live blocks, dots are free bytes."""
    model = FreeList(0, fit="next")
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
    model = from_drawing("aa...b....c..")
    model.rover = rover
    assert model.malloc(n) == (block, searched)
    assert model.rover == (rover if block is None else block + n)


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


# --- Invariants. ----------------------------------------------------------------------------------

OPTIONS = st.fixed_dictionaries(
    {
        "size": st.integers(1, 200),
        "base": st.sampled_from([0, 1, 1000]),
        "header": st.sampled_from([0, 1, 4, 8, 16]),
        "align": st.sampled_from([-1, 1, 3, 8, 16]),
        "fit": st.sampled_from(FITS),
        "coalesce": st.booleans(),
    }
)
OPERATIONS = st.lists(
    st.tuples(st.integers(-20, 40), st.sampled_from([1, 1, 1, 2, 16, 32])), max_size=60
)
"""A size to allocate, and an alignment; or a number up to 0, which selects a block to free."""


def played(model: FreeList, operations: list[tuple[int, int]]) -> Iterator[None]:
    """Run the operations, and pause after each of them."""
    for size, align in operations:
        live = sorted(model.live)
        if size > 0:
            block = model.malloc(size, align).block
            assert block is None or (block + model.header) % align == 0
        elif live:
            assert model.free(live[size % len(live)])
        assert not model.free(-1)
        yield


@settings(max_examples=150, deadline=None)
@given(options=OPTIONS, order=st.sampled_from(ORDERS), operations=OPERATIONS)
def test_every_byte_belongs_to_exactly_one_element_or_block(
    options: dict[str, Any], order: Order, operations: list[tuple[int, int]]
) -> None:
    """A list in address order stays sorted, and coalesces completely."""
    model = FreeList(**options, order="address" if options["fit"] == "next" else order)
    for _ in played(model, operations):
        place = options["base"]
        for addr, sz in sorted([*model.chunks, *model.live.items()]):
            assert addr == place
            place += sz
        assert place == options["base"] + options["size"]
        if model.order == "address":
            assert model.chunks == sorted(model.chunks)
            ends = {chunk.end for chunk in model.chunks if model.coalesce}
            assert not any(chunk.addr in ends for chunk in model.chunks)
