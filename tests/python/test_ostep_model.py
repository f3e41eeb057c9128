"""A real heap against the recorded runs of the OSTEP homework program.

That the model agrees with all recorded runs is tested with the text of `glassheap ostep`, which
runs on it; that a heap agrees with the model, in `test_model_heap.py`.
"""

from __future__ import annotations

import pytest

from glassheap import Heap, OutOfMemory
from glassheap.ostep.options import LIST_ORDERS, POLICIES
from ostep_records import RECORDS, Record, options_of

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
