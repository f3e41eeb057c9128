"""The recorded runs of the OSTEP homework, played on real bytes.

Where the homework's header is 16 bytes and its sizes are rounded up to 16, a heap can be laid out
as it says: then the heap gives the recorded answers themselves. The operations of the other runs
are played with such a header too, and then it is the model that says what must come of them; once
as they are, and once with everything 16 times as large, so that rounding hides nothing.

An element (addr, sz) of the homework is a node at addr that offers sz - 16 bytes; a block at addr
has its payload at addr + 16.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import pytest

import glassheap
import ostep_records
from glassheap.model import Chunk, FreeList
from twins import Setting

RECORDS = ostep_records.read()
REAL = [record for record in RECORDS if record["argv"][4:8] == ["-H", "16", "-a", "16"]]
HEADER = 16


class Game(NamedTuple):
    """A recorded run's options, so far as they make a heap."""

    size: int
    setting: Setting


def game(record: ostep_records.Record, scale: int = 1) -> Game:
    """The region and the policy; base and size are rounded up to what a heap can have."""
    options = ostep_records.options(record)
    size, base = (int(cast("str", options[name])) for name in ("size", "baseAddr"))
    return Game(
        -(-size * scale // 16) * 16,
        Setting(
            "sequential_fit",
            ostep_records.FIT_NAMES[options["policy"]],
            ostep_records.ORDER_NAMES[options["listOrder"]],
            coalesce=bool(options["coalesce"]),
            base=-(-base // 16) * 16,
        ),
    )


class HeapGame:
    """A real heap that answers as the homework does: with blocks, and with None or False."""

    def __init__(self, game: Game) -> None:
        self.heap = game.setting.heap(game.size)

    def malloc(self, size: int) -> int | None:
        try:
            return self.heap.malloc(size) - HEADER
        except glassheap.OutOfMemory:
            return None

    def free(self, block: int) -> bool:
        try:
            self.heap.free(block + HEADER)
        except glassheap.InvalidPointer:
            return False
        return True

    def chunks(self) -> list[Chunk]:
        """The free list, read from the nodes in the region."""
        return [Chunk(address, size + HEADER) for address, size in self.heap.free_list()]


def test_three_of_the_recorded_runs_have_a_heap_of_their_own() -> None:
    assert len(REAL) == 3


@pytest.mark.parametrize("record", REAL, ids=lambda record: record["case"])
def test_a_heap_gives_the_addresses_that_were_recorded(record: ostep_records.Record) -> None:
    heap = HeapGame(game(record))
    blocks: dict[int, int] = {}
    for op in record["ops"]:
        if op["op"] == "alloc":
            block = heap.malloc(op["size"])
            assert block == op["block"]
            blocks[op["id"]] = block if block is not None else -1
        else:
            assert heap.free(blocks[op["id"]]) == (op["rc"] == 0)
        assert heap.chunks() == [tuple(chunk) for chunk in op["free"]]
    assert heap.heap.check() == []


@pytest.mark.parametrize("scale", [1, 16])
@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record["case"])
def test_a_heap_plays_every_recorded_run_as_the_model_does(
    record: ostep_records.Record, scale: int
) -> None:
    size, setting = game(record, scale)
    heap = HeapGame(Game(size, setting))
    model = FreeList(
        size,
        base=setting.base,
        header=HEADER,
        align=16,
        fit=setting.fit,
        order=setting.order,
        coalesce=setting.coalesce,
    )
    blocks: dict[int, int] = {}
    for op in record["ops"]:
        if op["op"] == "alloc":
            block = heap.malloc(op["size"] * scale)
            assert block == model.malloc(op["size"] * scale).block
            blocks[op["id"]] = block if block is not None else -1
        else:
            block = blocks[op["id"]]
            assert heap.free(block) is model.free(block)
        assert heap.chunks() == model.chunks
    assert heap.heap.check() == []


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record["case"])
def test_first_best_and_worst_fit_play_them_too(record: ostep_records.Record) -> None:
    """In address order with coalescing, which is all that they have."""
    size, setting = game(record)
    setting = setting._replace(order="address", coalesce=True)
    plain = HeapGame(Game(size, setting))
    fast = HeapGame(Game(size, setting._replace(policy=f"{setting.fit}_fit")))
    blocks: dict[int, int] = {}
    for op in record["ops"]:
        if op["op"] == "alloc":
            block = plain.malloc(op["size"])
            assert block == fast.malloc(op["size"])
            blocks[op["id"]] = block if block is not None else -1
        else:
            assert plain.free(blocks[op["id"]]) is fast.free(blocks[op["id"]])
        assert plain.chunks() == fast.chunks()
