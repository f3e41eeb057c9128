"""Overwritten bytes that the heap relies on: a row each, on every policy, layout and region.

A call that meets the damage names it and changes nothing; check() finds it and nothing else, in the
same words. From then on the heap refuses every change, can be looked at, and comes back by a reset.
In C++ every single byte is overwritten: of headers and nodes in tests/cpp/corruption_test.cpp, and
of those that checks="debug" watches in tests/cpp/redzone_test.cpp.
"""

from __future__ import annotations

import io
import random
import struct
from functools import partial
from typing import TYPE_CHECKING
from unittest.mock import ANY

import pytest

import glassheap
from fault_fixture import (
    CONFIGURATIONS,
    DEBUG_CONFIGURATIONS,
    FREED,
    KINDS,
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
    FILL,
    FRONT,
    assert_sound,
    extent_for,
    flip,
    header_at,
    node_at,
    overwrite,
    refused,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fault_rows import Call, Given

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


def flipped(at: int, mask: bytes) -> Given:
    """These bits are turned over, so far from where the header of `second` begins."""

    def write(prepared: PreparedHeap) -> int:
        flip(prepared.heap, prepared.offset(prepared.second) + at, mask)
        return prepared.second

    return write


SIZE, MAGIC, SERIAL, SEAL = 0, 8, 12, 14
"""Where the fields of a header stand."""
BAD_MAGIC = {
    "the magic number": flipped(MAGIC, b"\x01"),
    "an underflow over all of it": flipped(SIZE, b"A" * 16),
    "an overflow to the magic number": flipped(-64, b"B" * 76),
}
BAD_HEADER = {
    "the size, within the rounding": flipped(SIZE, b"\x01"),
    "the size, wrapping": flipped(SIZE, b"\xff" * 8),
    "the serial": flipped(SERIAL, b"\x01"),
    "the seal": flipped(SEAL, b"\x5a\xa5"),
}
HEADERS = [
    *rows(glassheap.BadMagic, BAD_MAGIC, OF_AN_ADDRESS, figures=broken_header),
    *rows(glassheap.HeaderCorrupted, BAD_HEADER, OF_AN_ADDRESS, figures=broken_header),
]


@pytest.mark.any_interpreter
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

FLIPPED = {"node size": 16, "next": 1, "record": 1}
"""The bit of each field of a node that is turned over."""


def write_node(field: str, which: int, prepared: PreparedHeap) -> Mapping[str, object]:
    """Write into that free block; the attributes of what the heap must raise."""
    offset = prepared.heap.free_list()[which].address - prepared.heap.base
    node, name = node_at(prepared.heap, offset), field.removeprefix("node ")
    expected = getattr(node, name)
    found = expected ^ FLIPPED[field]
    overwrite(prepared.heap, offset, node._replace(**{name: found}).pack())
    return damage(offset, field, expected, found)


@pytest.mark.any_interpreter
@pytest.mark.parametrize("field", FLIPPED)
def test_an_overwritten_node_is_met_where_it_is_used_and_found_by_check(field: str) -> None:
    """A caller that takes all free memory, or frees every block, meets every node."""

    def check(configuration: Configuration) -> None:
        meetings = [take_all, take_all_at_once, give_all_back]
        if configuration.policy == "buddy":
            meetings.pop()  # a buddy whose other half is never free is never merged
        for which in range(configuration.prepared().heap.stats().free_blocks):
            write = partial(write_node, field, which)
            meet_and_find(configuration, glassheap.FreeListCorrupted, write, *meetings)

    on_each(CONFIGURATIONS, check)


# --- Bytes that checks="debug" watches: behind a payload, and in free memory. ---------------------


def overflowed(at: int, prepared: PreparedHeap) -> glassheap.Block:
    """A block of 100 bytes that was written so far behind its end; its granules have 112."""
    block = prepared.heap.alloc(100)
    flip(prepared.heap, block.address - prepared.heap.base + 100 + at, b"\x5a")
    return block


def overflow(
    at: int, prepared: PreparedHeap, block: glassheap.Block, name: str
) -> Mapping[str, object]:
    return damage(prepared.offset(block.address), "redzone", 100, 100 + at)


def at_its_address(call: Call) -> Call:
    return lambda prepared, block: call(prepared, block.address)


OF_WHAT_OVERFLOWED: dict[str, Call] = {
    **{name: at_its_address(call) for name, call in OF_AN_ADDRESS.items()},
    "Block.free": lambda b, block: block.free(),
    "with": lambda b, block: block.__exit__(None, None, None),
    "memoryview": lambda b, block: memoryview(block),
}


@pytest.mark.parametrize("at", [0, 11], ids=["the first byte behind", "the last of the rounding"])
def test_an_overflow_is_found_and_contained(at: int) -> None:
    given, figures = partial(overflowed, at), partial(overflow, at)
    row = Row(glassheap.OverflowDetected, given, OF_WHAT_OVERFLOWED, figures)
    on_each(DEBUG_CONFIGURATIONS, partial(commit_and_find, row))


def free_memory(prepared: PreparedHeap) -> list[glassheap.BlockInfo]:
    """The free blocks that are larger than a node, and so may serve a request."""
    return [i for i in prepared.heap.walk() if not i.live and i.size > 0]


def write_free(at: int, which: int, prepared: PreparedHeap) -> Mapping[str, object]:
    """Write a byte into that free block; the attributes of what the heap must raise."""
    block = free_memory(prepared)[which]
    offset = block.start - prepared.heap.base + at % block.extent
    overwrite(prepared.heap, offset, b"\x07")
    return damage(offset, "fill", FILL, 7)


@pytest.mark.parametrize("at", [FRONT, -1], ids=["right behind the node", "the last byte"])
def test_a_write_into_freed_memory_is_met_at_reuse_and_found_by_check(at: int) -> None:
    def check(configuration: Configuration) -> None:
        for which in range(len(free_memory(configuration.prepared()))):
            write = partial(write_free, at, which)
            meet_and_find(
                configuration, glassheap.WriteAfterFree, write, take_all, take_all_at_once
            )

    on_each(DEBUG_CONFIGURATIONS, check)


@pytest.mark.parametrize("headers", [True, False])
def test_a_debug_heap_shows_exactly_the_requested_size(headers: bool) -> None:
    heap = glassheap.Heap(headers=headers, checks="debug")
    assert (glassheap.Heap().checks, heap.checks) == ("robust", "debug")
    for size in (0, 1, 16, 17, 100):
        address = heap.malloc(size)
        assert heap.usable_size(address) == len(heap.view(address)) == size


# --- The block that most likely wrote there. ------------------------------------------------------

BESIDE = {"size": -16, "magic": -8, "seal": -4, "redzone": 40}
"""The rule that is broken by a write so far from the second of three payloads of 40 bytes."""


@pytest.mark.parametrize(("rule", "at"), BESIDE.items())
def test_the_block_that_ends_at_the_damage_is_the_culprit(rule: str, at: int) -> None:
    """Of a redzone its own block, and of a header the live block in front, if there is one."""
    heap = glassheap.Heap(4096, base=0, checks="debug" if rule == "redzone" else "robust")
    first, second, _ = heap.malloc_many([40, 40, 40])
    flip(heap, second + at, b"!!")
    (finding,) = heap.check()
    culprit = second if rule == "redzone" else first
    assert finding.rule == rule
    assert finding.culprit == next(info for info in heap.walk() if info.address == culprit)
    assert f"The likely culprit is the block at {culprit:#x}, of 40 bytes" in str(finding)


def test_there_is_no_culprit_without_a_live_block_in_front() -> None:
    heap = glassheap.Heap(4096, base=0)
    first, second = heap.malloc_many([40, 40])
    heap.free(first)
    for count, offset in enumerate((second - FRONT, 0), 1):
        flip(heap, offset, b"!")
        findings = heap.check()
        assert [finding.culprit for finding in findings] == [None] * count
        assert not any("culprit" in str(finding) for finding in findings)


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
        write_node("node size", 0, prepared)
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
    assert [size for _, size in heap.free_list()] == [64, 144, 3040]
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
        ("FreeListCorrupted", "record", FREED * 16),
        ("HeaderCorrupted", "size", THIRD * 16),
    ]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_heap_with_random_bytes_anywhere_can_be_inspected_and_reset(
    kind: Configuration,
) -> None:
    """The fuzzers in tests/fuzz make every call on such heaps."""
    draw = random.Random(f"{kind}")
    for _ in range(3):
        heap, out = kind.prepared().heap, io.StringIO()
        starts = [info.start for info in heap.walk()]
        for _ in range(draw.choice([1, 3, 30])):
            data = draw.choice([b"\xff" * 16, bytes(16), draw.randbytes(4), draw.randbytes(300)])
            place = draw.choice([*range(0, heap.size, 8), *(at - heap.base for at in starts)])
            overwrite(heap, place, data[: heap.size - place])
        assert [info.start for info in heap.walk()] == starts
        heap.print_free_list(file=out)
        heap.show(file=out)
        for start in starts:
            heap.hexdump(start, file=out)
        assert heap._repr_html_().startswith("<svg")
        heap.check()
        heap.reset()
        assert_sound(heap)
