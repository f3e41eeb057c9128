"""A map of the region after a step: whose bytes are whose, and which are free.

      1000  ▒▒▒▒▒▒▒▒▒▒○·········▒▒▒▒▒▒▒▒▒▒○···················
            0                   2
      1050  ··················································

A region of a few hundred bytes is drawn byte by byte. A larger one is drawn exactly too, if
everything in it is a multiple of so many bytes that cells of this size will do; otherwise it is
shaded by how much of each cell is live. In an exact map each live block has the number of its
pointer below its first cell, where there is room, and free elements that touch stay two, since each
begins with a sign of its own.

The signs are those of `glassheap.pictures`, and so is the arithmetic on the parts of a block.
"""

from __future__ import annotations

import textwrap
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from glassheap.pictures import scale, terminal_map
from glassheap.pictures.scale import Kind, Scene
from glassheap.records import BlockInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glassheap.ostep.playing import Player
    from glassheap.pictures.terminal_map import Glyphs
    from glassheap.terminal import Line, Span

ROWS = 8
COLUMNS = 50  # cells in a row; on a narrow screen fewer, in tens
FEWEST = 10

MEANINGS = {**terminal_map.MEANINGS, Kind.NODE: "start of a free element"}
NUMBER = "0 the number of a block's ptr"


class Region(NamedTuple):
    """What is drawn: `size` bytes from `base`, blocks with `header` bytes, sizes in `align`s."""

    base: int
    size: int
    header: int
    align: int

    @property
    def unit(self) -> int:
        """Bytes of which every border in the region is a multiple, counted from its start."""
        divides = self.align > 0 and self.header % self.align == self.size % self.align == 0
        return self.align if divides else 1


class Grid(NamedTuple):
    """How the region lies on the screen: cells in a row, bytes in a cell, width of the margin."""

    columns: int
    cell: int
    margin: int


def fit(region: Region, width: int) -> Grid:
    """The grid for a screen of `width` columns: at most 8 rows, cells no larger than they must."""
    margin = len(str(region.base + region.size)) + 4
    columns = min(COLUMNS, max(FEWEST, (width - margin) // 10 * 10))
    cell = 1 if region.size <= columns * ROWS else region.unit
    while cell * columns * ROWS < region.size:
        cell *= 2
    return Grid(columns, cell, margin)


def draw(
    player: Player, region: Region, width: int, glyphs: Glyphs, *, legend: bool
) -> Iterator[Line]:
    """The lines of the map, and under them what its signs mean if `legend`. O(cells + b log b)."""
    grid = fit(region, width)
    to_scale = [f"a cell is {grid.cell} byte{'s' if grid.cell > 1 else ''}:"]
    scene = _scene(player, region)
    if grid.cell in (1, region.unit):
        spans, labels, keys = _fine(scene, grid, glyphs), _labels(scene, grid), _signs(region)
        meanings = [*(f"{glyphs.kinds[kind]} {MEANINGS[kind]}" for kind in keys), NUMBER]
    else:
        spans, labels = _shaded(scene, grid, glyphs), {}
        shades = zip(glyphs.shades, terminal_map.SHADE_MEANINGS, strict=True)
        meanings = [f"{sign} {words}" for sign, words in shades]
    yield from _rows(spans, labels, region, grid)
    if legend:
        yield from _legend(to_scale + meanings, grid, width)


def _scene(player: Player, region: Region) -> Scene:
    """The blocks in address order; a live one carries the number of its pointer as its serial.

    A block of no bytes (an allocation of 0 without a header) is nowhere to be seen.
    """
    blocks = [BlockInfo(addr, addr, sz, sz, False, 0) for addr, sz in player.free_list.chunks]
    for start, extent in player.free_list.live.items():
        number, size = player.blocks[start]
        blocks.append(BlockInfo(start, start + region.header, size, extent, True, number))
    blocks = sorted(info for info in blocks if info.extent)
    bare = [info.start for info in blocks if info.live and not region.header]
    return Scene("", region.base, region.size, blocks, frozenset(), frozenset(bare[1::2]))


def _fine(scene: Scene, grid: Grid, glyphs: Glyphs) -> list[Span]:
    """A sign for every cell: that of its last byte, so that a rounded end is seen."""
    kinds = [Kind.UNUSED] * -(-scene.size // grid.cell)
    for info in scene.blocks:
        if info.live:
            for start, end, kind in scale.parts(info, scene):
                place = range(start // grid.cell, end // grid.cell)
                kinds[place.start : place.stop] = [kind] * len(place)
        else:
            first, last = _cells(info, scene, grid)
            kinds[first:last] = ([Kind.NODE] + [Kind.FREE] * (last - first))[: last - first]
    return [(glyphs.kinds[kind], terminal_map.STYLES[kind]) for kind in kinds]


def _shaded(scene: Scene, grid: Grid, glyphs: Glyphs) -> list[Span]:
    """A shade for every cell."""
    levels = (
        terminal_map.shade(live, min(grid.cell, scene.size - index * grid.cell))
        for index, live in enumerate(scale.fill(scene, grid.cell))
    )
    return [(glyphs.shades[level], terminal_map.SHADE_STYLES[level]) for level in levels]


def _cells(info: BlockInfo, scene: Scene, grid: Grid) -> tuple[int, int]:
    """The first cell of a block, and the first after it."""
    start = info.start - scene.base
    return start // grid.cell, (start + info.extent) // grid.cell


def _labels(scene: Scene, grid: Grid) -> dict[int, str]:
    """For each row the numbers of its live blocks, each under its block's first cell if it fits."""
    rows: dict[int, str] = {}
    for info in scene.blocks:
        first, last = _cells(info, scene, grid)
        row, column = divmod(first, grid.columns)
        label = f"{info.serial}"
        if info.live and len(label) < min(last - first, grid.columns - column):
            rows[row] = rows.get(row, "").ljust(column) + label
    return rows


def _rows(spans: list[Span], labels: dict[int, str], region: Region, grid: Grid) -> Iterator[Line]:
    for row, first in enumerate(range(0, len(spans), grid.columns)):
        address = f"  {region.base + first * grid.cell}".ljust(grid.margin)
        groups = groupby(spans[first : first + grid.columns], key=lambda span: span[1])
        cells = [("".join(sign for sign, _ in group), style) for style, group in groups]
        yield [(address, "dim"), *cells]
        if row in labels:
            yield [(" " * grid.margin + labels[row], "dim")]


def _signs(region: Region) -> Iterator[Kind]:
    """The kinds that cells of this region can have."""
    if region.header:
        yield Kind.HEADER
    yield Kind.PAYLOAD
    if not region.header:
        yield Kind.NEXT_PAYLOAD
    if region.align > 1:
        yield Kind.ROUNDING
    yield from (Kind.NODE, Kind.FREE)


def _legend(meanings: list[str], grid: Grid, width: int) -> Iterator[Line]:
    """The meanings, as many in a line as there is room for; none is broken in two."""
    whole = "   ".join(meaning.replace(" ", "\N{NO-BREAK SPACE}") for meaning in meanings)
    for line in textwrap.wrap(whole, max(width - grid.margin, 1), break_long_words=False):
        yield [(" " * grid.margin + line.replace("\N{NO-BREAK SPACE}", " "), "dim")]
