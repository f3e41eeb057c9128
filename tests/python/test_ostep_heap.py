"""The recorded runs of the OSTEP homework, run on a real heap.

Some runs have headers of 16 bytes and sizes rounded up to 16. A heap can have their layout, and
must return the recorded addresses. The other runs are run with such a header, too, and must agree
with the model: once as recorded, and once with all sizes times 16, so that rounding hides nothing.

An element (addr, sz) of the homework is a node at addr that offers sz - 16 bytes; a block at addr
has its payload at addr + 16.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import pytest

import glassheap
import ostep_records
from glassheap.model import Chunk, FreeList

if TYPE_CHECKING:
    from glassheap.model import Fit, Order

RECORDS = ostep_records.read()
REAL = [record for record in RECORDS if record["argv"][4:8] == ["-H", "16", "-a", "16"]]
HEADER = 16


class Setting(NamedTuple):
    """A policy that has a model, with its options."""

    policy: str
    fit: Fit
    order: Order = "address"
    coalesce: bool = True
    headers: bool = True
    base: int = 4096

    def heap(self, size: int) -> glassheap.Heap:
        """A heap with this setting and `size` bytes."""
        options = {"policy": self.policy, "headers": self.headers, "base": self.base}
        if self.policy == "sequential_fit":
            options |= {"fit": self.fit, "order": self.order, "coalesce": self.coalesce}
        return glassheap.Heap(size, **options)  # type: ignore[arg-type]


class HeapOptions(NamedTuple):
    """The options of a recorded run that concern the heap."""

    size: int
    setting: Setting


def heap_options(record: ostep_records.Record, scale: int = 1) -> HeapOptions:
    """Region and policy of a run; base and size are rounded up to values valid for a heap."""
    options = ostep_records.options(record)
    size, base = (int(cast("str", options[name])) for name in ("size", "baseAddr"))
    return HeapOptions(
        -(-size * scale // 16) * 16,
        Setting(
            "sequential_fit",
            ostep_records.FIT_NAMES[options["policy"]],
            ostep_records.ORDER_NAMES[options["listOrder"]],
            coalesce=bool(options["coalesce"]),
            base=-(-base // 16) * 16,
        ),
    )


class HomeworkHeap:
    """A real heap with the results of the homework: blocks, None and False."""

    def __init__(self, options: HeapOptions) -> None:
        self.heap = options.setting.heap(options.size)

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
        """The free list as the homework's elements."""
        return [Chunk(address, size + HEADER) for address, size in self.heap.free_list()]


def test_three_of_the_recorded_runs_have_the_layout_of_a_heap() -> None:
    assert len(REAL) == 3


@pytest.mark.parametrize("record", REAL, ids=lambda record: record["case"])
def test_a_heap_returns_the_recorded_addresses(record: ostep_records.Record) -> None:
    heap = HomeworkHeap(heap_options(record))
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
def test_a_heap_agrees_with_the_model_on_every_recorded_run(
    record: ostep_records.Record, scale: int
) -> None:
    size, setting = heap_options(record, scale)
    heap = HomeworkHeap(HeapOptions(size, setting))
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
def test_first_best_and_worst_fit_agree_with_sequential_fit(record: ostep_records.Record) -> None:
    """In address order with coalescing, the only setting of these policies."""
    size, setting = heap_options(record)
    setting = setting._replace(order="address", coalesce=True)
    plain = HomeworkHeap(HeapOptions(size, setting))
    fast = HomeworkHeap(HeapOptions(size, setting._replace(policy=f"{setting.fit}_fit")))
    blocks: dict[int, int] = {}
    for op in record["ops"]:
        if op["op"] == "alloc":
            block = plain.malloc(op["size"])
            assert block == fast.malloc(op["size"])
            blocks[op["id"]] = block if block is not None else -1
        else:
            assert plain.free(blocks[op["id"]]) is fast.free(blocks[op["id"]])
        assert plain.chunks() == fast.chunks()
