"""Read a heap's region from outside, write over it, and check that all of its figures agree.

The values read here come from the region's bytes and the documented layout alone. They are
independent of the heap's own figures, so the two can be compared.
"""

from __future__ import annotations

import ctypes
import hashlib
import struct
from contextlib import contextmanager
from dataclasses import asdict
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import pytest

import glassheap

if TYPE_CHECKING:
    from collections.abc import Iterator

NIL = 0xFFFFFFFF
GRANULE = 16
FRONT = 16
"""Bytes of a header, and of a node."""
BACK = 16
"""Bytes of the trailer behind each payload under checks="debug"."""
FILL = 0xDD
"""Every byte of free memory under checks="debug"."""
FILLS = {0, FILL, 0xFD}
"""What a payload may show before it is written: zeros, or the fills of checks="debug"."""


class Header(NamedTuple):
    """The header in front of a live payload."""

    size: int
    magic: int
    serial: int
    seal: int


class Node(NamedTuple):
    """The node at the start of a free block: the granule of the next one, and a record, or NIL."""

    size: int
    next: int
    record: int

    def pack(self) -> bytes:
        return struct.pack("=QII", *self)


def region_bytes(heap: glassheap.Heap) -> bytes:
    with heap.region as region:
        return bytes(region)


def header_at(heap: glassheap.Heap, offset: int) -> Header:
    return Header(*struct.unpack("=QIHH", peek(heap, offset, FRONT)))


def node_at(heap: glassheap.Heap, offset: int) -> Node:
    return Node(*struct.unpack("=QII", peek(heap, offset, FRONT)))


def peek(heap: glassheap.Heap, offset: int, count: int) -> bytes:
    return ctypes.string_at(heap.address + offset, count)


def overwrite(heap: glassheap.Heap, offset: int, data: bytes) -> None:
    """Write to the region directly, past the heap."""
    assert 0 <= offset <= offset + len(data) <= heap.size
    ctypes.memmove(heap.address + offset, data, len(data))


def flip(heap: glassheap.Heap, offset: int, mask: bytes) -> None:
    """Turn these bits of the region over, past the heap."""
    old = peek(heap, offset, len(mask))
    overwrite(heap, offset, bytes(byte ^ bits for byte, bits in zip(old, mask, strict=True)))


# --- A refused call changes nothing. --------------------------------------------------------------


def fingerprint(heap: glassheap.Heap) -> tuple[str, dict[str, float]]:
    """A hash of the region's bytes, and every counter except that of failures."""
    counters = asdict(heap.stats())
    del counters["failures"]
    return hashlib.sha256(region_bytes(heap)).hexdigest(), counters


@contextmanager
def refused(
    heap: glassheap.Heap, error: type[BaseException], text: str = ""
) -> Iterator[pytest.ExceptionInfo[BaseException]]:
    """Assert that the body raises `error` with `text` in its message and changes nothing."""
    before = fingerprint(heap)
    with pytest.raises(error) as caught:
        yield caught
    assert caught.type is error or error.__subclasses__()
    assert text in str(caught.value)
    assert fingerprint(heap) == before


def assert_sentences(text: str) -> None:
    """Assert that the text is one line and ends with a full stop."""
    assert "\n" not in text
    assert text.endswith(".")


# --- All figures of a heap agree. -----------------------------------------------------------------

ADDRESS_ORDERED_POLICIES = {"first_fit", "next_fit", "best_fit", "worst_fit"}
"""The policies with a free list in address order."""
SINGLE_LIST_POLICIES = ADDRESS_ORDERED_POLICIES | {"sequential_fit"}
"""The policies with all free blocks in one list; the others have many lists, or none."""
RECORD_POLICIES = {"segregated_fit", "quick_fit", "tlsf", "buddy", "sequential_fit"}
"""The policies that keep a record of each free block outside the region."""


def front(heap: glassheap.Heap) -> int:
    """Bytes between the start of a block and its payload."""
    return FRONT if heap.headers else 0


def back(heap: glassheap.Heap) -> int:
    """Bytes between the rounded end of a payload and the end of its block."""
    return BACK if heap.checks == "debug" else 0


def records_sizes(heap: glassheap.Heap) -> bool:
    """True if the layout stores the requested size of a live block."""
    return heap.headers or heap.checks == "debug"


def offered_size(heap: glassheap.Heap, extent: int) -> int:
    """Payload bytes that a free block of this extent can hold."""
    return max(extent - front(heap) - back(heap), 0)


