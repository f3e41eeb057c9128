"""A map of the region in characters, to scale, readable without colour.

A small region is drawn granule by granule. Every live block begins with its header cell, so two
blocks side by side stay two, and below each row stand the sizes of the blocks that begin in it:

              +0      +0x80   +0x100  +0x180
    0x0000    █▒▒▒▒▒▒░█▒▒▒▒▒▒▒▒▒▒▒▒░○·········
              100     200           3728

A large region is drawn in at most 16 rows; then a cell stands for many granules (a power of two, so
that rows begin at round addresses) and its shade says how much of it is live. A heap that has a
broken header shows it as `!` in either drawing.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, NamedTuple

from glassheap.pictures import scale, totals
from glassheap.pictures.scale import GRANULE, Kind, Scene
from glassheap.terminal import Line, Span

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = 16
FEWEST_COLUMNS = 8
NARROWEST = 24  # columns of the screen: eight cells and an address fit in
GAP = "   "
TICK = 8  # cells between two marks of the ruler, unless the marks are longer


class Glyphs(NamedTuple):
    """The characters of a drawing: one for each kind, and the five shades from free to full."""

    kinds: dict[Kind, str]
    shades: str

    def all(self) -> str:
        """Every character that the drawing may use."""
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
RARE = (Kind.BROKEN, Kind.NEXT_PAYLOAD, Kind.UNUSED)  # explained only where there are any
OF_HEADERS = (Kind.HEADER, Kind.ROUNDING)  # not where there are none: nor is a size asked for known
STYLES = {kind: kind.value for kind in Kind} | {Kind.NEXT_PAYLOAD: "payload", Kind.UNUSED: "dim"}
SHADE_STYLES = ("free", "rounding", "payload", "payload", "header")
SHADE_MEANINGS = ("all free", "up to 1/3 live", "up to 2/3", "more", "all live")


Key = tuple[Span, str]
"""A sign of the map, and what it means."""


class Grid(NamedTuple):
    """How the region lies on the screen: cells in a row, bytes in a cell, width of the margin."""

    columns: int
    cell: int
    margin: int

    @property
    def row(self) -> int:
        """Bytes in a row."""
        return self.columns * self.cell


def draw(scene: Scene, width: int, glyphs: Glyphs, *, legend: bool = True) -> Iterator[Line]:
    """The lines of the map: what it is, ruler, rows, legend, totals. O(blocks + cells)."""
    grid = fit(scene, width)
    kinds = None if grid.cell > GRANULE else scale.cells(scene)
    yield from _caption(scene, grid, width)
    yield [(" " * grid.margin + _ruler(grid), "dim")]
    yield from _fine(scene, grid, glyphs, kinds) if kinds else _coarse(scene, grid, glyphs)
    yield from _below(scene, grid, width, _keys(scene, glyphs, kinds) if legend else [])


def fit(scene: Scene, width: int) -> Grid:
    """The grid for a screen of `width` columns: the widest power of two, and at most 16 rows."""
    margin = len(_address(scene, scene.size)) + 2
    columns = FEWEST_COLUMNS
    while columns * 2 <= width - margin:
        columns *= 2
    cell = GRANULE
    while cell * columns * ROWS < scene.size:
        cell *= 2
    return Grid(columns, cell, margin)


def _address(scene: Scene, offset: int) -> str:
    digits = max(4, len(f"{scene.base + scene.size - 1:x}"))
    return f"0x{scene.base + offset:0{digits}x}"


def _caption(scene: Scene, grid: Grid, width: int) -> Iterator[Line]:
    what = scene.caption()
    to_scale = f"a cell is {grid.cell:,} bytes, a row {grid.row:,}"
    if len(what) + len(to_scale) + 2 <= width:
        yield [(what, "title"), (f"; {to_scale}", "dim")]
    else:
        yield [(what, "title")]
        yield [(to_scale, "dim")]


def _ruler(grid: Grid) -> str:
    step = TICK
    while step * 2 <= grid.columns and step < len(_mark(grid, grid.columns)) + 1:
        step *= 2
    marks = (_mark(grid, cell).ljust(step) for cell in range(0, grid.columns, step))
    return "".join(marks).rstrip()


def _mark(grid: Grid, cell: int) -> str:
    return f"+{cell * grid.cell:#x}" if cell else "+0"


def _fine(scene: Scene, grid: Grid, glyphs: Glyphs, kinds: list[Kind]) -> Iterator[Line]:
    """A row of cells, one for each granule, and under it a row of sizes where there are any."""
    labels = _labels(scene, grid)
    for row, first in enumerate(range(0, len(kinds), grid.columns)):
        shown = kinds[first : first + grid.columns]
        yield [_margin(scene, grid, row), *_merge((glyphs.kinds[k], STYLES[k]) for k in shown)]
        if row in labels:
            yield [(" " * grid.margin + labels[row], "dim")]


def _coarse(scene: Scene, grid: Grid, glyphs: Glyphs) -> Iterator[Line]:
    """Rows of cells shaded by how much of each belongs to live blocks."""
    live = scale.fill(scene, grid.cell)
    broken = {(start - scene.base) // grid.cell for start in scene.broken}
    spans = [_shade(glyphs, used, _cell_size(scene, grid, i)) for i, used in enumerate(live)]
    for index in broken:
        spans[index] = (glyphs.kinds[Kind.BROKEN], STYLES[Kind.BROKEN])
    for row, first in enumerate(range(0, len(spans), grid.columns)):
        yield [_margin(scene, grid, row), *_merge(spans[first : first + grid.columns])]


def _cell_size(scene: Scene, grid: Grid, index: int) -> int:
    """The bytes under a cell: the last one of the region may have fewer."""
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
    """Join neighbours of one meaning, so that a row is a few spans and not a hundred."""
    text, meaning = "", ""
    for piece, its_meaning in spans:
        if its_meaning != meaning and text:
            yield text, meaning
            text = ""
        text, meaning = text + piece, its_meaning
    yield text, meaning


def _labels(scene: Scene, grid: Grid) -> dict[int, str]:
    """For each row, the sizes of its blocks, each under the first cell of its block."""
    rows: dict[int, str] = {}
    for info in scene.blocks:
        first = (info.start - scene.base) // GRANULE
        place = _place(f"{info.size}", first, first + info.extent // GRANULE, grid.columns)
        if place is not None:
            row, column = divmod(place, grid.columns)
            rows[row] = rows.get(row, "").ljust(column) + f"{info.size}"
    return rows


def _place(label: str, first: int, end: int, columns: int) -> int | None:
    """The cell to write the label of the block [first, end) under: where it first has room."""
    while first < end:
        row_end = min(end, (first // columns + 1) * columns)
        if row_end - first > len(label):
            return first
        first = row_end
    return None


def _below(scene: Scene, grid: Grid, width: int, keys: list[Key]) -> Iterator[Line]:
    """Legend and totals, under the cells if there is room for them, or else from the left edge."""
    sentences = totals.of(scene).sentences()
    inset = " " * grid.margin
    if len(inset) + max(map(len, sentences)) > width:
        inset = ""
    room = width - len(inset)
    yield from ([(inset, ""), *line] for line in _legend(keys, room))
    for sentence in sentences:
        yield from ([(inset + line, "")] for line in textwrap.wrap(sentence, room))


def _keys(scene: Scene, glyphs: Glyphs, kinds: list[Kind] | None) -> list[Key]:
    """What the legend has to explain: each sign, and its meaning. The rare ones only if seen."""
    seen = set(kinds or ()) | ({Kind.BROKEN} if scene.broken else set())
    absent = RARE if scene.headers else RARE + OF_HEADERS
    usual = [kind for kind in Kind if kind not in absent] if kinds else []
    rare = [kind for kind in RARE if kind in seen]
    signs = [((glyphs.kinds[k], STYLES[k]), MEANINGS[k]) for k in usual + rare]
    if kinds:
        return signs
    shades = zip(glyphs.shades, SHADE_STYLES, SHADE_MEANINGS, strict=True)
    return [((sign, style), words) for sign, style, words in shades] + signs


def _legend(keys: list[Key], width: int) -> Iterator[Line]:
    """The keys, as many in a line as the width has room for."""
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
