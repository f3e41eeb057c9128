"""What every placement policy must do, with and without headers, beyond agreeing with the oracle.

Random calls on every policy are in test_stateful.py, faults in test_fault_table.py.
"""

from __future__ import annotations

import io
import random

import pytest

import glassheap
from fault_fixture import KINDS, Kind, PreparedHeap
from heap_probes import (
    ADDRESS_ORDERED_POLICIES,
    assert_sound,
    overwrite,
    region_bytes,
)

every_kind = pytest.mark.parametrize("kind", KINDS, ids=str)


def churned(kind: Kind, size: int, seed: int) -> tuple[glassheap.Heap, list[int]]:
    """A heap after random operations, and the addresses of its live blocks."""
    rng = random.Random(seed)
    heap = kind.heap(size)
    live: list[int] = []
    for _ in range(200):
        if live and rng.random() < 0.45:
            heap.free(live.pop(rng.randrange(len(live))))
        elif heap.largest_free() > size // 8:
            align = rng.choice([16] * 9 + [64])
            live.append(heap.malloc(rng.randrange(size // 24), align=align))
    return heap, live


@pytest.mark.parametrize("seed", range(3))
@every_kind
def test_freeing_every_block_restores_the_initial_state(kind: Kind, seed: int) -> None:
    """Compared byte for byte, because no payload was written: no old header or node remains."""
    heap, live = churned(kind, 8192, seed)
    assert_sound(heap)
    random.Random(seed).shuffle(live)
    heap.free_many(live[::2])
    for address in live[1::2]:
        heap.free(address)
    assert_sound(heap)
    assert region_bytes(heap) == region_bytes(kind.heap(8192))


@every_kind
def test_the_free_list_is_printed_in_list_order(kind: Kind) -> None:
    heap, _ = churned(kind, 8192, 2)
    out = io.StringIO()
    heap.print_free_list(file=out)
    assert out.getvalue() == "->".join(f"Free({size})" for _, size in heap.free_list()) + "\n"
    if kind.policy in ADDRESS_ORDERED_POLICIES:
        assert heap.free_list() == sorted(heap.free_list())


def test_a_with_statement_raises_at_its_end_if_the_block_is_stale(any_heap: glassheap.Heap) -> None:
    with pytest.raises(glassheap.StaleHandle), any_heap.alloc(8) as block:
        any_heap.free(block.address)


@pytest.mark.parametrize("which", [0, -1])
def test_a_damaged_node_does_not_affect_the_walk(any_prepared: PreparedHeap, which: int) -> None:
    """free_list() follows the links as far as they are sound, or none, if the policy keeps none."""
    heap = any_prepared.heap
    before, free = heap.walk(), heap.free_list()
    block = free[which]
    overwrite(heap, block.address - heap.base, (block.size ^ 16).to_bytes(8, "little"))
    assert heap.walk() == before
    assert heap.free_list() == [block for block in free if block in heap.free_list()]
    assert len(heap.check()) == 1
    heap.reset()
    assert_sound(heap)


def test_without_headers_a_full_payload_damages_no_neighbour() -> None:
    """The bytes before a payload belong to another payload, and not to a header."""
    for kind in KINDS:
        if not kind.headers:
            prepared = kind.prepared()
            room = prepared.heap.usable_size(prepared.first)
            overwrite(prepared.heap, prepared.offset(prepared.first), b"x" * room)
            prepared.heap.free(prepared.second)
            assert_sound(prepared.heap)