def first_block_address(heap: glassheap.Heap) -> int:
    """The address of the first block; links count granules from it."""
    return heap.base + (GRANULE if heap.base == 0 and not heap.headers else 0)


def extent_for(heap: glassheap.Heap, size: int) -> int:
    """Bytes that a block with a payload of `size` bytes takes in all."""
    extent = max(front(heap) + -(-size // GRANULE) * GRANULE + back(heap), GRANULE)
    return 1 << (extent - 1).bit_length() if heap.policy == "buddy" else extent


def assert_nodes(heap: glassheap.Heap, free: list[glassheap.FreeBlock]) -> None:
    """Assert that the nodes link the free list, which may have several chains, and name records."""
    first = first_block_address(heap)
    links = [*((block.address - first) // GRANULE for block in free), NIL]
    nodes = [node_at(heap, block.address - heap.base) for block in free]
    for block, node, after in zip(free, nodes, links[1:], strict=True):
        assert node.size == block.size
        assert node.next in (NIL, after)
    if heap.policy in SINGLE_LIST_POLICIES:
        assert [node.next for node in nodes] == links[1:]
    assert_records(heap, {b.address: node.record for b, node in zip(free, nodes, strict=True)})


def assert_records(heap: glassheap.Heap, records: dict[int, int]) -> None:
    """Assert that each free block has a record of its own, or none of them has one.

    `segregated_fit`, `quick_fit` and `tlsf` keep the block that ends the region apart, without a
    record. A shared heap may have too few records; the blocks that got none are the last of the
    list.
    """
    if heap.policy in {"segregated_fit", "quick_fit", "tlsf"}:
        assert records.pop(heap.walk()[-1].start, NIL) == NIL
    if heap.policy in RECORD_POLICIES:
        named = [record for record in records.values() if record != NIL]
        assert len({*named}) == len(named)
        assert [*records.values()][: len(named)] == named
        assert len(named) == len(records) or isinstance(heap, glassheap.SharedHeap)
    else:
        assert {*records.values()} <= {NIL}


def assert_block(heap: glassheap.Heap, info: glassheap.BlockInfo) -> None:
    """Assert that a live block agrees with its header and with the heap's figures."""
    usable = info.size if back(heap) else info.extent - front(heap)
    assert heap.usable_size(info.address) == usable
    assert info.address in heap
    assert info.extent == extent_for(heap, info.size)
    if heap.headers:
        header = header_at(heap, info.start - heap.base)
        assert header[:3] == (info.size, heap.magic, info.serial)
    else:
        assert info.serial == 0
        assert records_sizes(heap) or info.size == info.extent


def may_be_adjacent(
    heap: glassheap.Heap, left: glassheap.BlockInfo, right: glassheap.BlockInfo
) -> bool:
    """True if both neighbours may be free: buddies merge in pairs, others seldom or later."""
    if heap.policy == "buddy":
        return (
            left.extent != right.extent
            or (left.start - first_block_address(heap)) & left.extent != 0
        )
    return heap.policy in {"sequential_fit", "quick_fit"}


def assert_covers_region(heap: glassheap.Heap, walk: list[glassheap.BlockInfo]) -> None:
    """Assert that the blocks cover the region without gaps and that free neighbours are merged."""
    ends = [info.start + info.extent for info in walk]
    assert [info.start for info in walk] == [first_block_address(heap), *ends[:-1]]
    assert ends[-1] == heap.base + heap.size
    assert all(info.address == info.start + front(heap) for info in walk)
    for left, right in pairwise(walk):
        assert left.live or right.live or may_be_adjacent(heap, left, right)


def assert_sound(heap: glassheap.Heap) -> None:
    """Assert that the walk, the free list, the bytes, the sums and check() agree."""
    walk = heap.walk()
    assert_covers_region(heap, walk)
    live = [info for info in walk if info.live]
    free = [info for info in walk if not info.live]
    for info in live:
        assert_block(heap, info)
    assert [*heap] == [info.address for info in live]
    assert len(heap) == len(live)
    listed = heap.free_list()
    in_order = listed if heap.policy in ADDRESS_ORDERED_POLICIES else sorted(listed)
    assert in_order == [(info.start, info.size) for info in free]
    assert all((info.size, info.serial) == (offered_size(heap, info.extent), 0) for info in free)
    assert_nodes(heap, listed)
    assert heap.available_memory() == sum(info.size for info in free)
    assert heap.largest_free() == max((info.size for info in free), default=0)
    assert heap.check() == []
