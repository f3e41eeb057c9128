"""checks="debug" from Python: its findings, their messages, and the named culprits."""

from __future__ import annotations

import ctypes
import re

import pytest

import glassheap

POLICIES = [policy.name for policy in glassheap.policies()]
LAYOUTS = [True, False]


def debug_heap(policy: str = "first_fit", headers: bool = True) -> glassheap.Heap:
    return glassheap.Heap(4096, policy=policy, headers=headers, checks="debug", base=0)


def write(heap: glassheap.Heap, offset: int, data: bytes) -> None:
    """Write past the heap, like a faulty C program."""
    ctypes.memmove(heap.address + offset, data, len(data))


def test_the_level_of_checks_is_an_attribute() -> None:
    assert glassheap.Heap().checks == "robust"
    assert debug_heap().checks == "debug"


@pytest.mark.parametrize("level", ["none", "", "Debug"])
def test_an_unknown_level_is_a_value_error(level: str) -> None:
    with pytest.raises(ValueError, match=r"there is no checks '.*'; .*here are: 'robust', 'debug'"):
        glassheap.Heap(checks=level)  # type: ignore[arg-type]


@pytest.mark.parametrize("level", [None, 1, b"debug"])
def test_a_level_of_another_type_is_a_type_error(level: object) -> None:
    with pytest.raises(TypeError, match="checks must be one of 'robust', 'debug'"):
        glassheap.Heap(checks=level)  # type: ignore[arg-type]


@pytest.mark.parametrize("headers", LAYOUTS)
@pytest.mark.parametrize("policy", POLICIES)
def test_the_usable_size_is_exactly_the_requested_size(policy: str, headers: bool) -> None:
    heap = debug_heap(policy, headers)
    for size in (0, 1, 16, 17, 100):
        address = heap.malloc(size)
        assert heap.usable_size(address) == size
        assert len(heap.view(address)) == size
        assert size in [block.size for block in heap.walk() if block.address == address]
    assert heap.check() == []


@pytest.mark.parametrize("headers", LAYOUTS)
@pytest.mark.parametrize("policy", POLICIES)
def test_free_finds_an_overflow_and_names_the_byte(policy: str, headers: bool) -> None:
    heap = debug_heap(policy, headers)
    address = heap.malloc(20)
    write(heap, address + 23, b"!")
    before = bytes(heap.region)
    with pytest.raises(glassheap.OverflowDetected) as caught:
        heap.free(address)
    assert (caught.value.expected, caught.value.found) == (20, 23)
    assert caught.value.field == "redzone"
    assert str(caught.value) == (
        f"the block at offset {caught.value.offset} has 20 bytes, and the byte with the index 23, "
        "behind its end, was written. The heap is damaged; a reset brings it back, empty."
    )
    assert bytes(heap.region) == before
    with pytest.raises(glassheap.HeapDamaged):
        heap.malloc(1)
    heap.reset()
    assert heap.check() == []


@pytest.mark.parametrize("headers", LAYOUTS)
@pytest.mark.parametrize("policy", POLICIES)
def test_check_finds_a_write_into_freed_memory(policy: str, headers: bool) -> None:
    heap = debug_heap(policy, headers)
    address = heap.malloc(100)
    heap.malloc(16)
    heap.free(address)
    write(heap, address + 50, b"\x07")
    (finding,) = heap.check()
    assert finding[:2] == ("WriteAfterFree", "fill")
    assert finding[2:] == (address + 50, 0xDD, 7)
    assert str(finding) == (
        f"the byte at offset {address + 50} is free memory, and was written: it is 0x07 instead of "
        "0xDD. The heap is damaged; a reset brings it back, empty."
    )


@pytest.mark.parametrize("headers", LAYOUTS)
def test_malloc_finds_a_write_into_freed_memory(headers: bool) -> None:
    heap = debug_heap("first_fit", headers)
    address = heap.malloc(100)
    heap.malloc(16)
    heap.free(address)
    write(heap, address + 50, b"\x07")
    with pytest.raises(glassheap.WriteAfterFree):
        heap.malloc(100)


def test_an_overflow_of_a_block_object_is_raised_at_the_end_of_with() -> None:
    heap = debug_heap()
    with pytest.raises(glassheap.OverflowDetected), heap.alloc(10) as block:
        write(heap, block.address + 10, b"x")


# --- Culprits. ------------------------------------------------------------------------------------
def test_the_block_in_front_of_a_damaged_redzone_is_the_culprit() -> None:
    heap = debug_heap()
    address = heap.malloc(20)
    write(heap, address + 20, b"!")
    (finding,) = heap.check()
    assert finding.culprit == heap.walk()[0]
    assert f"The likely culprit is the block at {address:#x}, of 20 bytes, serial 1" in str(finding)


@pytest.mark.parametrize(("at", "rule"), [(0, "size"), (8, "magic"), (12, "seal"), (14, "seal")])
def test_the_live_block_in_front_of_a_damaged_header_is_the_culprit(at: int, rule: str) -> None:
    heap = glassheap.Heap(4096, base=0)
    left, right = heap.malloc(40), heap.malloc(40)
    write(heap, right - 16 + at, b"!!")
    (finding,) = heap.check()
    assert finding.rule == rule
    assert finding.culprit is not None
    assert finding.culprit.address == left
    assert re.search(r"culprit is the block at 0x10, of 40 bytes, serial 1", str(finding))


def test_there_is_no_culprit_without_a_live_block_in_front() -> None:
    heap = glassheap.Heap(4096, base=0)
    first, second = heap.malloc(40), heap.malloc(40)
    heap.free(first)
    write(heap, second - 16, b"!")
    (finding,) = heap.check()
    assert finding.culprit is None
    assert "culprit" not in str(finding)
    write(heap, 0, b"!")
    assert all(finding.culprit is None for finding in heap.check())


def test_a_finding_unpacks_to_its_five_fields() -> None:
    heap = debug_heap()
    address = heap.malloc(20)
    write(heap, address + 20, b"!")
    fault, rule, offset, expected, found = heap.check()[0]
    assert (fault, rule, offset, expected, found) == ("OverflowDetected", "redzone", 0, 20, 20)
