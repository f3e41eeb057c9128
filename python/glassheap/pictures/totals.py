"""The totals of a region, printed below every picture.

The shares add up to the size of the region:

    4,096 bytes: 600 requested, 48 headers, 24 rounding, 3,424 free

A heap without headers does not store requested sizes, so live blocks are counted whole:

    4,096 bytes: 640 in live blocks, 3,440 free, 16 unused
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glassheap.pictures.scale import Scene


class Totals(NamedTuple):
    """The bytes by their use, and the number of blocks. A free block counts with its node."""

    size: int
    requested: int
    headers: int
    rounding: int
    free: int
    live_blocks: int
    free_blocks: int
    largest_free: int  # the largest size that malloc can allocate
    broken_headers: int
    unused: int  # in no block
    has_headers: bool

    def sentences(self) -> list[str]:
        """The totals in sentences, each short enough for one line of a terminal."""
        shares = f"{self.size:,} bytes: " + ", ".join(self._shares())
        blocks = (
            f"{_count(self.live_blocks, 'live block')}; {_count(self.free_blocks, 'free block')},"
            f" the largest offers {self.largest_free:,} bytes"
        )
        return [shares, blocks, *self._warnings()]

    def _shares(self) -> Iterator[str]:
        if self.has_headers:
            yield f"{self.requested:,} requested"
            yield f"{self.headers:,} headers"
            yield f"{self.rounding:,} rounding"
        else:
            yield f"{self.requested:,} in live blocks"
        yield f"{self.free:,} free"
        if self.unused:
            yield f"{self.unused:,} unused"

    def _warnings(self) -> list[str]:
        if not self.broken_headers:
            return []
        return [f"{_count(self.broken_headers, 'header')} without the magic number"]


def of(scene: Scene) -> Totals:
    """The totals of a scene. O(blocks)."""
    free = [info for info in scene.blocks if not info.live]
    requested, headers, rounding = _live_bytes(scene)
    return Totals(
        size=scene.size,
        requested=requested,
        headers=headers,
        rounding=rounding,
        free=sum(info.extent for info in free),
        live_blocks=len(scene.blocks) - len(free),
        free_blocks=len(free),
        largest_free=max((info.size for info in free), default=0),
        broken_headers=len(scene.broken),
        unused=scene.unused,
        has_headers=scene.headers,
    )


def _live_bytes(scene: Scene) -> tuple[int, int, int]:
    """Bytes requested, in headers, and of rounding, from the blocks' sizes alone."""
    requested = headers = extents = 0
    for info in scene.blocks:
        if info.live:
            header = info.address - info.start
            headers += header
            requested += min(info.size, info.extent - header)
            extents += info.extent
    return requested, headers, extents - headers - requested


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
