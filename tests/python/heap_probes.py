"""Looking at a heap from outside, and writing where nobody should.

What is read here comes from the region's bytes and the documented layout alone, so that it can be
held against what the heap says of itself.
"""

from __future__ import annotations

import ctypes
import hashlib
import struct
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import asdict
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    import glassheap

NIL = 0xFFFFFFFF
GRANULE = 16
FRONT = 16
"""Bytes of a header, and of a node."""
BACK = 16
"""Bytes of the trailer that stands behind a payload that is watched."""


class Header(NamedTuple):
    """What stands in front of a live payload."""

    size: int
    magic: int
    serial: int
    seal: int


class Node(NamedTuple):
    """What stands at the front of a free block; links are granules, or NIL."""

    size: int
    next: int
    prev: int

    def pack(self) -> bytes:
        return struct.pack("=QII", *self)


def region_bytes(heap: glassheap.Heap) -> bytes:
    with heap.region as region:
        return bytes(region)


def header_at(heap: glassheap.Heap, offset: int) -> Header:
    return Header(*struct.unpack_from("=QIHH", region_bytes(heap), offset))


def node_at(heap: glassheap.Heap, offset: int) -> Node:
    return Node(*struct.unpack_from("=QII", region_bytes(heap), offset))


def peek(heap: glassheap.Heap, offset: int, count: int) -> bytes:
    return ctypes.string_at(heap.address + offset, count)


def overwrite(heap: glassheap.Heap, offset: int, data: bytes) -> None:
    """Write behind the heap's back."""
    assert 0 <= offset <= offset + len(data) <= heap.size
    ctypes.memmove(heap.address + offset, data, len(data))


# --- A call that is refused changes nothing. ------------------------------------------------------


def fingerprint(heap: glassheap.Heap) -> tuple[str, dict[str, float]]:
    """A hash of all the region's bytes, and every counter but that of failures."""
    counters = asdict(heap.stats())
    del counters["failures"]
    return hashlib.sha256(region_bytes(heap)).hexdigest(), counters


@contextmanager
def refused(
    heap: glassheap.Heap, error: type[BaseException], text: str = ""
) -> Iterator[pytest.ExceptionInfo[BaseException]]:
    """What runs inside raises `error`, says `text`, and leaves the heap as it was."""
    before = fingerprint(heap)
    with pytest.raises(error) as caught:
        yield caught
    assert caught.type is error or error.__subclasses__()
    assert text in str(caught.value)
    assert fingerprint(heap) == before


def assert_sentences(text: str) -> None:
    """On one line, and ended."""
    assert "\n" not in text
    assert text.endswith(".")


# --- Whether all that a heap says of itself agrees. -----------------------------------------------

IN_ADDRESS_ORDER = {"first_fit", "next_fit", "best_fit", "worst_fit"}
"""The policies whose free list is in address order."""
IN_ONE_LIST = IN_ADDRESS_ORDER | {"sequential_fit"}
"""The policies that have all free blocks in one list; the others have many, or none."""


def front(heap: glassheap.Heap) -> int:
    """Bytes between the start of a block and its payload."""
    return FRONT if heap.headers else 0


def back(heap: glassheap.Heap) -> int:
    """Bytes between the rounded end of a payload and the end of its block."""
    return BACK if heap.checks == "debug" else 0


def keeps_sizes(heap: glassheap.Heap) -> bool:
    """Whether a live block shows the size that was asked for."""
    return heap.headers or heap.checks == "debug"


def on_offer(heap: glassheap.Heap, extent: int) -> int:
    """What a free block of so many bytes has room for."""
    return max(extent - front(heap) - back(heap), 0)


def first_place(heap: glassheap.Heap) -> int:
    """The address of the first byte of the first block, from which links count."""
    return heap.base + (GRANULE if heap.base == 0 and not heap.headers else 0)


def extent_for(heap: glassheap.Heap, size: int) -> int:
    """Bytes that a block of `size` takes in all."""
    extent = max(front(heap) + -(-size // GRANULE) * GRANULE + back(heap), GRANULE)
    return 1 << (extent - 1).bit_length() if heap.policy == "buddy" else extent


def link(heap: glassheap.Heap, address: int) -> int:
    """What a node holds to lead to the node at this address."""
    return (address - first_place(heap)) // GRANULE


def assert_nodes(heap: glassheap.Heap, free: list[glassheap.FreeBlock]) -> None:
    """The nodes hold the free list, forwards and backwards; it may be of several chains."""
    links = [NIL, *(link(heap, block.address) for block in free), NIL]
    nodes = [node_at(heap, block.address - heap.base) for block in free]
    for block, node, before, after in zip(free, nodes, links, links[2:], strict=False):
        assert node.size == block.size
        assert node.next in (NIL, after)
        assert node.prev in (NIL, before)
    for left, right in pairwise(nodes):
        assert (left.next == NIL) == (right.prev == NIL)
    if heap.policy in IN_ONE_LIST:
        assert sum(node.prev == NIL for node in nodes) <= 1


def assert_block(heap: glassheap.Heap, info: glassheap.BlockInfo) -> None:
    """What is said of a live block, and what stands in front of it."""
    usable = info.size if back(heap) else info.extent - front(heap)
    assert heap.usable_size(info.address) == usable
    assert info.address in heap
    assert info.extent == extent_for(heap, info.size)
    if heap.headers:
        header = header_at(heap, info.start - heap.base)
        assert header[:3] == (info.size, heap.magic, info.serial)
    else:
        assert info.serial == 0
        assert keeps_sizes(heap) or info.size == info.extent


def may_touch(heap: glassheap.Heap, left: glassheap.BlockInfo, right: glassheap.BlockInfo) -> bool:
    """Whether these two may both be free: a list out of order joins few, and buddies are chosen."""
    if heap.policy == "buddy":
        return left.extent != right.extent or (left.start - first_place(heap)) & left.extent != 0
    return heap.policy == "sequential_fit"


def assert_covers(heap: glassheap.Heap, walk: list[glassheap.BlockInfo]) -> None:
    """Each block begins where the one before it ends, and no two free ones touch."""
    ends = [info.start + info.extent for info in walk]
    assert [info.start for info in walk] == [first_place(heap), *ends[:-1]]
    assert ends[-1] == heap.base + heap.size
    assert all(info.address == info.start + front(heap) for info in walk)
    for left, right in pairwise(walk):
        assert left.live or right.live or may_touch(heap, left, right)


def assert_sound(heap: glassheap.Heap) -> None:
    """The walk, the free list, the bytes, the sums and check() all tell the same story."""
    walk = heap.walk()
    assert_covers(heap, walk)
    live = [info for info in walk if info.live]
    free = [info for info in walk if not info.live]
    for info in live:
        assert_block(heap, info)
    assert [*heap] == [info.address for info in live]
    assert len(heap) == len(live)
    listed = heap.free_list()
    in_order = listed if heap.policy in IN_ADDRESS_ORDER else sorted(listed)
    assert in_order == [(info.start, info.size) for info in free]
    assert all((info.size, info.serial) == (on_offer(heap, info.extent), 0) for info in free)
    assert_nodes(heap, listed)
    assert heap.available_memory() == sum(info.size for info in free)
    assert heap.largest_free() == max((info.size for info in free), default=0)
    assert heap.check() == []


# --- Programs of their own. -----------------------------------------------------------------------


def run_child(program: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a fresh interpreter, where it may crash or hang without taking us along."""
    return subprocess.run(
        [sys.executable, *options, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
