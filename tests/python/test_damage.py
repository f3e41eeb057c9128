"""Bytes that the heap relies on are overwritten: named, located, contained, and never followed.

Where the classic list would lead, each by its exception. That every policy finds a header or a node
that was written over is in test_fault_table.py; that this holds for every single byte of them, in
test_every_byte.py.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import pytest

import glassheap
from bench import FREED, GONE, THIRD, TOP, Bench
from heap_probes import (
    NIL,
    assert_sentences,
    overwrite,
    peek,
    refused,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class Damage(NamedTuple):
    """What is written, how far from the block's first byte, and what is then said of the block."""

    at: int
    data: bytes
    error: type[glassheap.HeapCorrupted]
    field: str
    expected: int
    found: int


def assert_names(caught: pytest.ExceptionInfo[BaseException], damage: Damage, offset: int) -> None:
    """The exception locates the damage, in attributes and in words."""
    error = caught.value
    assert isinstance(error, glassheap.HeapCorrupted)
    assert (error.offset, error.field) == (offset, damage.field)
    assert (error.expected, error.found) == (damage.expected, damage.found)
    assert f"block at offset {offset} " in str(error)
    assert "a reset brings it back" in str(error)
    assert_sentences(str(error))


def assert_found(heap: glassheap.Heap, damage: Damage, offset: int) -> None:
    """check() finds this, nothing else, and says it in a sentence."""
    (finding,) = heap.check()
    name = damage.error.__name__
    assert finding == (name, damage.field, offset, damage.expected, damage.found)
    assert isinstance(finding, glassheap.Finding)
    assert f"block at offset {offset} " in str(finding)
    assert_sentences(str(finding))


# --- The header of a live block: what test_fault_table.py does not write. -------------------------

MAGIC = 0xDEADBEEF


def test_an_old_header_of_the_same_place_is_found_by_the_counters(heap: glassheap.Heap) -> None:
    """It has a right seal; what it cannot have is the right sum of sizes."""
    heap.free(heap.malloc(100))
    address = heap.malloc(100)
    header = peek(heap, 0, 16)
    heap.free(address)
    address = heap.malloc(104)
    overwrite(heap, 0, header)
    (finding,) = heap.check()
    assert finding == ("HeaderCorrupted", "counters", 0, 104, 100)
    assert_sentences(str(finding))
    with refused(heap, glassheap.HeapDamaged):
        heap.free(address)


def test_a_chosen_magic_number_is_the_one_expected() -> None:
    heap = glassheap.Heap(magic=0xCAFEF00D)
    address = heap.malloc(8)
    overwrite(heap, 8, struct.pack("=I", MAGIC))
    with refused(heap, glassheap.BadMagic, "0xDEADBEEF instead of 0xCAFEF00D") as caught:
        heap.free(address)
    assert getattr(caught.value, "expected", None) == 0xCAFEF00D


# --- The node of a free block: 144 bytes on offer, between the hole `freed` and the top. ----------

SIZE, NEXT, PREV = 0, 8, 12
"""Where the fields of a node stand."""


def link(granule: int) -> bytes:
    return struct.pack("=I", granule)


def broken(at: int, found: int) -> Damage:
    """The field of `gone`'s node that stands at `at` has become `found`."""
    field, expected = {SIZE: ("node size", 144), NEXT: ("next", TOP), PREV: ("prev", FREED)}[at]
    data = struct.pack("=Q", found) if at == SIZE else link(found)
    return Damage(at, data, glassheap.FreeListCorrupted, field, expected, found)


NODES = {
    "size 0": broken(SIZE, 0),
    "size a granule more": broken(SIZE, 160),
    "size as the region": broken(SIZE, 4080),
    "size 2^64 - 1": broken(SIZE, 2**64 - 1),
    "next nowhere": broken(NEXT, NIL),
    "next to itself": broken(NEXT, GONE),
    "next back: a circle": broken(NEXT, FREED),
    "next a live block": broken(NEXT, THIRD),
    "next into free bytes": broken(NEXT, TOP + 5),
    "next outside": broken(NEXT, 256),
    "next far outside": broken(NEXT, NIL - 1),
    "prev nowhere": broken(PREV, NIL),
    "prev to itself": broken(PREV, GONE),
    "prev onwards": broken(PREV, TOP),
    "prev a live block": broken(PREV, THIRD),
    "prev outside": broken(PREV, 2**31),
}
MEETS_THE_NODE: dict[str, Callable[[Bench], object]] = {
    "takes it": lambda b: b.heap.malloc(144),
    "takes a part": lambda b: b.heap.calloc(1, 100),
    "takes it in a batch": lambda b: b.heap.malloc_many([8, 144]),
    "merges with it on the right": lambda b: b.heap.free(b.third),
    "merges with it on the left": lambda b: b.heap.free(b.twin),
    "merges in a batch": lambda b: b.heap.free_many([b.first, b.third]),
    "grows into it": lambda b: b.heap.realloc(b.third, 400),
    "shrinks towards it": lambda b: b.heap.realloc(b.third, 10),
}


@pytest.mark.parametrize("call", MEETS_THE_NODE.values(), ids=MEETS_THE_NODE)
@pytest.mark.parametrize("damage", NODES.values(), ids=NODES)
def test_an_overwritten_node_is_refused_where_it_is_used(
    bench: Bench, damage: Damage, call: Callable[[Bench], object]
) -> None:
    overwrite(bench.heap, GONE * 16 + damage.at, damage.data)
    with refused(bench.heap, glassheap.FreeListCorrupted) as caught:
        call(bench)
    assert_names(caught, damage, GONE * 16)
    assert_found(bench.heap, damage, GONE * 16)


@pytest.mark.parametrize("damage", [d for d in NODES.values() if d.at == SIZE], ids=str)
def test_a_call_that_needs_no_broken_node_passes_it(bench: Bench, damage: Damage) -> None:
    """Which blocks are large enough is known outside of the region: no node is read to find one."""
    overwrite(bench.heap, GONE * 16, damage.data)
    block = bench.heap.alloc(1000)
    assert block.address == bench.stale.address
    assert_found(bench.heap, damage, GONE * 16)


def test_a_forged_node_in_a_payload_is_never_believed(bench: Bench) -> None:
    """It links back as a real one would; but no free block is there."""
    granule = THIRD + 4
    overwrite(bench.heap, granule * 16, struct.pack("=QII", 200, TOP, GONE))
    overwrite(bench.heap, GONE * 16 + NEXT, link(granule))
    with refused(bench.heap, glassheap.FreeListCorrupted, "breaks the rule 'next'"):
        bench.heap.malloc(144)


def test_a_free_block_that_its_neighbours_leave_out_is_found(bench: Bench) -> None:
    """Two links that agree with each other pass over a block; check() and the block do not."""
    overwrite(bench.heap, FREED * 16 + NEXT, link(TOP))
    overwrite(bench.heap, TOP * 16 + PREV, link(FREED))
    with refused(bench.heap, glassheap.FreeListCorrupted):
        bench.heap.free(bench.third)
    assert [finding.rule for finding in bench.heap.check()] == ["next", "prev"]
