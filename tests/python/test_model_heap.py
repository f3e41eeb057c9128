"""The model as a heap: payloads, headers, realloc; and that a real heap gives its addresses."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import glassheap
from byte_map import ByteMap
from glassheap.model import Fit, ModelHeap, Order
from model_operations import KINDS, OPERATIONS, Operation


@pytest.mark.parametrize(
    ("options", "offered"),
    [
        ({}, 4080),
        ({"base": 4096}, 4080),
        ({"base": 4096, "headers": False}, 4096),
        ({"headers": False}, 4080),  # no payload is at address 0
        ({"size": 4090}, 4080),
    ],
)
def test_a_fresh_page_offers_what_a_heap_would(options: dict[str, object], offered: int) -> None:
    model = ModelHeap(**options)  # type: ignore[arg-type]
    assert [block.size for block in model.free_list()] == [offered]
    assert model.available_memory() == model.largest_free() == offered


def test_the_page_of_the_classic_example() -> None:
    model = ModelHeap()
    assert (model.malloc(100), model.available_memory()) == (16, 3952)
    assert model.walk() == [(0, 128, True), (128, 3968, False)]


def test_without_headers_even_an_empty_block_has_a_place_of_its_own() -> None:
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
    """What a realloc must come to, by the byte map: in place, or allocate and then free."""
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
def test_the_model_heap_agrees_with_the_bytes(
    kind: tuple[Fit, Order], granules: int, headers: bool, coalesce: bool,
    operations: list[Operation],
) -> None:  # fmt: skip
    """malloc, free and realloc, in every fit and order, with headers and without."""
    header, (fit, order) = 16 if headers else 0, kind
    model = ModelHeap(
        granules * 16, base=1024, fit=fit, order=order, coalesce=coalesce, headers=headers
    )
    other = ByteMap(granules * 16, 1024, header, 16, fit, order, coalesce)
    for operation in operations:
        live = sorted(model.list.live)
        if operation.call == "malloc":
            answer = model.malloc(operation.size, align=operation.align)
            assert answer == byte_malloc(other, operation)
        elif live:
            address = live[operation.pick % len(live)] + header
            if operation.call == "free":
                assert model.free(address) is other.free(address - header) is True
            else:
                answer = model.realloc(address, operation.size, align=operation.align)
                assert answer == byte_realloc(other, address, operation)
        assert model.list.chunks == other.chunks()
        assert model.list.live == other.live()


# --- Against the heap itself ----------------------------------------------------------------------
FIT_OF: dict[str, Fit] = {"first_fit": "first"}
"""The policies that are a fit in address order with full coalescing."""


def heap_call(heap: glassheap.Heap, address: int | None, operation: Operation) -> int | None:
    """Make the call; None if there is no room."""
    size, align = operation.size * 4, operation.align
    try:
        if address is None:
            return heap.malloc(size, align=align)
        return heap.realloc(address, size, align=align)
    except glassheap.OutOfMemory:
        return None


def model_call(model: ModelHeap, address: int | None, operation: Operation) -> int | None:
    size, align = operation.size * 4, operation.align
    if address is None:
        return model.malloc(size, align=align)
    return model.realloc(address, size, align=align)


@pytest.mark.parametrize("policy", FIT_OF)
@settings(max_examples=150, deadline=None)
@given(granules=st.integers(8, 64), operations=OPERATIONS)
def test_a_heap_gives_the_addresses_of_the_model(
    policy: str, granules: int, operations: list[Operation]
) -> None:
    """The answers, the free list and every block, after every operation."""
    model = ModelHeap(granules * 16, fit=FIT_OF[policy])
    live: list[int] = []
    with glassheap.Heap(granules * 16, policy=policy, base=0) as heap:
        for operation in operations:
            address = None
            if live and operation.call != "malloc":
                address = live.pop(operation.pick % len(live))
            if address is not None and operation.call == "free":
                heap.free(address)
                assert model.free(address)
            else:
                answer = heap_call(heap, address, operation)
                assert answer == model_call(model, address, operation)
                live += [now for now in (answer or address,) if now is not None]
            assert heap.free_list() == model.free_list()
            assert [(info.start, info.extent, info.live) for info in heap.walk()] == model.walk()
            assert heap.available_memory() == model.available_memory()
            assert heap.largest_free() == model.largest_free()
