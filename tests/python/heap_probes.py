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


def chain(heap: glassheap.Heap, start: int, link: str) -> list[int]:
    """The offsets that the links in the nodes lead through, from a first node on."""
    offsets: list[int] = []
    while start != NIL * GRANULE:
        offsets.append(start)
        assert len(offsets) <= heap.size // GRANULE, "the list in the nodes does not end"
        start = getattr(node_at(heap, start), link) * GRANULE
    return offsets


def assert_list_in_nodes(heap: glassheap.Heap, free: list[tuple[int, int]]) -> None:
    """The nodes hold these (offset, size) as a list, forwards and backwards."""
    offsets = [offset for offset, _ in free]
    assert [node_at(heap, offset).size for offset in offsets] == [size for _, size in free]
    if offsets:
        assert chain(heap, offsets[0], "next") == offsets
        assert chain(heap, offsets[-1], "prev") == offsets[::-1]


def assert_header(heap: glassheap.Heap, info: glassheap.BlockInfo) -> None:
    header = header_at(heap, info.start - heap.base)
    assert header[:3] == (info.size, heap.magic, info.serial)
    assert info.extent == FRONT + -(-info.size // GRANULE) * GRANULE
    assert heap.usable_size(info.address) == info.extent - FRONT
    assert info.address in heap


def assert_covers(heap: glassheap.Heap, walk: list[glassheap.BlockInfo]) -> None:
    """Each block begins where the one before it ends, and no two free ones touch."""
    ends = [info.start + info.extent for info in walk]
    assert [info.start for info in walk] == [heap.base, *ends[:-1]]
    assert ends[-1] == heap.base + heap.size
    assert all(info.address == info.start + FRONT for info in walk)
    assert all(left.live or right.live for left, right in pairwise(walk))


def assert_sound(heap: glassheap.Heap) -> None:
    """The walk, the free list, the bytes, the sums and check() all tell the same story."""
    walk = heap.walk()
    assert_covers(heap, walk)
    live = [info for info in walk if info.live]
    free = [info for info in walk if not info.live]
    for info in live:
        assert_header(heap, info)
    assert [*heap] == [info.address for info in live]
    assert len(heap) == len(live)
    assert heap.free_list() == [(info.start, info.size) for info in free]
    assert all((info.size, info.serial) == (info.extent - FRONT, 0) for info in free)
    assert_list_in_nodes(heap, [(info.start - heap.base, info.size) for info in free])
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
