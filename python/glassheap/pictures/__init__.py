"""Seeing a heap: a map for the terminal, a map for notebooks, and the bytes of one block.

    scale.py         what there is to see, and where        (the only one that looks at the heap)
    totals.py        the sums under every picture
    terminal_map.py  the map in characters
    svg_map.py       the map as an SVG image
    shapes.py        what such an image draws of a million blocks
    block_dump.py    the bytes of a block, field by field

`Heap.show`, `Heap.hexdump` and `Heap._repr_html_` call the three functions below. Nothing here
changes a heap, and all of it works on a damaged one; a closed heap raises HeapClosed.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from glassheap import terminal
from glassheap.pictures import block_dump, scale, svg_map, terminal_map

if TYPE_CHECKING:
    from glassheap._core import Heap

__all__ = ["hexdump", "show", "to_html"]


def show(
    heap: Heap, *, file: TextIO | None = None, width: int | None = None, legend: bool = True
) -> None:
    """Print a map of the region to scale, a legend, and the totals.

    Up to 1,024 cells (16 KiB at 80 columns) a cell is one granule of 16 bytes; a larger region is
    shaded, in at most 16 rows. `file` defaults to the standard output, `width` (columns) to that
    of the terminal, and is taken as 24 if it is less. O(blocks). Raises HeapClosed if and only if
    the heap is closed.
    """
    out = sys.stdout if file is None else file
    unicode = terminal.can_show(out, terminal_map.UNICODE.all())
    glyphs = terminal_map.UNICODE if unicode else terminal_map.ASCII
    columns = terminal.columns(out) if width is None else max(width, terminal_map.NARROWEST)
    terminal.write(terminal_map.draw(scale.take(heap), columns, glyphs, legend=legend), out)


def to_html(heap: Heap) -> str:
    """The map as an SVG element, for a notebook: no script, at most a few thousand shapes.

    O(blocks). Raises HeapClosed if and only if the heap is closed.
    """
    return svg_map.draw(scale.take(heap))


def hexdump(heap: Heap, address: int, *, file: TextIO | None = None) -> None:
    """Print the bytes of the block at `address`, its fields named and decoded.

    `address` is what `malloc` returned, or `FreeBlock.address`, or a `BlockInfo`'s `start` or
    `address`. Long payloads are clipped, and a line says how many bytes were left out. O(blocks).

    Raises InvalidPointer if and only if no block starts at `address` and no payload does:
    ForeignPointer outside of the region, MisalignedPointer between two granules, InteriorPointer
    otherwise. Raises HeapClosed if and only if the heap is closed.
    """
    out = sys.stdout if file is None else file
    terminal.write(block_dump.lines(heap, address), out)
