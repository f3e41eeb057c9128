"""What there is to see in a heap, and where: the measure that every picture is drawn with.

A picture must not lie, so nothing here looks at a heap twice. `take` copies what a picture needs
(one walk over the blocks, one look at the headers' magic numbers) into a `Scene`; everything else
is arithmetic on that copy, and the drawing modules never see the heap itself.

    Scene --parts--> header | payload | rounding | node | free | unused, as spans of bytes
          --cells--> one kind for each granule         (a map of a small region)
          --fill---> live bytes in each cell           (a map of a large one)

The parts of all blocks cover the region without a gap or an overlap, which makes a picture exactly
to scale: summed over the cells, it gives the walk again.
"""

from __future__ import annotations

import struct
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glassheap._core import Heap
    from glassheap.records import BlockInfo

GRANULE = 16
HEADER = struct.Struct("=QIHH")  # header_t: size, magic, serial, seal
NODE = struct.Struct("=QII")  # node_t: size, next, prev


class Kind(Enum):
    """What a byte of the region is there for."""

    HEADER = "header"
    BROKEN = "broken"  # a header without the heap's magic number: someone wrote over it
    PAYLOAD = "payload"
    NEXT_PAYLOAD = "next payload"  # without headers every second payload, to tell neighbours apart
    ROUNDING = "rounding"  # behind the payload, up to the next granule
    NODE = "node"
    FREE = "free"
    UNUSED = "unused"  # in no block at all


class Part(NamedTuple):
    """A span of bytes of one kind; `start` and `end` count from the first byte of the region."""

    start: int
    end: int
    kind: Kind


class Scene(NamedTuple):
    """A heap at one moment. The blocks' addresses count from `base`; `size` is in bytes."""

    policy: str
    base: int
    size: int
    blocks: list[BlockInfo]
    broken: frozenset[int]  # the starts of live blocks whose header has lost its magic number
    second: frozenset[int]  # the starts of every second live block that has no header
    headers: bool = True

    @property
    def unused(self) -> int:
        """Bytes in front of the first block: 16 where no payload may be at address 0."""
        return self.blocks[0].start - self.base

    def caption(self) -> str:
        """What heap it is."""
        layout = "" if self.headers else ", no headers"
        return f"{self.policy}{layout}, {self.size:,} bytes"

    def linked(self, granule: int) -> int:
        """The address of the node that a link names; links count from the first block."""
        return self.base + self.unused + granule * GRANULE


def take(heap: Heap) -> Scene:
    """Copy what a picture needs; of a damaged heap too. O(blocks). Raises HeapClosed."""
    blocks = heap.walk()
    bare = [info.start for info in blocks if info.live and info.address == info.start]
    broken = _broken(heap, blocks)
    second = frozenset(bare[1::2])
    return Scene(heap.policy, heap.base, heap.size, blocks, broken, second, heap.headers)


def parts(info: BlockInfo, scene: Scene) -> Iterator[Part]:
    """The parts of a block in address order, none of them empty."""
    start = info.start - scene.base
    end = start + info.extent
    split, kinds = _plan(info, scene)
    for limit, kind in zip((*split, end), kinds, strict=True):
        stop = min(limit, end)
        if start < stop:
            yield Part(start, stop, kind)
            start = stop


def cells(scene: Scene) -> list[Kind]:
    """One kind for every granule: that of its last byte, so that a rounded end is seen."""
    kinds = [Kind.UNUSED] * (scene.size // GRANULE)
    for info in scene.blocks:
        for start, end, kind in parts(info, scene):
            last = range(start // GRANULE, end // GRANULE)
            kinds[last.start : last.stop] = [kind] * len(last)
    return kinds


def fill(scene: Scene, cell: int) -> list[int]:
    """For every `cell` bytes of the region, how many of them belong to live blocks."""
    live = [0] * -(-scene.size // cell)
    for info in scene.blocks:
        if info.live:
            _pour(live, cell, info.start - scene.base, info.extent)
    return live


def _pour(live: list[int], cell: int, start: int, extent: int) -> None:
    first, last = start // cell, (start + extent - 1) // cell
    if first == last:
        live[first] += extent
        return
    live[first] += (first + 1) * cell - start
    live[last] += start + extent - last * cell
    for index in range(first + 1, last):
        live[index] = cell


def _plan(info: BlockInfo, scene: Scene) -> tuple[tuple[int, ...], tuple[Kind, ...]]:
    """Where the parts of a block divide, and what they are; the last goes to the block's end.

    Without headers a live block's payload begins where the block does, and its header is empty.
    The size in a damaged header can be anything, which is why `parts` cuts it off at the end.
    """
    if not info.live:
        return (info.start - scene.base + NODE.size,), (Kind.NODE, Kind.FREE)
    header = Kind.BROKEN if info.start in scene.broken else Kind.HEADER
    payload = Kind.NEXT_PAYLOAD if info.start in scene.second else Kind.PAYLOAD
    start = info.address - scene.base
    return (start, start + info.size), (header, payload, Kind.ROUNDING)


def _broken(heap: Heap, blocks: list[BlockInfo]) -> frozenset[int]:
    magic, base = heap.magic, heap.base
    with heap.region as region, region.cast("I") as words:
        return frozenset(
            info.start
            for info in blocks
            if info.live
            and info.address > info.start
            and words[(info.start - base) // 4 + 2] != magic
        )
