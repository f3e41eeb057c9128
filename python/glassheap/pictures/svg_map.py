"""A map of the region as an SVG image, to scale, for notebooks and for paper.

The image is one element without script, style sheet or identifiers, so that a document can contain
many of them. Each kind has a fill that is visible on a light and on a dark background; text and
free space have the colour of the surrounding text (`currentColor`). The kinds also differ in
height: headers are the tallest, then payloads and free blocks, then rounding, then unused bytes. A
tooltip shows a block's address, sizes and serial number.

A row is 1,024 units wide and represents 1,024 bytes, or the smallest larger power of two with which
the region fits into eight rows. shapes.py limits the number of shapes.
"""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, NamedTuple
from xml.sax.saxutils import escape, quoteattr

from glassheap.pictures import scale, shapes, totals
from glassheap.pictures.scale import Kind, Part, Scene

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glassheap.pictures.shapes import Shape
    from glassheap.records import BlockInfo

ROWS = 8
WIDTH = 1024  # units of a row
MIN_UNITS = 4  # the least width of a visible shape
HEIGHT, PITCH = 36, 50  # of a row; from row to row
TOP, EDGE, LINE = 58, 16, 22  # space above the first row; around the image; per line of text
CHARACTER = 8.0  # the greatest width of a character, in units


class Style(NamedTuple):
    """The style of a kind: its fill, its opacity, and its share of the row's height."""

    fill: str
    opacity: float
    height: float


STYLES = {
    Kind.HEADER: Style("#d97706", 1, 1),
    Kind.BROKEN: Style("#dc2626", 1, 1),
    Kind.PAYLOAD: Style("#3b82c4", 1, 0.8),
    Kind.NEXT_PAYLOAD: Style("#6366c9", 1, 0.8),
    Kind.ROUNDING: Style("#3b82c4", 0.5, 0.4),
    Kind.NODE: Style("#16a34a", 1, 0.8),
    Kind.FREE: Style("currentColor", 0.12, 0.8),
    Kind.UNUSED: Style("currentColor", 0.3, 0.1),
}
FINE_KEY = (
    (STYLES[Kind.HEADER], "header"),
    (STYLES[Kind.PAYLOAD], "payload"),
    (STYLES[Kind.ROUNDING], "rounding"),
    (STYLES[Kind.NODE], "node of a free block"),
    (STYLES[Kind.FREE], "free"),
)
COARSE_KEY = (
    (STYLES[Kind.PAYLOAD], "live block"),
    (STYLES[Kind.NEXT_PAYLOAD], "the next"),
    (STYLES[Kind.FREE], "free"),
    (Style("#3b82c4", 0.5, 0.8), "many small blocks, paler if more bytes are free"),
)
HEADERLESS_KEY = (
    (STYLES[Kind.PAYLOAD], "payload"),
    (STYLES[Kind.NEXT_PAYLOAD], "the next"),
    (STYLES[Kind.NODE], "node of a free block"),
    (STYLES[Kind.FREE], "free"),
)
OFFSET_KEY = tuple(key for key in HEADERLESS_KEY if key[0] != STYLES[Kind.NODE])
BROKEN_KEY = ((STYLES[Kind.BROKEN], "header without the magic number"),)
UNUSED_KEY = ((STYLES[Kind.UNUSED], "unused"),)


class Sheet(NamedTuple):
    """The layout of the rows: bytes in a row, number of rows, units of the left margin."""

    row: int
    rows: int
    margin: float
    granule: int

    @property
    def units(self) -> float:
        """Units per byte."""
        return WIDTH / self.row

    @property
    def fine(self) -> bool:
        """True if a granule, and so every part of a block, is wide enough to be visible."""
        return self.units * self.granule >= MIN_UNITS

    @property
    def bottom(self) -> int:
        """The y at which the rows end and the legend begins."""
        return TOP + self.rows * PITCH


