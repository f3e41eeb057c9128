"""A map of the region as an SVG image, to scale, for notebooks and for paper.

The image is one element without script, style sheet or identifiers, so that many of them can stand
in one document. What has a meaning has a fill of its own that can be seen on light and on dark
paper; text and free space are drawn in the colour of the text around it (`currentColor`). Heights
say the same as the fills do: a header is the tallest, free space the lowest. Resting on a block
shows its address, sizes and serial number.

A row is 1,024 units wide and stands for a power of two of bytes: 1,024 where a unit can be a byte,
and more where eight rows would not be enough. See shapes.py for what is drawn of a million blocks.
"""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, NamedTuple
from xml.sax.saxutils import escape, quoteattr

from glassheap.pictures import scale, shapes, totals
from glassheap.pictures.scale import GRANULE, Kind, Part, Scene

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glassheap.pictures.shapes import Shape
    from glassheap.records import BlockInfo

ROWS = 8
WIDTH = 1024  # units of a row
NARROWEST = 4  # units that a shape must have to be drawn by itself
HEIGHT, PITCH = 36, 50  # of a row, and from row to row
TOP, EDGE, LINE = 58, 16, 22  # above the first row; around everything; of a line of text
CHARACTER = 8.0  # units that a character takes, at most


class Look(NamedTuple):
    """How a kind is drawn: its fill, how opaque, and which share of the row's height it takes."""

    fill: str
    opacity: float
    height: float


LOOKS = {
    Kind.HEADER: Look("#d97706", 1, 1),
    Kind.BROKEN: Look("#dc2626", 1, 1),
    Kind.PAYLOAD: Look("#3b82c4", 1, 0.8),
    Kind.NEXT_PAYLOAD: Look("#6366c9", 1, 0.8),
    Kind.ROUNDING: Look("#3b82c4", 0.5, 0.4),
    Kind.NODE: Look("#16a34a", 1, 0.8),
    Kind.FREE: Look("currentColor", 0.12, 0.8),
    Kind.UNUSED: Look("currentColor", 0.3, 0.1),
}
FINE_KEY = (
    (LOOKS[Kind.HEADER], "header"),
    (LOOKS[Kind.PAYLOAD], "payload"),
    (LOOKS[Kind.ROUNDING], "rounding"),
    (LOOKS[Kind.NODE], "node of a free block"),
    (LOOKS[Kind.FREE], "free"),
)
COARSE_KEY = (
    (LOOKS[Kind.PAYLOAD], "live block"),
    (LOOKS[Kind.NEXT_PAYLOAD], "the next"),
    (LOOKS[Kind.FREE], "free"),
    (Look("#3b82c4", 0.5, 0.8), "many small blocks: the paler, the freer"),
)
BARE_KEY = (
    (LOOKS[Kind.PAYLOAD], "payload"),
    (LOOKS[Kind.NEXT_PAYLOAD], "the next"),
    (LOOKS[Kind.NODE], "node of a free block"),
    (LOOKS[Kind.FREE], "free"),
)
BROKEN_KEY = ((LOOKS[Kind.BROKEN], "header without the magic number"),)
UNUSED_KEY = ((LOOKS[Kind.UNUSED], "unused"),)


class Sheet(NamedTuple):
    """Where the rows lie: bytes in a row, how many rows, units in the margin left of them."""

    row: int
    rows: int
    margin: float

    @property
    def units(self) -> float:
        """Units for a byte."""
        return WIDTH / self.row

    @property
    def fine(self) -> bool:
        """True if a granule is wide enough to be seen, and so every part of a block."""
        return self.units * GRANULE >= NARROWEST

    @property
    def foot(self) -> int:
        """Where the rows end and the legend begins."""
        return TOP + self.rows * PITCH


def draw(scene: Scene, *, backdrop: str = "") -> str:
    """The image as an SVG element; `backdrop` is markup to draw first. O(blocks)."""
    sheet, sentences = _sheet(scene), totals.of(scene).sentences()
    body = "".join((*_frame(scene, sheet), *_blocks(scene, sheet), *_foot(scene, sheet, sentences)))
    width, height = sheet.margin + WIDTH + EDGE, sheet.foot + (2 + len(sentences)) * LINE
    says = quoteattr("Map of a heap: " + "; ".join(sentences))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height}" width="960"'
        f' style="max-width:100%;height:auto" role="img" aria-label={says}'
        f' font-family="ui-monospace,monospace" font-size="13" shape-rendering="crispEdges"'
        f' fill="currentColor">'
        f"{backdrop}{body}</svg>"
    )


