"""A map of the region in characters, to scale, readable without colour.

A small region is drawn granule by granule. Every live block begins with the cell of its header, so
adjacent blocks remain distinct. Below each row are the sizes of the blocks that begin in it:

              +0      +0x80   +0x100  +0x180
    0x0000    █▒▒▒▒▒▒░█▒▒▒▒▒▒▒▒▒▒▒▒░○·········
              100     200           3728

A large region is drawn in at most 16 rows. Then a cell represents many granules (a power of two, so
that rows begin at round addresses), and its shade shows the share of live bytes. A broken header is
shown as `!` in both maps.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, NamedTuple

from glassheap.pictures import scale, totals
from glassheap.pictures.scale import Kind, Scene
from glassheap.terminal import Line, Span

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = 16
MIN_CELLS = 8  # in a row
MIN_WIDTH = 24  # columns of the screen, enough for eight cells and an address
GAP = "   "
TICK = 8  # the least number of cells between two marks of the ruler


class Glyphs(NamedTuple):
    """The characters of a map: one for each kind, and five shades from all free to all live."""

    kinds: dict[Kind, str]
    shades: str

    def all(self) -> str:
        """All characters that a map may contain."""
        return "".join(self.kinds.values()) + self.shades


def _glyphs(kinds: str, shades: str) -> Glyphs:
    return Glyphs(dict(zip(Kind, kinds, strict=True)), shades)


UNICODE = _glyphs("█!▒▓░○·×", "·░▒▓█")
ASCII = _glyphs("[!#=+o.x", ".:+*#")

MEANINGS = {
    Kind.HEADER: "header",
    Kind.BROKEN: "header without the magic number",
    Kind.PAYLOAD: "payload",
    Kind.NEXT_PAYLOAD: "payload of the next block",
    Kind.ROUNDING: "rounding",
    Kind.NODE: "node of a free block",
    Kind.FREE: "free",
    Kind.UNUSED: "unused, so that no payload is at 0",
}
RARE = (Kind.BROKEN, Kind.NEXT_PAYLOAD, Kind.UNUSED)  # in the legend only if in the map
NEED_HEADERS = (Kind.HEADER, Kind.ROUNDING)  # without headers the requested size is unknown
STYLES = {kind: kind.value for kind in Kind} | {Kind.NEXT_PAYLOAD: "payload", Kind.UNUSED: "dim"}
SHADE_STYLES = ("free", "rounding", "payload", "payload", "header")
SHADE_MEANINGS = ("all free", "up to 1/3 live", "up to 2/3", "more", "all live")


Key = tuple[Span, str]
"""A sign of the map, and its meaning."""


class Grid(NamedTuple):
    """The layout on the screen: cells in a row, bytes in a cell, columns of the left margin."""

    columns: int
    cell: int
    margin: int

    @property
    def row(self) -> int:
        """Bytes in a row."""
        return self.columns * self.cell


def draw(scene: Scene, width: int, glyphs: Glyphs, *, legend: bool = True) -> Iterator[Line]:
    """The lines of the map: caption, ruler, rows, legend, totals. O(blocks + cells)."""
    grid = fit(scene, width)
    kinds = None if grid.cell > scene.granule else scale.cells(scene)
    yield from _caption(scene, grid, width)
    yield [(" " * grid.margin + _ruler(grid), "dim")]
    yield from _fine(scene, grid, glyphs, kinds) if kinds else _coarse(scene, grid, glyphs)
    yield from _footer(scene, grid, width, _keys(scene, glyphs, kinds) if legend else [])


def fit(scene: Scene, width: int) -> Grid:
    """The grid for a screen of `width` columns: the widest power of two, and at most 16 rows."""
    margin = len(_address(scene, scene.size)) + 2
    columns = MIN_CELLS
    while columns * 2 <= width - margin:
        columns *= 2
    cell = scene.granule
    while cell * columns * ROWS < scene.size:
        cell *= 2
    return Grid(columns, cell, margin)


def _address(scene: Scene, offset: int) -> str:
    digits = max(4, len(f"{scene.base + scene.size - 1:x}"))
    return f"0x{scene.base + offset:0{digits}x}"


def _caption(scene: Scene, grid: Grid, width: int) -> Iterator[Line]:
    heap = scene.caption()
    measure = f"a cell is {grid.cell:,} bytes, a row {grid.row:,}"
    if len(heap) + len(measure) + 2 <= width:
        yield [(heap, "title"), (f"; {measure}", "dim")]
    else:
        yield [(heap, "title")]
        yield [(measure, "dim")]


def _ruler(grid: Grid) -> str:
    step = TICK
    while step * 2 <= grid.columns and step < len(_mark(grid, grid.columns)) + 1:
        step *= 2
    marks = (_mark(grid, cell).ljust(step) for cell in range(0, grid.columns, step))
    return "".join(marks).rstrip()


def _mark(grid: Grid, cell: int) -> str:
    return f"+{cell * grid.cell:#x}" if cell else "+0"


def _fine(scene: Scene, grid: Grid, glyphs: Glyphs, kinds: list[Kind]) -> Iterator[Line]:
    """The rows of cells, one cell for each granule; below a row its labels, if it has any."""
    labels = _labels(scene, grid)
    for row, first in enumerate(range(0, len(kinds), grid.columns)):
        shown = kinds[first : first + grid.columns]
        yield [_margin(scene, grid, row), *_merge((glyphs.kinds[k], STYLES[k]) for k in shown)]
        if row in labels:
            yield [(" " * grid.margin + labels[row], "dim")]


def _coarse(scene: Scene, grid: Grid, glyphs: Glyphs) -> Iterator[Line]:
    """The rows of cells, each shaded by its share of live bytes."""
    live = scale.fill(scene, grid.cell)
    broken = {(start - scene.base) // grid.cell for start in scene.broken}
    spans = [_shade(glyphs, used, _cell_size(scene, grid, i)) for i, used in enumerate(live)]
    for index in broken:
        spans[index] = (glyphs.kinds[Kind.BROKEN], STYLES[Kind.BROKEN])
    for row, first in enumerate(range(0, len(spans), grid.columns)):
        yield [_margin(scene, grid, row), *_merge(spans[first : first + grid.columns])]


def _cell_size(scene: Scene, grid: Grid, index: int) -> int:
    """The bytes of a cell; the last cell of the region may have fewer than the others."""
    return min(grid.cell, scene.size - index * grid.cell)


def shade(used: int, size: int) -> int:
    """The shade of a cell with `used` of `size` bytes live: 0 is all free, 4 all live."""
    if used == size:
        return 4
    return -(-used * 3 // size)


def _shade(glyphs: Glyphs, used: int, size: int) -> Span:
    level = shade(used, size)
    return glyphs.shades[level], SHADE_STYLES[level]


def _margin(scene: Scene, grid: Grid, row: int) -> Span:
    return _address(scene, row * grid.row).ljust(grid.margin), "dim"


def _merge(spans: Iterator[Span] | list[Span]) -> Iterator[Span]:
    """Join adjacent spans of the same style, so that a row has few spans."""
    text, style = "", ""
    for piece, next_style in spans:
        if next_style != style and text:
            yield text, style
            text = ""
        text, style = text + piece, next_style
    yield text, style


def _labels(scene: Scene, grid: Grid) -> dict[int, str]:
    """The line below each row: the sizes of blocks, each below the first cell with room for it."""
    rows: dict[int, str] = {}
    for info in scene.blocks:
        first = (info.start - scene.base) // scene.granule
        end = first + info.extent // scene.granule
        cell = _label_cell(f"{info.size}", first, end, grid.columns)
        if cell is not None:
            row, column = divmod(cell, grid.columns)
            rows[row] = rows.get(row, "").ljust(column) + f"{info.size}"
    return rows


def _label_cell(label: str, first: int, end: int, columns: int) -> int | None:
    """The first cell of the block [first, end) below which the label fits; None if none."""
    while first < end:
        row_end = min(end, (first // columns + 1) * columns)
        if row_end - first > len(label):
            return first
        first = row_end
    return None


def _footer(scene: Scene, grid: Grid, width: int, keys: list[Key]) -> Iterator[Line]:
    """Legend and totals, indented like the cells if they fit, or else from the left edge."""
    sentences = totals.of(scene).sentences()
    inset = " " * grid.margin
    if len(inset) + max(map(len, sentences)) > width:
        inset = ""
    room = width - len(inset)
    yield from ([(inset, ""), *line] for line in _legend(keys, room))
    for sentence in sentences:
        yield from ([(inset + line, "")] for line in textwrap.wrap(sentence, room))


def _keys(scene: Scene, glyphs: Glyphs, kinds: list[Kind] | None) -> list[Key]:
    """The entries of the legend; those of `RARE` only if they are in the map."""
    present = set(kinds or ()) | ({Kind.BROKEN} if scene.broken else set())
    unusual = {*RARE, *(() if scene.headers else NEED_HEADERS)}
    if not scene.node:
        unusual.add(Kind.NODE)
    usual = [kind for kind in Kind if kind not in unusual] if kinds else []
    rare = [kind for kind in RARE if kind in present]
    signs = [((glyphs.kinds[k], STYLES[k]), MEANINGS[k]) for k in usual + rare]
    if kinds:
        return signs
    shades = zip(glyphs.shades, SHADE_STYLES, SHADE_MEANINGS, strict=True)
    return [((sign, style), words) for sign, style, words in shades] + signs


def _legend(keys: list[Key], width: int) -> Iterator[Line]:
    """The entries, as many in a line as fit."""
    line: list[Span] = []
    room = width
    for sign, words in keys:
        text = f" {words}"
        if line and room < len(GAP) + 1 + len(text):
            yield line
            line, room = [], width
        line += [(GAP, ""), sign, (text, "dim")] if line else [sign, (text, "dim")]
        room -= len(GAP) + 1 + len(text)
    if line:
        yield line
