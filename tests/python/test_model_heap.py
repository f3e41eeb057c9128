"""The model as a heap with payloads, headers and realloc, and its agreement with real heaps."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byte_map import ByteMap
from glassheap.model import Fit, ModelHeap, Order
from lockstep import CLASSIC, LAYOUTS, SEQUENTIAL, Lockstep, Setting
from model_operations import KINDS, OPERATIONS, Operation


@pytest.mark.parametrize(
    ("options", "offered"),
    [
        ({}, 4080),
        ({"base": 4096}, 4080),
        ({"base": 4096, "headers": False}, 4096),
        ({"headers": False}, 4080),  # no payload may be at address 0
        ({"size": 4090}, 4080),
    ],
)
def test_a_fresh_page_offers_as_many_bytes_as_a_real_heap(
    options: dict[str, object], offered: int
) -> None:
    model = ModelHeap(**options)  # type: ignore[arg-type]
    assert [block.size for block in model.free_list()] == [offered]
    assert model.available_memory() == model.largest_free() == offered


def test_the_classic_example_of_a_page() -> None:
    model = ModelHeap()
    assert (model.malloc(100), model.available_memory()) == (16, 3952)
    assert model.walk() == [(0, 128, True), (128, 3968, False)]


def test_without_headers_an_empty_block_has_its_own_address() -> None:
    model = ModelHeap(64, headers=False)
    assert [model.malloc(0), model.malloc(0), model.malloc(16), model.malloc(0)] == [
        16, 32, 48, None,
    ]  # fmt: skip


def test_a_failed_realloc_changes_nothing() -> None:
    model = ModelHeap(96)
    first, second = model.malloc(16), model.malloc(16)
    assert first is not None
    assert second is not None
    before = model.walk()
    assert model.realloc(first, 40) is None
    assert model.realloc(first, 16, align=64) is None
    assert model.walk() == before
    with pytest.raises(KeyError):
        model.realloc(first + 16, 8)


def byte_realloc(other: ByteMap, address: int, operation: Operation) -> int | None:
    """The expected result of realloc, by the byte map: in place, or allocate and then free."""
    block, align = address - other.header, max(operation.align, 16)
    if address % align == 0 and other.resize(block, operation.size):
        return address
    moved, _ = other.malloc(operation.size, align)
    if moved is None:
        return None
    other.free(block)
    return moved + other.header


def byte_malloc(other: ByteMap, operation: Operation) -> int | None:
    block, _ = other.malloc(operation.size, max(operation.align, 16))
    return None if block is None else block + other.header


@settings(max_examples=250, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    granules=st.integers(1, 14),
    headers=st.booleans(),
    coalesce=st.booleans(),
    operations=OPERATIONS,
)
def test_the_model_heap_agrees_with_the_byte_map(
    kind: tuple[Fit, Order], granules: int, headers: bool, coalesce: bool,
    operations: list[Operation],
) -> None:  # fmt: skip
    """malloc, free and realloc, in every fit and order, with and without headers."""
    header, (fit, order) = 16 if headers else 0, kind
    model = ModelHeap(
        granules * 16, base=1024, fit=fit, order=order, coalesce=coalesce, headers=headers
    )
    other = ByteMap(granules * 16, 1024, header, 16, fit, order, coalesce)
    for operation in operations:
        live = sorted(model.list.live)
        if operation.call == "malloc":
            result = model.malloc(operation.size, align=operation.align)
            assert result == byte_malloc(other, operation)
        elif live:
            address = live[operation.pick % len(live)] + header
            if operation.call == "free":
                assert model.free(address) is other.free(address - header) is True
            else:
                result = model.realloc(address, operation.size, align=operation.align)
                assert result == byte_realloc(other, address, operation)
        assert model.list.chunks == other.chunks()
        assert model.list.live == other.live()


# --- Against the heap itself ----------------------------------------------------------------------
BATCHES = st.lists(st.integers(0, 160), max_size=6)
CALLS = st.lists(
    st.one_of(
        st.builds(
            Operation,
            call=st.sampled_from(["malloc", "malloc", "free", "realloc"]),
            size=st.integers(0, 160),
            align=st.sampled_from([1, 1, 16, 16, 32, 64]),
            pick=st.integers(0, 99),
        ),
        BATCHES,
    ),
    max_size=40,
)


def play(lockstep: Lockstep, operation: Operation | list[int]) -> None:
    """Make the call on both. An alignment may be at most a quarter of the region."""
    if isinstance(operation, list):
        lockstep.malloc_many(operation)
        return
    call, size, align, pick = operation
    align = align if align * 4 <= lockstep.heap.size else 16
    if call == "malloc":
        lockstep.malloc(size, align)
    elif lockstep.live and call == "free":
        lockstep.free(pick)
    elif lockstep.live:
        lockstep.realloc(pick, size, align)


@pytest.mark.parametrize("setting", CLASSIC, ids=str)
@settings(max_examples=80, deadline=None)
@given(granules=st.integers(3, 64), operations=CALLS)
def test_a_heap_agrees_with_the_model(
    setting: Setting, granules: int, operations: list[Operation | list[int]]
) -> None:
    """Results, free list, every block and the sums are compared after every operation."""
    lockstep = Lockstep(setting, granules * 16)
    for operation in operations:
        play(lockstep, operation)
    assert lockstep.heap.check() == []


@pytest.mark.parametrize("headers_and_base", LAYOUTS, ids=str)
@settings(max_examples=300, deadline=None)
@given(setting=st.sampled_from(SEQUENTIAL), granules=st.integers(3, 40), operations=CALLS)
def test_sequential_fit_agrees_with_the_model_in_random_settings(
    headers_and_base: tuple[bool, int],
    setting: Setting,
    granules: int,
    operations: list[Operation | list[int]],
) -> None:
    headers, base = headers_and_base
    lockstep = Lockstep(setting._replace(headers=headers, base=base), granules * 16)
    for operation in operations:
        play(lockstep, operation)
    assert lockstep.heap.check() == []


@pytest.mark.parametrize("setting", SEQUENTIAL, ids=str)
def test_sequential_fit_agrees_with_the_model_in_every_setting(setting: Setting) -> None:
    """Hypothesis draws some settings; this test runs each of them by a seed."""
    rng = random.Random(str(setting))
    for size in (48, 400, 2000):
        lockstep = Lockstep(setting, size)
        for _ in range(120):
            call = rng.choice(["malloc", "malloc", "free", "realloc"])
            size_now, align = rng.randrange(size // 6 + 1), rng.choice([1, 16, 16, 32])
            play(lockstep, Operation(call, size_now, align, rng.randrange(99)))
        assert lockstep.heap.check() == []
