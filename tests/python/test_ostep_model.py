"""The reference model against an independent oracle, and a real heap against recorded runs.

The oracle is a free list implemented by bytes (`byte_map`). That the model agrees with the recorded
runs of the homework program is tested with the text of `glassheap ostep`, which runs on it; that a
heap agrees with the model, in `test_model_heap.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

from glassheap import Heap, OutOfMemory
from glassheap.ostep.options import LIST_ORDERS, POLICIES
from model_operations import LIST_OPTIONS, OPERATIONS, ListOptions, Operation
from ostep_records import RECORDS, Record, options_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glassheap.model import FreeList


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
        assert not model.free(-1)
        assert model.chunks == other.chunks()
        assert model.live == other.live()
        yield model


@settings(max_examples=300)
@given(options=LIST_OPTIONS, operations=OPERATIONS)
def test_the_model_agrees_with_the_byte_map_and_each_byte_has_one_owner(
    options: ListOptions, operations: list[Operation]
) -> None:
    """A list in address order stays sorted, and no two of its elements are adjacent."""
    for model in played(options, operations):
        place = options.base
        for addr, sz in sorted([*model.chunks, *model.live.items()]):
            assert addr == place
            place += sz
        assert place == options.base + options.size
        if model.order == "address":
            assert model.chunks == sorted(model.chunks)
            ends = {chunk.end for chunk in model.chunks if model.coalesce}
            assert not any(chunk.addr in ends for chunk in model.chunks)


REAL = [record for record in RECORDS if record["argv"][4:8] == ["-H", "16", "-a", "16"]]
"""The runs whose layout a heap can have: headers of 16 bytes, and sizes rounded up to 16."""


@pytest.mark.parametrize("record", REAL, ids=lambda record: record["case"])
def test_a_heap_returns_the_recorded_addresses(record: Record) -> None:
    """An element (addr, sz) is a node that offers sz - 16 bytes; a payload is at block + 16."""
    values = options_of(record)
    heap = Heap(
        int(values["size"]),
        policy="sequential_fit",
        fit=POLICIES[values["policy"]],  # type: ignore[arg-type]
        order=LIST_ORDERS[values["listOrder"]],
        coalesce=values["coalesce"],
        base=int(values["baseAddr"]),
    )
    payloads: dict[int, int] = {}
    for op in record["ops"]:
        if op["op"] == "free":
            heap.free(payloads[op["id"]])
        elif op["block"] is None:
            with pytest.raises(OutOfMemory):
                heap.malloc(op["size"])
        else:
            payloads[op["id"]] = heap.malloc(op["size"])
            assert payloads[op["id"]] == op["block"] + 16
        assert heap.free_list() == [(addr, sz - 16) for addr, sz in op["free"]]
    assert heap.check() == []
