"""The reference model against two independent oracles, and its own invariants.

The oracles are the recorded runs of the OSTEP homework program, and a free list implemented by
bytes (`byte_map`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given, settings

import ostep_records
from glassheap.model import ORDERS, FreeList
from model_operations import LIST_OPTIONS, OPERATIONS, ListOptions, Operation

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDS = ostep_records.read()


# --- The recorded runs ----------------------------------------------------------------------------
def recorded_list(record: ostep_records.Record) -> FreeList:
    """The initial free list of a recorded run."""
    options = ostep_records.options(record)
    number = {name: int(cast("str", options[name])) for name in ("size", "headerSize", "alignment")}
    return FreeList(
        number["size"],
        base=int(cast("str", options["baseAddr"])),
        header=number["headerSize"],
        align=number["alignment"],
        fit=ostep_records.FIT_NAMES[options["policy"]],
        order=ostep_records.ORDER_NAMES[options["listOrder"]],
        coalesce=bool(options["coalesce"]),
    )


def test_all_recorded_runs_are_present() -> None:
    assert len(RECORDS) == 18
    assert sum(len(record["ops"]) for record in RECORDS) == 3067


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record["case"])
def test_the_model_returns_the_recorded_addresses(record: ostep_records.Record) -> None:
    model = recorded_list(record)
    blocks: list[int | None] = []
    for op in record["ops"]:
        if op["op"] == "alloc":
            block, searched = model.malloc(op["size"])
            blocks.append(block)
            assert (block, searched) == (op["block"], op["searched"])
        else:
            block = blocks[op["id"]]
            assert block is not None
            assert model.free(block) == (op["rc"] == 0)
        assert model.chunks == [tuple(chunk) for chunk in op["free"]]


# --- The byte map ---------------------------------------------------------------------------------
def played(options: ListOptions, operations: list[Operation]) -> Iterator[FreeList]:
    """Run the operations on both, compare the results, and yield the model after each of them."""
    model, other = options.model(), options.byte_map()
    for operation in operations:
        live = sorted(model.live)
        if operation.call == "malloc":
            arguments = operation.size, operation.align
            assert model.malloc(*arguments) == other.malloc(*arguments)
        elif live:
            block = live[operation.pick % len(live)]
            assert model.free(block) is other.free(block) is True
        assert model.chunks == other.chunks()
        assert model.live == other.live()
        yield model


@settings(max_examples=250, deadline=None)
@given(options=LIST_OPTIONS, operations=OPERATIONS)
def test_the_model_agrees_with_the_byte_map(
    options: ListOptions, operations: list[Operation]
) -> None:
    for model in played(options, operations):
        before = list(model.chunks)
        assert not model.free(-1)
        assert model.chunks == before


# --- Properties -----------------------------------------------------------------------------------
@settings(max_examples=100, deadline=None)
@given(options=LIST_OPTIONS, operations=OPERATIONS)
def test_every_byte_belongs_to_exactly_one_element_or_block(
    options: ListOptions, operations: list[Operation]
) -> None:
    for model in played(options, operations):
        place = options.base
        for addr, sz in sorted([*model.chunks, *model.live.items()]):
            assert addr == place
            place += sz
        assert place == options.base + options.size


@settings(max_examples=100, deadline=None)
@given(options=LIST_OPTIONS, operations=OPERATIONS)
def test_a_list_in_address_order_stays_sorted_and_coalesces_completely(
    options: ListOptions, operations: list[Operation]
) -> None:
    options = options._replace(kind=(options.kind[0], "address"), coalesce=True)
    for model in played(options, operations):
        assert model.chunks == sorted(model.chunks)
        ends = {chunk.end for chunk in model.chunks}
        assert not any(chunk.addr in ends for chunk in model.chunks)


def test_coalescing_is_incomplete_in_every_other_order() -> None:
    """Adjacent blocks are freed; only address order always merges all of them."""
    complete = {}
    for order in ORDERS:
        model = FreeList(40, fit="first", order=order, coalesce=True)
        blocks = [model.malloc(n).block for n in (10, 10, 15, 5)]
        for index in (1, 0, 2, 3):
            block = blocks[index]
            assert block is not None
            model.free(block)
        complete[order] = len(model.chunks) == 1
    assert complete == {order: order == "address" for order in ORDERS}