def draw(scene: Scene, *, backdrop: str = "") -> str:
    """The image as an SVG element; `backdrop` is markup to draw first. O(blocks)."""
    sheet, sentences = _sheet(scene), totals.of(scene).sentences()
    elements = (*_frame(scene, sheet), *_blocks(scene, sheet), *_footer(scene, sheet, sentences))
    body = "".join(elements)
    width, height = sheet.margin + WIDTH + EDGE, sheet.bottom + (2 + len(sentences)) * LINE
    label = quoteattr("Map of a heap: " + "; ".join(sentences))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height}" width="960"'
        f' style="max-width:100%;height:auto" role="img" aria-label={label}'
        f' font-family="ui-monospace,monospace" font-size="13" shape-rendering="crispEdges"'
        f' fill="currentColor">'
        f"{backdrop}{body}</svg>"
    )


def _sheet(scene: Scene) -> Sheet:
    row = WIDTH
    while row * ROWS < scene.size:
        row *= 2
    margin = EDGE + CHARACTER * (len(_address(scene, 0)) + 1)
    return Sheet(row, -(-scene.size // row), margin, scene.granule)


def _address(scene: Scene, offset: int) -> str:
    digits = max(4, len(f"{scene.base + scene.size - 1:x}"))
    return f"0x{scene.base + offset:0{digits}x}"


def _frame(scene: Scene, sheet: Sheet) -> Iterator[str]:
    """The caption, the ruler, and the address of each row."""
    caption = f"{scene.caption()}; a row is {sheet.row:,}"
    yield _text(EDGE, 24, caption, bold=True)
    for eighth in range(8):
        mark = f"+{eighth * sheet.row // 8:#x}" if eighth else "+0"
        yield _text(sheet.margin + eighth * WIDTH / 8, TOP - 8, mark, opacity=0.6)
    for row in range(sheet.rows):
        yield _text(EDGE, _baseline(row) - 12, _address(scene, row * sheet.row), opacity=0.6)


def _baseline(row: int) -> int:
    """The y of a row's lower edge."""
    return TOP + row * PITCH + HEIGHT


def _blocks(scene: Scene, sheet: Sheet) -> Iterator[str]:
    """Each shape, in a group with a title."""
    yield from _unused(scene, sheet)
    tints = cycle((Kind.PAYLOAD, Kind.NEXT_PAYLOAD))
    for shape in shapes.of(scene, MIN_UNITS / sheet.units):
        if shape.only is None:
            title = _run_title(scene, shape)
            drawn = _rectangles(sheet, shape.start, shape.end, "joined", _run_style(shape))
        else:
            title = _title(shape.only)
            tint = next(tints) if shape.live else Kind.FREE
            drawn = _block(scene, sheet, shape.only, Kind.BROKEN if shape.broken else tint)
        yield f"<g><title>{escape(title)}</title>{drawn}</g>"


def _unused(scene: Scene, sheet: Sheet) -> Iterator[str]:
    """The bytes before the first block, if there are any."""
    if scene.unused:
        title = f"unused: {scene.unused} bytes, so that no payload has the address 0"
        kind = Kind.UNUSED
        drawn = _rectangles(sheet, 0, scene.unused, kind.value, STYLES[kind])
        yield f"<g><title>{title}</title>{drawn}</g>"


def _block(scene: Scene, sheet: Sheet, info: BlockInfo, tint: Kind) -> str:
    """A block in its parts, or as one rectangle if its header would be too narrow."""
    parts: Iterable[Part] = scale.parts(info, scene)
    if not sheet.fine:
        start = info.start - scene.base
        parts = [Part(start, start + info.extent, tint)]
    drawn = [
        _rectangles(sheet, part.start, part.end, part.kind.value, STYLES[part.kind])
        for part in parts
    ]
    return "".join((*drawn, _label(scene, sheet, info)))


def _run_style(shape: Shape) -> Style:
    """The style of a run of small blocks; the opacity grows with the share of live bytes."""
    share = shape.live / (shape.end - shape.start)
    fill = STYLES[Kind.BROKEN if shape.broken else Kind.PAYLOAD].fill
    return Style(fill, round(0.15 + 0.85 * share, 2), 0.8)


def _rectangles(sheet: Sheet, start: int, end: int, kind: str, style: Style) -> str:
    """The bytes [start, end), one rectangle for each row."""
    drawn = []
    while start < end:
        row, column = divmod(start, sheet.row)
        stop = min(end, (row + 1) * sheet.row)
        drawn.append(_rectangle(sheet, row, column, stop - start, kind, style))
        start = stop
    return "".join(drawn)


def _rectangle(sheet: Sheet, row: int, column: int, size: int, kind: str, style: Style) -> str:
    height = HEIGHT * style.height
    opacity = "" if style.opacity == 1 else f' fill-opacity="{style.opacity:g}"'
    return (
        f'<rect class="{kind}" x="{sheet.margin + column * sheet.units:.10g}"'
        f' y="{_baseline(row) - height:.10g}" width="{size * sheet.units:.10g}" height="{height:g}"'
        f' fill="{style.fill}"{opacity}/>'
    )


def _label(scene: Scene, sheet: Sheet, info: BlockInfo) -> str:
    """The size of a block as text in its first row, if it fits."""
    text = f"{info.size:,}"
    part = (info.address - info.start) if info.live else scene.node
    front = part if sheet.fine else 0
    start = info.start + front - scene.base
    row, column = divmod(start, sheet.row)
    end = min(info.start - scene.base + info.extent, (row + 1) * sheet.row)
    if (end - start) * sheet.units < CHARACTER * len(text) + 8:
        return ""
    x, y = sheet.margin + column * sheet.units + 5, _baseline(row) - 10
    return _text(x, y, text, fill="#fff" if info.live else "")


def _title(info: BlockInfo) -> str:
    taken = f"{info.extent:,} taken from {info.start:#06x}"
    if not info.live:
        return f"free: {info.size:,} bytes on offer, {taken}"
    serial = f", serial {info.serial}" if info.address > info.start else ""
    return f"live: {info.size:,} bytes at {info.address:#06x}, {taken}{serial}"


def _run_title(scene: Scene, shape: Shape) -> str:
    size = shape.end - shape.start
    first = f"from {scene.base + shape.start:#06x}"
    return f"{shape.blocks:,} blocks {first}: {shape.live:,} of {size:,} bytes live"


def _footer(scene: Scene, sheet: Sheet, sentences: list[str]) -> Iterator[str]:
    """The legend and the totals."""
    x, y = sheet.margin, sheet.bottom + LINE // 2
    for style, words in _keys(scene, sheet):
        yield _swatch(x, y, style) + _text(x + 20, y, words, opacity=0.8)
        x += 20 + CHARACTER * (len(words) + 2)
    for line, sentence in enumerate(sentences, start=1):
        yield _text(sheet.margin, y + line * LINE + 4, sentence)


def _keys(scene: Scene, sheet: Sheet) -> tuple[tuple[Style, str], ...]:
    """The entries of the legend."""
    fine = FINE_KEY if scene.headers else (HEADERLESS_KEY if scene.node else OFFSET_KEY)
    usual = fine if sheet.fine else COARSE_KEY
    return usual + BROKEN_KEY * bool(scene.broken) + UNUSED_KEY * bool(scene.unused)


def _swatch(x: float, y: float, style: Style) -> str:
    height = 14 * style.height
    return (
        f'<rect class="key" x="{x:g}" y="{y - height:g}" width="14" height="{height:g}"'
        f' fill="{style.fill}" fill-opacity="{style.opacity:g}"/>'
    )


def _text(
    x: float, y: float, words: str, *, fill: str = "", opacity: float = 1, bold: bool = False
) -> str:
    extra = f' fill="{fill}"' if fill else ""
    extra += f' fill-opacity="{opacity:g}"' if opacity < 1 else ""
    extra += ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.10g}" y="{y:.10g}"{extra}>{escape(words)}</text>'
