"""Overwritten bytes that the heap relies on: a row each, on every policy, layout and region.

A call that meets the damage names it and changes nothing; check() finds it and nothing else, in the
same words. From then on the heap refuses every change, can be looked at, and comes back by a reset.
Damage to every single byte of a header or node is in test_every_byte.py.
"""

from __future__ import annotations

import io
import struct
from functools import partial
from typing import TYPE_CHECKING, NamedTuple
from unittest.mock import ANY

import pytest

import glassheap
from fault_fixture import (
    CONFIGURATIONS,
    FREED,
    MUTATING_CALLS,
    THIRD,
    TOP,
    Configuration,
    PreparedHeap,
)
from fault_rows import (
    OF_AN_ADDRESS,
    Row,
    assert_sentence,
    commit_and_find,
    damage,
    give_all_back,
    meet_and_find,
    on_each,
    raised_by,
    rows,
    state,
    take_all,
    take_all_at_once,
)
from heap_probes import (
    FRONT,
    GRANULE,
    assert_sound,
    extent_for,
    header_at,
    node_at,
    overwrite,
    peek,
    refused,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fault_rows import Given

WITH_HEADERS = [configuration for configuration in CONFIGURATIONS if configuration.headers]


# --- Headers of live blocks. ----------------------------------------------------------------------


def broken_header(prepared: PreparedHeap, address: int, name: str) -> Mapping[str, object]:
    """By the bytes that stand there: first the magic number, then the size, then the seal."""
    heap, offset = prepared.heap, prepared.offset(address)
    (block,) = (info for info in heap.walk() if info.address == address)
    header = header_at(heap, offset)
    if header.magic != heap.magic:
        return damage(offset, "magic", heap.magic, header.magic)
    if header.size > heap.size or extent_for(heap, header.size) != block.extent:
        return damage(offset, "size", block.extent - FRONT, header.size)
    return damage(offset, "seal", ANY, header.seal)  # only the heap can work it out


def over(at: int, data: bytes) -> Given:
    """These bytes are written so far from where the header of `second` begins."""

    def write(prepared: PreparedHeap) -> int:
        overwrite(prepared.heap, prepared.offset(prepared.second) + at, data)
        return prepared.second

    return write


def flip(at: int, mask: bytes) -> Given:
    """These bits are turned over, so far from where the header of `second` begins."""

    def write(prepared: PreparedHeap) -> int:
        place = prepared.offset(prepared.second) + at
        old = peek(prepared.heap, place, len(mask))
        changed = bytes(byte ^ bits for byte, bits in zip(old, mask, strict=True))
        overwrite(prepared.heap, place, changed)
        return prepared.second

    return write


SIZE, MAGIC, SERIAL, SEAL = 0, 8, 12, 14
"""Where the fields of a header stand."""
BAD_MAGIC: dict[str, Given] = {
    "cleared": over(SIZE, bytes(16)),
    "the magic number": flip(MAGIC, b"\x01"),
    "underflow to the magic number": over(MAGIC, b"A" * 8),
    "underflow to the size": over(SIZE, b"A" * 16),
    "overflow to the magic number": over(-64, b"B" * 76),
    "overflow over all of it": over(-64, b"B" * 80),
}
BAD_HEADER: dict[str, Given] = {
    "the size, within the rounding": flip(SIZE, b"\x01"),
    "the size, too small": over(SIZE, bytes(8)),
    "the size, as the region": over(SIZE, (4080).to_bytes(8, "little")),
    "the size, wrapping": over(SIZE, (2**64 - 16).to_bytes(8, "little")),
    "the size, negative": over(SIZE, (2**63).to_bytes(8, "little")),
    "the serial": flip(SERIAL, b"\x01"),
    "the seal": flip(SEAL, b"\x01"),
    "underflow to the seal": flip(SEAL, b"\x5a\xa5"),
    "overflow to the size": flip(SIZE, b"\xff" * 8),
}
HEADERS = [
    *rows(glassheap.BadMagic, BAD_MAGIC, OF_AN_ADDRESS, figures=broken_header),
    *rows(glassheap.HeaderCorrupted, BAD_HEADER, OF_AN_ADDRESS, figures=broken_header),
]


@pytest.mark.parametrize("row", HEADERS)
def test_an_overwritten_header_is_found_and_contained(row: Row) -> None:
    """A seal of 16 bits misses one forgery in 65,536; under another key it must see it."""

    def check(configuration: Configuration) -> None:
        try:
            commit_and_find(row, configuration)
        except AssertionError:
            commit_and_find(row, configuration)

    on_each(WITH_HEADERS, check)


# --- Nodes of free blocks. ------------------------------------------------------------------------

NODE_FIELDS = {"node size": "size", "next": "next", "prev": "prev"}
"""The names of a node's fields: the heap's, and those of the probes."""


class Written(NamedTuple):
    """A write into the node of a free block."""

    field: str
    changed: Callable[[PreparedHeap, int], int]


LINKS: dict[str, Callable[[PreparedHeap, int], int]] = {
    "one further": lambda b, old: old ^ 1,
    "far outside": lambda b, old: 0x7FFFFFFF,
    "a live block": lambda b, old: b.offset(b.second) // GRANULE,
}
WRITTEN = {
    "size, a granule more": Written("node size", lambda b, old: old ^ 16),
    "size, wrapping": Written("node size", lambda b, old: old ^ (1 << 40)),
    "size, 2^64 - 1": Written("node size", lambda b, old: 2**64 - 1),
    **{f"next, {name}": Written("next", changed) for name, changed in LINKS.items()},
    **{f"prev, {name}": Written("prev", changed) for name, changed in LINKS.items()},
}


def write_node(written: Written, which: int, prepared: PreparedHeap) -> Mapping[str, object]:
    """Write into that free block; the attributes of what the heap must raise."""
    offset = prepared.heap.free_list()[which].address - prepared.heap.base
    node = node_at(prepared.heap, offset)
    name = NODE_FIELDS[written.field]
    expected = getattr(node, name)
    found = written.changed(prepared, expected)
    overwrite(prepared.heap, offset, node._replace(**{name: found}).pack())
    return damage(offset, written.field, expected, found)


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
def test_an_overwritten_node_is_met_where_it_is_used_and_found_by_check(written: Written) -> None:
    """A caller that takes all free memory, or frees every block, meets every node."""

    def check(configuration: Configuration) -> None:
        meetings = [take_all, take_all_at_once, give_all_back]
        if configuration.policy == "buddy":
            meetings.pop()  # a buddy whose other half is never free is never merged
        for which in range(configuration.prepared().heap.stats().free_blocks):
            write = partial(write_node, written, which)
            meet_and_find(configuration, glassheap.FreeListCorrupted, write, *meetings)

    on_each(CONFIGURATIONS, check)


# --- A damaged heap. ------------------------------------------------------------------------------


FIND: dict[str, Callable[[PreparedHeap], object]] = {
    "check": lambda b: b.heap.check(),
    "a call": lambda b: raised_by(next(take_all_at_once(b)), glassheap.FreeListCorrupted),
    "a look": lambda b: raised_by(lambda: b.heap.usable_size(b.second), glassheap.HeaderCorrupted),
}


@pytest.mark.parametrize("find", FIND.values(), ids=FIND)
def test_a_damaged_heap_refuses_every_change_until_a_reset(
    find: Callable[[PreparedHeap], object],
) -> None:
    def check(configuration: Configuration) -> None:
        prepared = configuration.prepared()
        write_node(WRITTEN["size, a granule more"], 0, prepared)
        if configuration.headers:
            BAD_HEADER["the seal"](prepared)
        if not find(prepared):  # without headers, a look at a block meets no damage
            prepared.heap.check()
        before = state(prepared.heap)
        for change in MUTATING_CALLS.values():
            with pytest.raises(glassheap.HeapDamaged) as caught:
                change(prepared)
            assert vars(caught.value) == {}
            assert_sentence(str(caught.value), glassheap.HeapDamaged, {})
            assert state(prepared.heap) == before
        prepared.heap.reset()
        assert_sound(prepared.heap)
        prepared.heap.free(prepared.heap.malloc(prepared.heap.largest_free()))

    on_each(CONFIGURATIONS, check)


def test_a_damaged_heap_can_still_be_inspected(prepared: PreparedHeap) -> None:
    heap = prepared.heap
    places = [(info.start, info.extent, info.live) for info in heap.walk()]
    overwrite(heap, prepared.offset(prepared.second) + MAGIC, b"XXXX")
    with pytest.raises(glassheap.BadMagic):
        heap.free(prepared.second)
    assert [(info.start, info.extent, info.live) for info in heap.walk()] == places
    assert len(heap) == heap.stats().live_blocks == 4
    out = io.StringIO()
    heap.print_free_list(file=out)
    heap.show(file=out)
    heap.hexdump(prepared.second, file=out)
    assert out.getvalue().startswith("Free(64)->Free(144)->Free(3040)\n")
    assert "<svg" in heap._repr_html_()
    assert "4 live" in repr(heap)
    assert [*heap] == [prepared.first, prepared.second, prepared.third, prepared.twin]
    with heap.view(prepared.first) as view:
        assert len(view) == 100
        with refused(heap, BufferError):
            heap.reset()
    heap.reset()
    assert_sound(heap)


def test_check_reports_every_damaged_header_and_node(prepared: PreparedHeap) -> None:
    overwrite(prepared.heap, prepared.offset(prepared.first), bytes(16))
    overwrite(prepared.heap, prepared.offset(prepared.third), struct.pack("=Q", 7))
    overwrite(prepared.heap, FREED * 16 + 12, struct.pack("=I", 3))
    overwrite(prepared.heap, TOP * 16, struct.pack("=Q", 7))
    findings = [(finding.fault, finding.rule, finding.offset) for finding in prepared.heap.check()]
    assert sorted(findings) == [
        ("BadMagic", "magic", 0),
        ("FreeListCorrupted", "node size", TOP * 16),
        ("FreeListCorrupted", "prev", FREED * 16),
        ("HeaderCorrupted", "size", THIRD * 16),
    ]
