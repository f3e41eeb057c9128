"""The reference model against the recorded runs of the OSTEP homework program.

Its rules are tested in test_model.py; it is compared with real heaps in test_model_heap.py.
"""

from __future__ import annotations

from typing import cast

import pytest

import ostep_records
from glassheap.model import FreeList

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
