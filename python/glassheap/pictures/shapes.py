"""The shapes of an image: single blocks, and runs of blocks too narrow to be distinguished.

A heap may hold a million blocks, and an image has space for a few thousand. A block too narrow to
be visible is joined with its narrow neighbours until their shape is wide enough; a wider block is
always a shape of its own. So the number of shapes is limited by the width of the image, not by the
number of blocks. The shapes still cover the region exactly, in address order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glassheap.pictures.scale import Scene
    from glassheap.records import BlockInfo


class Shape(NamedTuple):
    """One or more blocks. `start` and `end` are offsets from the first byte of the region."""

    start: int
    end: int
    blocks: int
    live: int  # bytes in live blocks
    broken: bool
    only: BlockInfo | None  # the block, if it is a single one


def of(scene: Scene, min_bytes: float) -> Iterator[Shape]:
    """The shapes of a scene: of two adjacent runs at most one is narrower than `min_bytes`.

    O(blocks).
    """
    run: list[BlockInfo] = []
    for info in scene.blocks:
        wide = info.extent >= min_bytes
        if run and (wide or info.start - run[0].start >= min_bytes):
            yield _joined(scene, run)
            run = []
        run.append(info)
    if run:
        yield _joined(scene, run)


def _joined(scene: Scene, run: list[BlockInfo]) -> Shape:
    first, last = run[0], run[-1]
    return Shape(
        start=first.start - scene.base,
        end=last.start + last.extent - scene.base,
        blocks=len(run),
        live=sum(info.extent for info in run if info.live),
        broken=bool(scene.broken) and any(info.start in scene.broken for info in run),
        only=first if len(run) == 1 else None,
    )
