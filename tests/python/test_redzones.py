"""checks="debug" from Python: exact sizes, and the likely culprits of findings.

The findings themselves are in test_fault_table.py, and every byte in tests/cpp/redzone_test.cpp.
"""

from __future__ import annotations

import pytest

import glassheap
from glassheap import Heap
from heap_probes import overwrite


@pytest.fixture(params=[True, False], ids=["headers", "no headers"])
def debug_heap(request: pytest.FixtureRequest) -> Heap:
    """A fresh debug heap whose first payload has this address."""
    return Heap(4096, headers=request.param, checks="debug", base=0)


def test_the_usable_size_is_exactly_the_requested_size(debug_heap: Heap) -> None:
    assert (Heap().checks, debug_heap.checks) == ("robust", "debug")
    for size in (0, 1, 16, 17, 100):
        address = debug_heap.malloc(size)
        assert debug_heap.usable_size(address) == len(debug_heap.view(address)) == size
        assert size in [block.size for block in debug_heap.walk() if block.address == address]
    assert debug_heap.check() == []


def test_an_overflow_of_a_block_object_is_raised_at_the_end_of_with(debug_heap: Heap) -> None:
    with pytest.raises(glassheap.OverflowDetected), debug_heap.alloc(10) as block:
        overwrite(debug_heap, block.address + 10, b"x")


def test_the_block_in_front_of_a_damaged_redzone_is_the_culprit(debug_heap: Heap) -> None:
    address = debug_heap.malloc(20)
    overwrite(debug_heap, address + 20, b"!")
    (finding,) = debug_heap.check()
    fault, rule, _, expected, found = finding
    assert (fault, rule, expected, found) == ("OverflowDetected", "redzone", 20, 20)
    assert finding.culprit == debug_heap.walk()[0]
    assert f"The likely culprit is the block at {address:#x}, of 20 bytes" in str(finding)


@pytest.mark.parametrize(("at", "rule"), [(0, "size"), (8, "magic"), (12, "seal"), (14, "seal")])
def test_the_live_block_in_front_of_a_damaged_header_is_the_culprit(at: int, rule: str) -> None:
    heap = Heap(4096, base=0)
    left, right = heap.malloc(40), heap.malloc(40)
    overwrite(heap, right - 16 + at, b"!!")
    (finding,) = heap.check()
    assert finding.rule == rule
    assert finding.culprit is not None
    assert finding.culprit.address == left
    assert "culprit is the block at 0x10, of 40 bytes, serial 1" in str(finding)


def test_there_is_no_culprit_without_a_live_block_in_front() -> None:
    heap = Heap(4096, base=0)
    first, second = heap.malloc(40), heap.malloc(40)
    heap.free(first)
    overwrite(heap, second - 16, b"!")
    (finding,) = heap.check()
    assert finding.culprit is None
    assert "culprit" not in str(finding)
    overwrite(heap, 0, b"!")
    assert all(finding.culprit is None for finding in heap.check())