def _sheet(scene: Scene) -> Sheet:
    row = WIDTH
    while row * ROWS < scene.size:
        row *= 2
    margin = EDGE + CHARACTER * (len(_address(scene, 0)) + 1)
    return Sheet(row, -(-scene.size // row), margin)


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
        yield _text(EDGE, _floor(row) - 12, _address(scene, row * sheet.row), opacity=0.6)


def _floor(row: int) -> int:
    """Where the things in a row stand."""
    return TOP + row * PITCH + HEIGHT


def _blocks(scene: Scene, sheet: Sheet) -> Iterator[str]:
    """Every shape, in a group of its own that says what it is."""
    yield from _unused(scene, sheet)
    tints = cycle((Kind.PAYLOAD, Kind.NEXT_PAYLOAD))
    for shape in shapes.of(scene, NARROWEST / sheet.units):
        if shape.only is None:
            title = _joined_title(scene, shape)
            drawn = _rectangles(sheet, shape.start, shape.end, "joined", _joined_look(shape))
        else:
            title = _title(shape.only)
            tint = next(tints) if shape.live else Kind.FREE
            drawn = _block(scene, sheet, shape.only, Kind.BROKEN if shape.broken else tint)
        yield f"<g><title>{escape(title)}</title>{drawn}</g>"


def _unused(scene: Scene, sheet: Sheet) -> Iterator[str]:
    """The bytes in front of the first block, if there are any."""
    if scene.unused:
        title = f"unused: {scene.unused} bytes, so that no payload has the address 0"
        kind = Kind.UNUSED
        drawn = _rectangles(sheet, 0, scene.unused, kind.value, LOOKS[kind])
        yield f"<g><title>{title}</title>{drawn}</g>"


def _block(scene: Scene, sheet: Sheet, info: BlockInfo, tint: Kind) -> str:
    """A block in its parts, or in one piece where the scale hides its header."""
    parts: Iterable[Part] = scale.parts(info, scene)
    if not sheet.fine:
        start = info.start - scene.base
        parts = [Part(start, start + info.extent, tint)]
    drawn = [
        _rectangles(sheet, part.start, part.end, part.kind.value, LOOKS[part.kind])
        for part in parts
    ]
    return "".join((*drawn, _label(scene, sheet, info)))


def _joined_look(shape: Shape) -> Look:
    """Many small blocks: the fuller, the more opaque."""
    share = shape.live / (shape.end - shape.start)
    fill = LOOKS[Kind.BROKEN if shape.broken else Kind.PAYLOAD].fill
    return Look(fill, round(0.15 + 0.85 * share, 2), 0.8)


def _rectangles(sheet: Sheet, start: int, end: int, kind: str, look: Look) -> str:
    """The bytes [start, end), cut where a row ends."""
    drawn = []
    while start < end:
        row, column = divmod(start, sheet.row)
        stop = min(end, (row + 1) * sheet.row)
        drawn.append(_rectangle(sheet, row, column, stop - start, kind, look))
        start = stop
    return "".join(drawn)


def _rectangle(sheet: Sheet, row: int, column: int, size: int, kind: str, look: Look) -> str:
    height = HEIGHT * look.height
    opacity = "" if look.opacity == 1 else f' fill-opacity="{look.opacity:g}"'
    return (
        f'<rect class="{kind}" x="{sheet.margin + column * sheet.units:.10g}"'
        f' y="{_floor(row) - height:.10g}" width="{size * sheet.units:.10g}" height="{height:g}"'
        f' fill="{look.fill}"{opacity}/>'
    )


def _label(scene: Scene, sheet: Sheet, info: BlockInfo) -> str:
    """The size of a block, written into it if the row in which it begins has the room."""
    text = f"{info.size:,}"
    front = GRANULE if sheet.fine and (scene.headers or not info.live) else 0
    start = info.start + front - scene.base
    row, column = divmod(start, sheet.row)
    end = min(info.start - scene.base + info.extent, (row + 1) * sheet.row)
    if (end - start) * sheet.units < CHARACTER * len(text) + 8:
        return ""
    x, y = sheet.margin + column * sheet.units + 5, _floor(row) - 10
    return _text(x, y, text, fill="#fff" if info.live else "")


def _title(info: BlockInfo) -> str:
    taken = f"{info.extent:,} taken from {info.start:#06x}"
    if not info.live:
        return f"free: {info.size:,} bytes on offer, {taken}"
    serial = f", serial {info.serial}" if info.address > info.start else ""
    return f"live: {info.size:,} bytes at {info.address:#06x}, {taken}{serial}"


def _joined_title(scene: Scene, shape: Shape) -> str:
    size = shape.end - shape.start
    where = f"from {scene.base + shape.start:#06x}"
    return f"{shape.blocks:,} blocks {where}: {shape.live:,} of {size:,} bytes live"


def _foot(scene: Scene, sheet: Sheet, sentences: list[str]) -> Iterator[str]:
    """The legend and the totals."""
    x, y = sheet.margin, sheet.foot + LINE // 2
    for look, words in _keys(scene, sheet):
        yield _swatch(x, y, look) + _text(x + 20, y, words, opacity=0.8)
        x += 20 + CHARACTER * (len(words) + 2)
    for line, sentence in enumerate(sentences, start=1):
        yield _text(sheet.margin, y + line * LINE + 4, sentence)


def _keys(scene: Scene, sheet: Sheet) -> tuple[tuple[Look, str], ...]:
    """What the legend explains."""
    fine = FINE_KEY if scene.headers else BARE_KEY
    usual = fine if sheet.fine else COARSE_KEY
    return usual + BROKEN_KEY * bool(scene.broken) + UNUSED_KEY * bool(scene.unused)


def _swatch(x: float, y: float, look: Look) -> str:
    height = 14 * look.height
    return (
        f'<rect class="key" x="{x:g}" y="{y - height:g}" width="14" height="{height:g}"'
        f' fill="{look.fill}" fill-opacity="{look.opacity:g}"/>'
    )


def _text(
    x: float, y: float, words: str, *, fill: str = "", opacity: float = 1, bold: bool = False
) -> str:
    extra = f' fill="{fill}"' if fill else ""
    extra += f' fill-opacity="{opacity:g}"' if opacity < 1 else ""
    extra += ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.10g}" y="{y:.10g}"{extra}>{escape(words)}</text>'
