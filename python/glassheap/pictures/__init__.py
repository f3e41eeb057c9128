"""Pictures of a heap: a map for the terminal, a map for notebooks, and the bytes of one block.

    scale.py         the parts of the region, and their offsets
    totals.py        the sums below every picture
    terminal_map.py  the map in characters
    svg_map.py       the map as an SVG image
    shapes.py        the shapes of such an image, limited in number
    block_dump.py    the bytes of a block, field by field

`Heap.show`, `Heap.hexdump` and `Heap._repr_html_` call the three functions below. None of them
changes the heap, and all of them accept a damaged heap. A closed heap raises
HeapClosed, except in a notebook.
"""

from __future__ import annotations

import html
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

    Up to 1,024 cells (16 KiB at 80 columns) a cell is one granule of 16 bytes. A larger region is
    shaded, in at most 16 rows. `file` defaults to the standard output, `width` (columns) to that
    of the terminal; a `width` below 24 is taken as 24. O(blocks). Raises HeapClosed if and only if
    the heap is closed.
    """
    out = sys.stdout if file is None else file
    unicode = terminal.can_show(out, terminal_map.UNICODE.all())
    glyphs = terminal_map.UNICODE if unicode else terminal_map.ASCII
    columns = terminal.columns(out) if width is None else max(width, terminal_map.MIN_WIDTH)
    terminal.write(terminal_map.draw(scale.capture(heap), columns, glyphs, legend=legend), out)


def to_html(heap: Heap) -> str:
    """The map as an SVG element, for a notebook: no script, at most a few thousand shapes.

    The repr of a heap that is closed, which says so. O(blocks).
    """
    if heap.closed:
        return f"<code>{html.escape(repr(heap))}</code>"
    return svg_map.draw(scale.capture(heap))


def hexdump(heap: Heap, address: int, *, file: TextIO | None = None) -> None:
    """Print the bytes of the block at `address`, with the name and value of each field.

    `address` is the result of `malloc`, a `FreeBlock.address`, or the `start` or `address` of a
    `BlockInfo`. Long payloads are shortened, and a line gives the number of omitted bytes.
    O(blocks).

    Raises InvalidPointer if and only if neither a block nor a payload starts at `address`:
    ForeignPointer outside of the region, MisalignedPointer between two granules, InteriorPointer
    otherwise. Raises HeapClosed if and only if the heap is closed.
    """
    out = sys.stdout if file is None else file
    terminal.write(block_dump.lines(heap, address), out)
