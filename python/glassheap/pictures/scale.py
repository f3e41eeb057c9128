"""The scale of every picture: the parts of a heap's blocks, at their offsets in the region.

A picture must be consistent, so each heap is read only once. `capture` copies the data of a picture
(one walk over the blocks, one read of the headers' magic numbers) into a `Scene`. The rest is
arithmetic on that copy; the maps have no access to the heap.

    Scene --parts--> header | payload | rounding | node | free | unused, as spans of bytes
          --cells--> one kind for each granule         (a map of a small region)
          --fill---> live bytes in each cell           (a map of a large one)

The parts of all blocks cover the region without a gap or an overlap, so a picture is exactly to
scale: the sum over its cells is that of the walk.
"""

from __future__ import annotations

import struct
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from glassheap import _core

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glassheap._core import Heap
    from glassheap.records import BlockInfo

GRANULE = 16
HEADER = struct.Struct("=QIHH")  # header_t: size, magic, serial, seal
NODE = struct.Struct("=QII")  # node_t: size, next, record


class Kind(Enum):
    """The use of a byte of the region."""

    HEADER = "header"
    BROKEN = "broken"  # a header without the heap's magic number: it was overwritten
    PAYLOAD = "payload"
    NEXT_PAYLOAD = "next payload"  # every second payload without headers: neighbours must differ
    ROUNDING = "rounding"  # behind the payload, up to the next granule
    NODE = "node"
    FREE = "free"
    UNUSED = "unused"  # in no block


class Part(NamedTuple):
    """A span of bytes of one kind; `start` and `end` count from the first byte of the region."""

    start: int
    end: int
    kind: Kind


class Scene(NamedTuple):
    """A heap at one moment. The region's first address is `base`; `size` is in bytes."""

    policy: str
    base: int
    size: int
    blocks: list[BlockInfo]
    broken: frozenset[int]  # the starts of live blocks whose header lacks the magic number
    second: frozenset[int]  # the starts of every second live block without a header
    headers: bool = True
    granule: int = GRANULE
    node: int = NODE.size  # bytes of a free block that its node takes; 0 if it lies elsewhere

    @property
    def unused(self) -> int:
        """Bytes before the first block: 16 if the first payload would be at address 0."""
        return self.blocks[0].start - self.base

    def caption(self) -> str:
        """The policy, the layout and the size."""
        layout = "" if self.headers else ", no headers"
        if not self.node:
            layout = f", granule {self.granule:,}"
        return f"{self.policy}{layout}, {self.size:,} bytes"

    def linked(self, granule: int) -> int:
        """The address of a link's node; links count granules from the first block."""
        return self.base + self.unused + granule * GRANULE


def capture(heap: Heap) -> Scene:
    """Copy the data of a picture; a damaged heap is accepted. O(blocks). Raises HeapClosed."""
    blocks = heap.walk()
    headerless = [info.start for info in blocks if info.live and info.address == info.start]
    broken = _broken(heap, blocks)
    second = frozenset(headerless[1::2])
    of_heap = heap.policy, heap.base, heap.size
    node = 0 if isinstance(heap, _core.OffsetHeap) else NODE.size
    return Scene(*of_heap, blocks, broken, second, heap.headers, heap.granule, node)


def parts(info: BlockInfo, scene: Scene) -> Iterator[Part]:
    """The parts of a block in address order; none is empty."""
    start = info.start - scene.base
    end = start + info.extent
    split, kinds = _divide(info, scene)
    for limit, kind in zip((*split, end), kinds, strict=True):
        stop = min(limit, end)
        if start < stop:
            yield Part(start, stop, kind)
            start = stop


def cells(scene: Scene) -> list[Kind]:
    """The kind of each granule, which is that of its last byte, so that rounding is visible."""
    granule = scene.granule
    kinds = [Kind.UNUSED] * (scene.size // granule)
    for info in scene.blocks:
        for start, end, kind in parts(info, scene):
            granules = range(start // granule, end // granule)
            kinds[granules.start : granules.stop] = [kind] * len(granules)
    return kinds


def fill(scene: Scene, cell: int) -> list[int]:
    """The bytes of live blocks in each cell of `cell` bytes."""
    live = [0] * -(-scene.size // cell)
    for info in scene.blocks:
        if info.live:
            _add_extent(live, cell, info.start - scene.base, info.extent)
    return live


def _add_extent(live: list[int], cell: int, start: int, extent: int) -> None:
    """Add the bytes [start, start + extent) to the cells that contain them."""
    first, last = start // cell, (start + extent - 1) // cell
    if first == last:
        live[first] += extent
        return
    live[first] += (first + 1) * cell - start
    live[last] += start + extent - last * cell
    for index in range(first + 1, last):
        live[index] = cell


def _divide(info: BlockInfo, scene: Scene) -> tuple[tuple[int, ...], tuple[Kind, ...]]:
    """The offsets between the parts of a block, and their kinds; the last ends with the block.

    Without headers a live block's payload begins at its first byte, and its header is empty. The
    size in a damaged header is arbitrary, so `parts` limits every part to the block's end.
    """
    if not info.live:
        return (info.start - scene.base + scene.node,), (Kind.NODE, Kind.FREE)
    header = Kind.BROKEN if info.start in scene.broken else Kind.HEADER
    payload = Kind.NEXT_PAYLOAD if info.start in scene.second else Kind.PAYLOAD
    start = info.address - scene.base
    return (start, start + info.size), (header, payload, Kind.ROUNDING)


def _broken(heap: Heap, blocks: list[BlockInfo]) -> frozenset[int]:
    """The starts of live blocks whose header lacks the magic number."""
    if not heap.headers:
        return frozenset()
    magic, base = heap.magic, heap.base
    with heap.region as region, region.cast("I") as words:
        return frozenset(
            info.start
            for info in blocks
            if info.live
            and info.address > info.start
            and words[(info.start - base) // 4 + 2] != magic
        )
