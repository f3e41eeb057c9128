"""A map of the region after a step: its live blocks and its free elements.

      1000  ▒▒▒▒▒▒▒▒▒▒○·········▒▒▒▒▒▒▒▒▒▒○···················
            0                   2
      1050  ··················································

A region of a few hundred bytes is drawn byte by byte. A larger one is also drawn exactly if its
size and the header are multiples of the alignment, and cells of that size fit into the map.
Otherwise each cell is shaded by its share of live bytes. In an exact map the number of a live
block's pointer is below the block's first cell, if it fits. Adjacent free elements remain distinct,
because each begins with a sign of its own.

The signs and the division of a block into parts are those of `glassheap.pictures`.
"""

from __future__ import annotations

import textwrap
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from glassheap.pictures import scale, terminal_map
from glassheap.pictures.scale import Kind, Scene
from glassheap.pictures.terminal_map import Grid
from glassheap.records import BlockInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glassheap.ostep.playing import Player
    from glassheap.pictures.terminal_map import Glyphs
    from glassheap.terminal import Line, Span

ROWS = 8
MIN_COLUMNS, MAX_COLUMNS = 10, 50  # cells in a row, a multiple of ten

MEANINGS = {**terminal_map.MEANINGS, Kind.NODE: "start of a free element"}
NUMBER = "0 the number of a block's ptr"


class Region(NamedTuple):
    """The region to draw, its addresses and sizes in bytes."""

    base: int
    size: int
    header: int
    """Bytes of header in each block."""
    align: int
    """Sizes are rounded up to a multiple of this; -1 for no rounding."""

    @property
    def unit(self) -> int:
        """Bytes; all blocks and headers begin and end at a multiple of this from `base`."""
        divides = self.align > 0 and self.header % self.align == self.size % self.align == 0
        return self.align if divides else 1


def fit(region: Region, width: int) -> Grid:
    """The grid for a screen of `width` columns: at most 8 rows, with the smallest cells."""
    margin = len(str(region.base + region.size)) + 4
    columns = min(MAX_COLUMNS, max(MIN_COLUMNS, (width - margin) // 10 * 10))
    cell = 1 if region.size <= columns * ROWS else region.unit
    while cell * columns * ROWS < region.size:
        cell *= 2
    return Grid(columns, cell, margin)


def draw(
    player: Player, region: Region, width: int, glyphs: Glyphs, *, legend: bool
) -> Iterator[Line]:
    """The lines of the map, and of its legend if `legend`. O(c + b log b), c cells, b blocks."""
    grid = fit(region, width)
    scene = _scene(player, region)
    exact = grid.cell in (1, region.unit)
    if exact:
        yield from _rows(_exact(scene, grid, glyphs), _labels(scene, grid), region, grid)
    else:
        yield from _rows(_shaded(scene, grid, glyphs), {}, region, grid)
    if legend:
        meanings = _meanings(region, glyphs) if exact else _shade_meanings(glyphs)
        yield from _legend([_cell_size(grid), *meanings], grid, width)


def _scene(player: Player, region: Region) -> Scene:
    """The blocks in address order; the serial of a live one is the number of its pointer.

    An empty block (an allocation of 0 bytes without a header) is not shown.
    """
    blocks = [BlockInfo(addr, addr, sz, sz, False, 0) for addr, sz in player.free_list.chunks]
    for start, extent in player.free_list.live.items():
        number, size = player.blocks[start]
        blocks.append(BlockInfo(start, start + region.header, size, extent, True, number))
    blocks = sorted(info for info in blocks if info.extent)
    headerless = [info.start for info in blocks if info.live and not region.header]
    return Scene("", region.base, region.size, blocks, frozenset(), frozenset(headerless[1::2]))


def _exact(scene: Scene, grid: Grid, glyphs: Glyphs) -> list[Span]:
    """The sign of each cell, which is that of its last byte, so that rounding is visible."""
    kinds = [Kind.UNUSED] * -(-scene.size // grid.cell)
    for info in scene.blocks:
        if info.live:
            for start, end, kind in scale.parts(info, scene):
                cells = range(start // grid.cell, end // grid.cell)
                kinds[cells.start : cells.stop] = [kind] * len(cells)
        else:
            first, last = _cells(info, scene, grid)
            kinds[first:last] = ([Kind.NODE] + [Kind.FREE] * (last - first))[: last - first]
    return [(glyphs.kinds[kind], terminal_map.STYLES[kind]) for kind in kinds]


def _shaded(scene: Scene, grid: Grid, glyphs: Glyphs) -> list[Span]:
    """The shade of each cell."""
    levels = (
        terminal_map.shade(live, min(grid.cell, scene.size - index * grid.cell))
        for index, live in enumerate(scale.fill(scene, grid.cell))
    )
    return [(glyphs.shades[level], terminal_map.SHADE_STYLES[level]) for level in levels]


def _cells(info: BlockInfo, scene: Scene, grid: Grid) -> tuple[int, int]:
    """The first cell of a block, and the first cell after it."""
    start = info.start - scene.base
    return start // grid.cell, (start + info.extent) // grid.cell


def _labels(scene: Scene, grid: Grid) -> dict[int, str]:
    """The line below each row: the number of a live block below its first cell, if it fits."""
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


def _cell_size(grid: Grid) -> str:
    return f"a cell is {grid.cell} byte{'s' if grid.cell > 1 else ''}:"


def _meanings(region: Region, glyphs: Glyphs) -> list[str]:
    """The meaning of each sign of an exact map."""
    return [*(f"{glyphs.kinds[kind]} {MEANINGS[kind]}" for kind in _kinds(region)), NUMBER]


def _shade_meanings(glyphs: Glyphs) -> list[str]:
    """The meaning of each sign of a shaded map."""
    shades = zip(glyphs.shades, terminal_map.SHADE_MEANINGS, strict=True)
    return [f"{sign} {meaning}" for sign, meaning in shades]


def _kinds(region: Region) -> Iterator[Kind]:
    """The possible kinds of a cell of this region."""
    if region.header:
        yield Kind.HEADER
    yield Kind.PAYLOAD
    if not region.header:
        yield Kind.NEXT_PAYLOAD
    if region.align > 1:
        yield Kind.ROUNDING
    yield from (Kind.NODE, Kind.FREE)


def _legend(meanings: list[str], grid: Grid, width: int) -> Iterator[Line]:
    """The meanings, as many in a line as fit; none is broken across lines."""
    whole = "   ".join(meaning.replace(" ", "\N{NO-BREAK SPACE}") for meaning in meanings)
    for line in textwrap.wrap(whole, max(width - grid.margin, 1), break_long_words=False):
        yield [(" " * grid.margin + line.replace("\N{NO-BREAK SPACE}", " "), "dim")]
