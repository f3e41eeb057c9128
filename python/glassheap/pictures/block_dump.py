"""The bytes of one block, row by row, with the name and value of each field.

    live block at 0x0000: 100 bytes requested, 128 taken, serial 1
    H 0x0000  64 00 00 00 00 00 00 00                          size    100
    H 0x0008                          ef be ad de              magic   0xdeadbeef
    H 0x000c                                      01 00        serial  1
    H 0x000e                                            17 5a  seal    0x5a17
    P 0x0010  68 65 6c 6c 6f 00 00 00 00 00 00 00 00 00 00 00  |hello...........|

Every byte is in the column of its address, in every row, so the dump can also be read downwards.
The letter at the beginning names the kind of the row, for output without colour.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, NamedTuple

from glassheap import errors
from glassheap.pictures import scale
from glassheap.pictures.scale import GRANULE, HEADER, NODE, Kind, Part, Scene

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glassheap._core import Heap
    from glassheap.records import BlockInfo
    from glassheap.terminal import Line

HEAD_ROWS, TAIL_ROWS = 8, 2  # the rows shown of a long payload
NIL = 0xFFFFFFFF  # the link of the last node, and the number of no record

LETTERS = {
    Kind.HEADER: "H",
    Kind.BROKEN: "H",
    Kind.PAYLOAD: "P",
    Kind.NEXT_PAYLOAD: "P",
    Kind.ROUNDING: "R",
    Kind.NODE: "N",
    Kind.FREE: "F",
}
KEY = "H header, P payload, R rounding, N node of a free block, F free"
HEADERLESS_KEY = "P payload, N node of a free block, F free"
LISTS = {
    "segregated_fit": "the bin of its size; the block at the end of the region is in none",
    "quick_fit": "the bin of its size; the block at the end of the region is in none",
    "tlsf": "the list of its size class",
    "buddy": "the bin of blocks of its size",
}
"""The list of a node, for policies that have more than one free list."""


class Bytes(NamedTuple):
    """The bytes of the region, and the scene that describes them."""

    scene: Scene
    region: memoryview
    magic: int

    def row(self, start: int, end: int) -> str:
        """The address `start`, and the bytes [start, end) in the columns of their addresses."""
        digits = "   " * (start % GRANULE) + bytes(self.region[start:end]).hex(" ")
        return f"{self.scene.base + start:#06x}  {digits:<{3 * GRANULE - 1}}"


class Field(NamedTuple):
    """A number in a header or a node: its name, the range of its bytes, and its value as text."""

    name: str
    start: int
    end: int
    value: str


def lines(heap: Heap, address: int) -> list[Line]:
    """The lines of the dump. O(blocks). Raises InvalidPointer if no block is at `address`."""
    scene = scale.capture(heap)
    info = find(scene, operator.index(address))
    with heap.region as region:
        return list(_lines(Bytes(scene, region, heap.magic), info))


def find(scene: Scene, address: int) -> BlockInfo:
    """The block whose payload or whose first byte is at `address`.

    An empty payload has the same address as the next block. In that case the live payload comes
    first, because malloc returned it, and then the free block, because the free list shows it.
    """
    for matches in (
        lambda info: info.live and info.address == address,
        lambda info: not info.live and info.start == address,
        lambda info: address in (info.start, info.address),
    ):
        found = next(filter(matches, scene.blocks), None)
        if found is not None:
            return found
    raise _invalid_pointer(scene, address)


def _invalid_pointer(scene: Scene, address: int) -> errors.InvalidPointer:
    """The error for an address at which no block and no payload starts."""
    error: errors.InvalidPointer
    if not scene.base <= address < scene.base + scene.size:
        error = errors.ForeignPointer(_outside(scene, address))
    elif (address - scene.base) % GRANULE:
        error = errors.MisalignedPointer(
            f"No block can start at {address:#x}: blocks and payloads start at a multiple of"
            f" {GRANULE} bytes from {scene.base:#x}."
        )
    else:
        error = errors.InteriorPointer(_inside(scene, address))
    error.address = address
    return error


def _outside(scene: Scene, address: int) -> str:
    end = scene.base + scene.size
    return (
        f"{address:#x} is outside of this heap, which extends from {scene.base:#x} up to {end:#x};"
        " show an address that its malloc returned."
    )


def _inside(scene: Scene, address: int) -> str:
    for info in scene.blocks:
        if info.start <= address < info.start + info.extent:
            state = "live" if info.live else "free"
            return (
                f"{address:#x} is inside of the {state} block that starts at {info.start:#x};"
                f" its payload starts at {info.address:#x}: show that address."
            )
    return f"{address:#x} is in no block: the heap leaves these bytes unused."


def _lines(memory: Bytes, info: BlockInfo) -> Iterator[Line]:
    yield [(_caption(info), "title")]
    for part in scale.parts(info, memory.scene):
        if part.kind in (Kind.HEADER, Kind.BROKEN, Kind.NODE):
            yield from _field_rows(memory, part)
        else:
            yield from _text_rows(memory, part)
    if not info.live:
        free_list = LISTS.get(memory.scene.policy, "the free list")
        yield [(f"next leads along {free_list}", "dim")]
    yield [(KEY if memory.scene.headers else HEADERLESS_KEY, "dim")]


def _caption(info: BlockInfo) -> str:
    taken = f"{info.extent:,} taken"
    if not info.live:
        return f"free block at {info.start:#06x}: {info.size:,} bytes on offer, {taken}"
    if info.address == info.start:
        return f"live block at {info.start:#06x}: {taken}, without a header"
    size = f"{info.size:,} bytes requested"
    return f"live block at {info.start:#06x}: {size}, {taken}, serial {info.serial}"


def _field_rows(memory: Bytes, part: Part) -> Iterator[Line]:
    fields = _node_fields if part.kind is Kind.NODE else _header_fields
    for name, start, end, value in fields(memory, part.start):
        style = "header" if part.kind is Kind.BROKEN and name != "magic" else part.kind.value
        row = memory.row(part.start + start, part.start + end)
        yield [(f"{LETTERS[part.kind]} {row}  {name:<6}  {value}", style)]


def _header_fields(memory: Bytes, start: int) -> list[Field]:
    size, magic, serial, seal = HEADER.unpack_from(memory.region, start)
    expected = "" if magic == memory.magic else f", expected {memory.magic:#010x}"
    return [
        Field("size", 0, 8, f"{size:,}"),
        Field("magic", 8, 12, f"{magic:#010x}{expected}"),
        Field("serial", 12, 14, f"{serial}"),
        Field("seal", 14, 16, f"{seal:#06x}"),
    ]


def _node_fields(memory: Bytes, start: int) -> list[Field]:
    size, following, record = NODE.unpack_from(memory.region, start)
    return [
        Field("size", 0, 8, f"{size:,}"),
        Field("next", 8, 12, _link(memory.scene, following)),
        Field("record", 12, 16, _record(record)),
    ]


def _link(scene: Scene, granule: int) -> str:
    if granule == NIL:
        return "none"
    address = scene.linked(granule)
    if address >= scene.base + scene.size:
        return f"granule {granule:,}, outside of the region"
    return f"granule {granule:,}, at {address:#06x}"


def _record(number: int) -> str:
    return "none" if number == NIL else f"{number:,}, the number of its links outside of the region"


def _text_rows(memory: Bytes, part: Part) -> Iterator[Line]:
    """The rows of a part; of a long one the first and last rows, and the bytes left out."""
    rows = range(part.start // GRANULE * GRANULE, part.end, GRANULE)
    head, tail = rows[:HEAD_ROWS], rows[max(HEAD_ROWS, len(rows) - TAIL_ROWS) :]
    yield from (_text_row(memory, part, row) for row in head)
    if head and tail and head.stop < tail.start:
        left_out = f"{tail.start - head.stop:,} bytes left out"
        yield [(f"{LETTERS[part.kind]} ...{'':>4}  {left_out}", "dim")]
    yield from (_text_row(memory, part, row) for row in tail)


def _text_row(memory: Bytes, part: Part, row: int) -> Line:
    start, end = max(row, part.start), min(row + GRANULE, part.end)
    shown = bytes(memory.region[start:end])
    text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in shown)
    margin = " " * (start - row)
    style = "payload" if part.kind is Kind.NEXT_PAYLOAD else part.kind.value
    return [(f"{LETTERS[part.kind]} {memory.row(start, end)}  {margin}|{text}|", style)]
