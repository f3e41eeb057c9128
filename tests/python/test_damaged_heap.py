"""A damaged heap can be inspected and reset.

Its refusal of every change is tested in test_fault_table.py.
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

import pytest

import glassheap
from fault_fixture import FREED, GONE, THIRD, TOP, PreparedHeap
from heap_probes import NIL, assert_sound, node_at, overwrite, refused

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE, NEXT, PREV = 0, 8, 12
"""Offsets of the fields of a node."""


def link(granule: int) -> bytes:
    return struct.pack("=I", granule)


def damage_magic(prepared: PreparedHeap) -> None:
    overwrite(prepared.heap, prepared.offset(prepared.second) + 8, b"XXXX")


def damage_and_free(prepared: PreparedHeap) -> None:
    damage_magic(prepared)
    with pytest.raises(glassheap.BadMagic):
        prepared.heap.free(prepared.second)


def damage_and_check(prepared: PreparedHeap) -> None:
    damage_magic(prepared)
    assert len(prepared.heap.check()) == 1


def damage_and_query(prepared: PreparedHeap) -> None:
    damage_magic(prepared)
    with pytest.raises(glassheap.BadMagic):
        prepared.heap.usable_size(prepared.second)


def test_a_damaged_heap_can_still_be_inspected(prepared: PreparedHeap) -> None:
    heap = prepared.heap
    places = [(info.start, info.extent, info.live) for info in heap.walk()]
    damage_and_free(prepared)
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


def test_the_free_list_of_a_damaged_heap_ends_at_the_damaged_node(prepared: PreparedHeap) -> None:
    for granule in (GONE, FREED, NIL, 2**31):
        overwrite(prepared.heap, GONE * 16 + NEXT, link(granule))
        assert [block.size for block in prepared.heap.free_list()] == [64]


@pytest.mark.parametrize("find", [damage_and_free, damage_and_check, damage_and_query])
def test_reset_repairs_a_damaged_heap(
    prepared: PreparedHeap, find: Callable[[PreparedHeap], None]
) -> None:
    find(prepared)
    prepared.heap.reset()
    assert prepared.heap.free_list() == [(prepared.heap.base, 4080)]
    assert_sound(prepared.heap)
    prepared.heap.free(prepared.heap.malloc(4080))


def test_reset_of_a_damaged_heap_is_refused_under_a_live_view(prepared: PreparedHeap) -> None:
    with prepared.heap.view(prepared.first):
        damage_and_free(prepared)
        with refused(prepared.heap, BufferError):
            prepared.heap.reset()
    prepared.heap.reset()
    assert_sound(prepared.heap)


def test_check_reports_every_damaged_header_and_node(prepared: PreparedHeap) -> None:
    overwrite(prepared.heap, prepared.offset(prepared.first), bytes(16))
    overwrite(prepared.heap, prepared.offset(prepared.third), struct.pack("=Q", 7))
    overwrite(prepared.heap, FREED * 16 + PREV, link(3))
    overwrite(prepared.heap, TOP * 16, struct.pack("=Q", 7))
    findings = [(finding.fault, finding.rule, finding.offset) for finding in prepared.heap.check()]
    assert sorted(findings) == [
        ("BadMagic", "magic", 0),
        ("FreeListCorrupted", "node size", TOP * 16),
        ("FreeListCorrupted", "prev", FREED * 16),
        ("HeaderCorrupted", "size", THIRD * 16),
    ]
    assert node_at(prepared.heap, TOP * 16).size == 7
