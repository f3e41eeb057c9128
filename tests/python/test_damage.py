"""Overwritten headers and nodes are reported with their place, and their links are not followed.

These tests use the first-fit list. Damage under every policy is in test_fault_table.py, damage to
every single byte of a header or node in test_every_byte.py.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import pytest

import glassheap
from fault_fixture import FREED, GONE, THIRD, TOP, PreparedHeap
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
    """Bytes written at an offset in a block, and the error that must report them."""

    at: int
    data: bytes
    error: type[glassheap.HeapCorrupted]
    field: str
    expected: int
    found: int


def assert_names(caught: pytest.ExceptionInfo[BaseException], damage: Damage, offset: int) -> None:
    """Assert that the exception locates the damage, in its attributes and its message."""
    error = caught.value
    assert isinstance(error, glassheap.HeapCorrupted)
    assert (error.offset, error.field) == (offset, damage.field)
    assert (error.expected, error.found) == (damage.expected, damage.found)
    assert f"block at offset {offset} " in str(error)
    assert "a reset brings it back" in str(error)
    assert_sentences(str(error))


def assert_found(heap: glassheap.Heap, damage: Damage, offset: int) -> None:
    """Assert that check() reports this damage alone, in one sentence."""
    (finding,) = heap.check()
    name = damage.error.__name__
    assert finding == (name, damage.field, offset, damage.expected, damage.found)
    assert isinstance(finding, glassheap.Finding)
    assert f"block at offset {offset} " in str(finding)
    assert_sentences(str(finding))


# --- The header of a live block: cases beyond test_fault_table.py. --------------------------------

MAGIC = 0xDEADBEEF


def test_a_replayed_header_is_found_by_the_counters(heap: glassheap.Heap) -> None:
    """An earlier header of the same block has a valid seal, but the sum of sizes differs."""
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


def test_a_custom_magic_number_is_the_expected_value() -> None:
    heap = glassheap.Heap(magic=0xCAFEF00D)
    address = heap.malloc(8)
    overwrite(heap, 8, struct.pack("=I", MAGIC))
    with refused(heap, glassheap.BadMagic, "0xDEADBEEF instead of 0xCAFEF00D") as caught:
        heap.free(address)
    assert getattr(caught.value, "expected", None) == 0xCAFEF00D


# --- The node of `gone`, which offers 144 bytes, between the hole `freed` and the top. ------------

SIZE, NEXT, PREV = 0, 8, 12
"""Offsets of the fields of a node."""


def link(granule: int) -> bytes:
    return struct.pack("=I", granule)


def broken(at: int, found: int) -> Damage:
    """The field at offset `at` of the node of `gone` has the value `found`."""
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
USES_OF_THE_NODE: dict[str, Callable[[PreparedHeap], object]] = {
    "takes it": lambda p: p.heap.malloc(144),
    "takes a part": lambda p: p.heap.calloc(1, 100),
    "takes it in a batch": lambda p: p.heap.malloc_many([8, 144]),
    "merges with it on the right": lambda p: p.heap.free(p.third),
    "merges with it on the left": lambda p: p.heap.free(p.twin),
    "merges in a batch": lambda p: p.heap.free_many([p.first, p.third]),
    "grows into it": lambda p: p.heap.realloc(p.third, 400),
    "shrinks towards it": lambda p: p.heap.realloc(p.third, 10),
}


@pytest.mark.parametrize("call", USES_OF_THE_NODE.values(), ids=USES_OF_THE_NODE)
@pytest.mark.parametrize("damage", NODES.values(), ids=NODES)
def test_an_overwritten_node_is_refused_when_it_is_used(
    prepared: PreparedHeap, damage: Damage, call: Callable[[PreparedHeap], object]
) -> None:
    overwrite(prepared.heap, GONE * 16 + damage.at, damage.data)
    with refused(prepared.heap, glassheap.FreeListCorrupted) as caught:
        call(prepared)
    assert_names(caught, damage, GONE * 16)
    assert_found(prepared.heap, damage, GONE * 16)


@pytest.mark.parametrize("damage", [d for d in NODES.values() if d.at == SIZE], ids=str)
def test_a_call_that_does_not_need_the_damaged_node_succeeds(
    prepared: PreparedHeap, damage: Damage
) -> None:
    """The index of free blocks is outside the region: no node is read to find a block."""
    overwrite(prepared.heap, GONE * 16, damage.data)
    block = prepared.heap.alloc(1000)
    assert block.address == prepared.stale.address
    assert_found(prepared.heap, damage, GONE * 16)


def test_a_forged_node_in_a_payload_is_refused(prepared: PreparedHeap) -> None:
    """Its links are consistent with its neighbours, but no free block starts there."""
    granule = THIRD + 4
    overwrite(prepared.heap, granule * 16, struct.pack("=QII", 200, TOP, GONE))
    overwrite(prepared.heap, GONE * 16 + NEXT, link(granule))
    with refused(prepared.heap, glassheap.FreeListCorrupted, "breaks the rule 'next'"):
        prepared.heap.malloc(144)


def test_a_free_block_that_the_links_skip_is_found(prepared: PreparedHeap) -> None:
    """The two links agree with each other; check() and the skipped node disagree with them."""
    overwrite(prepared.heap, FREED * 16 + NEXT, link(TOP))
    overwrite(prepared.heap, TOP * 16 + PREV, link(FREED))
    with refused(prepared.heap, glassheap.FreeListCorrupted):
        prepared.heap.free(prepared.third)
    assert [finding.rule for finding in prepared.heap.check()] == ["next", "prev"]
