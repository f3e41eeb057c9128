"""A heap that was found corrupt can be looked at, and can be reset.

That it is not changed any more is in test_fault_table.py.
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

import pytest

import glassheap
from bench import FREED, GONE, THIRD, TOP, Bench
from heap_probes import NIL, assert_sound, node_at, overwrite, refused

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE, NEXT, PREV = 0, 8, 12
"""Where the fields of a node stand."""


def link(granule: int) -> bytes:
    return struct.pack("=I", granule)


def damage_magic(bench: Bench) -> None:
    overwrite(bench.heap, bench.offset(bench.second) + 8, b"XXXX")


def damage_and_free(bench: Bench) -> None:
    damage_magic(bench)
    with pytest.raises(glassheap.BadMagic):
        bench.heap.free(bench.second)


def damage_and_check(bench: Bench) -> None:
    damage_magic(bench)
    assert len(bench.heap.check()) == 1


def damage_and_look(bench: Bench) -> None:
    damage_magic(bench)
    with pytest.raises(glassheap.BadMagic):
        bench.heap.usable_size(bench.second)


def test_a_damaged_heap_can_still_be_looked_at(bench: Bench) -> None:
    heap = bench.heap
    places = [(info.start, info.extent, info.live) for info in heap.walk()]
    damage_and_free(bench)
    assert [(info.start, info.extent, info.live) for info in heap.walk()] == places
    assert len(heap) == heap.stats().live_blocks == 4
    out = io.StringIO()
    heap.print_free_list(file=out)
    heap.show(file=out)
    heap.hexdump(bench.second, file=out)
    assert out.getvalue().startswith("Free(64)->Free(144)->Free(3040)\n")
    assert "<svg" in heap._repr_html_()
    assert "4 live" in repr(heap)
    assert [*heap] == [bench.first, bench.second, bench.third, bench.twin]
    with heap.view(bench.first) as view:
        assert len(view) == 100


def test_the_free_list_of_a_damaged_heap_ends_at_the_broken_node(bench: Bench) -> None:
    for granule in (GONE, FREED, NIL, 2**31):
        overwrite(bench.heap, GONE * 16 + NEXT, link(granule))
        assert [block.size for block in bench.heap.free_list()] == [64]


@pytest.mark.parametrize("find", [damage_and_free, damage_and_check, damage_and_look])
def test_reset_brings_a_damaged_heap_back(bench: Bench, find: Callable[[Bench], None]) -> None:
    find(bench)
    bench.heap.reset()
    assert bench.heap.free_list() == [(bench.heap.base, 4080)]
    assert_sound(bench.heap)
    bench.heap.free(bench.heap.malloc(4080))


def test_reset_refuses_while_a_view_lives_also_of_a_damaged_heap(bench: Bench) -> None:
    with bench.heap.view(bench.first):
        damage_and_free(bench)
        with refused(bench.heap, BufferError):
            bench.heap.reset()
    bench.heap.reset()
    assert_sound(bench.heap)


def test_check_lists_everything_that_is_broken(bench: Bench) -> None:
    overwrite(bench.heap, bench.offset(bench.first), bytes(16))
    overwrite(bench.heap, bench.offset(bench.third), struct.pack("=Q", 7))
    overwrite(bench.heap, FREED * 16 + PREV, link(3))
    overwrite(bench.heap, TOP * 16, struct.pack("=Q", 7))
    findings = [(finding.fault, finding.rule, finding.offset) for finding in bench.heap.check()]
    assert sorted(findings) == [
        ("BadMagic", "magic", 0),
        ("FreeListCorrupted", "node size", TOP * 16),
        ("FreeListCorrupted", "prev", FREED * 16),
        ("HeaderCorrupted", "size", THIRD * 16),
    ]
    assert node_at(bench.heap, TOP * 16).size == 7
