"""What an image draws as one: blocks that can be told apart, and runs of those that cannot.

A heap may hold a million blocks where an image has a few thousand places. A block narrower than the
eye can use is joined with its small neighbours until together they are wide enough; every wider
block stays by itself, wherever it lies. So the number of shapes is bounded by the width of the
image and not by the heap, and still the shapes cover the region exactly, in address order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glassheap.pictures.scale import Scene
    from glassheap.records import BlockInfo


class Shape(NamedTuple):
    """The blocks drawn as one. `start` and `end` count from the first byte of the region."""

    start: int
    end: int
    blocks: int
    live: int  # bytes in live blocks
    broken: bool
    only: BlockInfo | None  # the block, when it is one


def of(scene: Scene, narrowest: float) -> Iterator[Shape]:
    """The shapes of a scene: no two neighbours are both joined and narrower than `narrowest` bytes.

    O(blocks).
    """
    run: list[BlockInfo] = []
    for info in scene.blocks:
        wide = info.extent >= narrowest
        if run and (wide or info.start - run[0].start >= narrowest):
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
