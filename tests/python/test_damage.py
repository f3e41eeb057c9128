"""Bytes that the heap relies on are overwritten: named, located, contained, and never followed.

What programs really do to a heap, each by its exception. That this holds for every single byte of
every header and node is tested in test_every_byte.py.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

import glassheap
from bench import FREED, GONE, OF_AN_ADDRESS, THIRD, TOP, Bench
from heap_probes import (
    NIL,
    assert_sentences,
    header_at,
    overwrite,
    peek,
    refused,
)

if TYPE_CHECKING:
    from collections.abc import Callable

every_pointer_call = pytest.mark.parametrize("call", OF_AN_ADDRESS.values(), ids=OF_AN_ADDRESS)


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


# --- The header of a live block: `second`, 200 bytes in 208. --------------------------------------

MAGIC = 0xDEADBEEF
HEADERS = {
    "cleared": Damage(0, bytes(16), glassheap.BadMagic, "magic", MAGIC, 0),
    "underflow": Damage(8, b"A" * 8, glassheap.BadMagic, "magic", MAGIC, 0x41414141),
    "overflow": Damage(-112, b"B" * 128, glassheap.BadMagic, "magic", MAGIC, 0x42424242),
    "too large": Damage(
        0, struct.pack("=Q", 2**64 - 1), glassheap.HeaderCorrupted, "size", 208, 2**64 - 1
    ),
    "too small": Damage(0, struct.pack("=Q", 192), glassheap.HeaderCorrupted, "size", 208, 192),
    "wraps": Damage(
        0, struct.pack("=Q", 2**64 - 16), glassheap.HeaderCorrupted, "size", 208, 2**64 - 16
    ),
    "negative": Damage(
        0, struct.pack("=q", -(2**63)), glassheap.HeaderCorrupted, "size", 208, 2**63
    ),
}


@every_pointer_call
@pytest.mark.parametrize("damage", HEADERS.values(), ids=HEADERS)
def test_an_overwritten_header_is_refused(
    bench: Bench, damage: Damage, call: Callable[[glassheap.Heap, Any], object]
) -> None:
    offset = bench.offset(bench.second)
    overwrite(bench.heap, offset + damage.at, damage.data)
    with refused(bench.heap, damage.error) as caught:
        call(bench.heap, bench.second)
    assert_names(caught, damage, offset)
    assert_found(bench.heap, damage, offset)


@every_pointer_call
@pytest.mark.parametrize("field", ["size", "serial", "seal"])
def test_a_field_that_still_looks_right_breaks_the_seal(
    bench: Bench, field: str, call: Callable[[glassheap.Heap, Any], object]
) -> None:
    """One bit of `third`: its size within the rounding, its serial, its seal itself."""
    offset = bench.offset(bench.third)
    header = header_at(bench.heap, offset)
    changed = header._replace(**{field: getattr(header, field) ^ 1})
    overwrite(bench.heap, offset, struct.pack("=QIHH", *changed))
    with refused(bench.heap, glassheap.HeaderCorrupted, f"seal 0x{changed.seal:04X}") as caught:
        call(bench.heap, bench.third)
    assert getattr(caught.value, "field", None) == "seal"
    assert getattr(caught.value, "found", None) == changed.seal
    assert field != "seal" or getattr(caught.value, "expected", None) == header.seal


@every_pointer_call
def test_the_header_of_a_twin_does_not_fit_elsewhere(
    bench: Bench, call: Callable[[glassheap.Heap, Any], object]
) -> None:
    """The same size, the right magic and a real seal, but of another place."""
    header = peek(bench.heap, bench.offset(bench.first), 16)
    overwrite(bench.heap, bench.offset(bench.twin), header)
    with refused(bench.heap, glassheap.HeaderCorrupted, "has the seal 0x"):
        call(bench.heap, bench.twin)


@every_pointer_call
@pytest.mark.parametrize(("old", "now"), [(100, 40), (40, 100), (0, 1), (3000, 5)])
def test_an_old_header_does_not_fit_a_block_of_another_extent(
    heap: glassheap.Heap, old: int, now: int, call: Callable[[glassheap.Heap, Any], object]
) -> None:
    """Magic and seal are right: they were this place's own. Where blocks end, no header decides."""
    address = heap.malloc(old)
    header = peek(heap, 0, 16)
    heap.free(address)
    assert heap.malloc_many([now, 10])[0] == address
    overwrite(heap, 0, header)
    with refused(heap, glassheap.HeaderCorrupted, f"says {old} bytes, but its block holds "):
        call(heap, address)


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
