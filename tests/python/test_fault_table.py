"""Every fault, a row each: what is done, what is raised and said to the letter, and no trace of it.

Each row is committed on every kind of region, policy and layout, and many at every level. What is
raised is exactly that class, with exactly these sentences and figures; and the call that was
refused has changed no byte of the region, no counter but that of failures, and nothing that the
heap shows of itself. So the calls of a row can follow one another on one heap, and each of them
must find it as it was.

What is said is worked out here from the row, from `walk()` and from the region's bytes, never taken
from the library's own texts.
"""

from __future__ import annotations

import itertools
import re
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import ANY

import pytest

import glassheap
from fault_fixture import (
    ADDRESS_CALLS as ADDRESS_CALLS_OF_HEAP,
)
from fault_fixture import (
    ALIGNMENT_CALLS,
    CONFIGURATIONS,
    DEBUG_CONFIGURATIONS,
    MUTATING_CALLS,
    SIZE_CALLS,
    Configuration,
    PreparedHeap,
)
from heap_probes import (
    BACK,
    FRONT,
    GRANULE,
    Node,
    assert_sentences,
    assert_sound,
    extent_for,
    fingerprint,
    front,
    header_at,
    node_at,
    overwrite,
    peek,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


# --- The table's form. ----------------------------------------------------------------------------


class Said(NamedTuple):
    """The whole message of an exception, and all its attributes."""

    text: str  # ???? stands for the four digits of a seal that only the heap can work out
    figures: Mapping[str, Any] = {}


class Row(NamedTuple):
    """One fault: `given` prepares it, and is what the calls are then given."""

    error: type[Exception]
    said: Callable[[PreparedHeap, Any, str], Said]  # the last is the name of the call
    given: Callable[[PreparedHeap], Any]
    calls: Mapping[str, Callable[[PreparedHeap, Any], object]]


def rows(
    calls: Mapping[str, Callable[[PreparedHeap, Any], object]],
    error: type[Exception],
    said: Callable[[PreparedHeap, Any, str], Said],
    given: Mapping[str, Callable[[PreparedHeap], Any]],
) -> dict[str, Row]:
    """Rows that differ in what is given alone."""
    return {name: Row(error, said, make, calls) for name, make in given.items()}


def always(value: object, prepared: PreparedHeap) -> Any:
    return value


def constant(values: Iterable[Any]) -> dict[str, Callable[[PreparedHeap], Any]]:
    """Each of these values, by its own name, whatever the heap."""
    return {str(value): partial(always, value) for value in values}


def state(heap: glassheap.Heap) -> tuple[object, ...]:
    """All that a heap shows of itself, but the count of failures."""
    return fingerprint(heap), heap.free_list(), heap.walk()


def assert_said(error: BaseException, said: Said) -> None:
    pattern = re.escape(said.text).replace(re.escape("????"), "[0-9A-F]{4}")
    assert re.fullmatch(pattern, str(error)), f"{error}\n{said.text}"
    assert vars(error) == said.figures
    assert_sentences(str(error))


def without_culprit(finding: glassheap.Finding) -> str:
    """The exception's part of a sentence: check() alone names a likely culprit."""
    return str(finding).split(" The likely culprit", maxsplit=1)[0]


def assert_raised(row: Row, prepared: PreparedHeap, given: object, name: str) -> None:
    with pytest.raises(row.error) as caught:
        row.calls[name](prepared, given)
    assert caught.type is row.error
    assert_said(caught.value, row.said(prepared, given, name))


def assert_refused(row: Row, prepared: PreparedHeap, given: object, *names: str) -> None:
    """By these calls, one after the other: none of them leaves a trace for the next."""
    before = state(prepared.heap)
    for name in names:
        assert_raised(row, prepared, given, name)
        assert state(prepared.heap) == before, name


def assert_refused_by_all(row: Row, prepared: PreparedHeap) -> None:
    assert_refused(row, prepared, row.given(prepared), *row.calls)


WATCHED_SAMPLE = [
    configuration
    for configuration in DEBUG_CONFIGURATIONS
    if configuration.region == "pages" and configuration.policy in ("first_fit", "buddy")
]
"""A debug heap refuses as every heap does; what it finds besides has rows of its own."""
every_watched_ground = pytest.mark.parametrize("configuration", DEBUG_CONFIGURATIONS, ids=str)
every_ground = pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=str)
with_headers = pytest.mark.parametrize(
    "configuration", [g for g in CONFIGURATIONS if g.headers], ids=str
)


def every_row(table: Mapping[str, Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", table.values(), ids=table)


# --- What is said of an address. ------------------------------------------------------------------


def free_already(prepared: PreparedHeap, address: int, name: str) -> Said:
    text = f"the memory at {address:#x} is free already: it was freed before, or never handed out."
    return Said(f"{text} Free each block once.", {"address": address})


def inside(prepared: PreparedHeap, address: int, name: str) -> Said:
    """Whose block it is, the walk tells."""
    (owner,) = (i for i in prepared.heap.walk() if i.start <= address < i.start + i.extent)
    text = f"{address:#x} lies inside a live block, but is not where its payload starts."
    return Said(f"{text} Pass {owner.address:#x}, which is.", {"address": address})


def misaligned(prepared: PreparedHeap, address: int, name: str) -> Said:
    text = f"{address:#x} is no multiple of 16 from the start of the region: no block can start"
    return Said(f"{text} there. Pass the address that malloc returned.", {"address": address})


def outside(prepared: PreparedHeap, address: int, name: str) -> Said:
    sayable = 0 <= address < 2**64 - 1
    place = f"{address:#x}" if sayable else "an address below 0 or from 2^64 - 1 upwards"
    text = f"{place} is outside the heap's region. Pass an address that this heap returned."
    return Said(text, {"address": address})


# --- Addresses at which no live block is. ---------------------------------------------------------


def end(prepared: PreparedHeap) -> int:
    return prepared.heap.base + prepared.heap.size


def last_free_granule(prepared: PreparedHeap) -> int:
    """Where a payload could be, in the largest free block."""
    block = max(prepared.heap.free_list(), key=lambda block: block.size)
    return block.address + front(prepared.heap) + block.size - GRANULE


def freed(
    *order: int, sizes: Iterable[int] = (48,) * 5, asked: int | None = None
) -> Callable[[PreparedHeap], int]:
    """Of five blocks in a row, these are freed in this order; the first's address, or `asked`'s."""

    def free(prepared: PreparedHeap) -> int:
        prepared.heap.reset()
        blocks = prepared.heap.malloc_many([*sizes])
        for place in order:
            prepared.heap.free(blocks[place])
        return blocks[order[0] if asked is None else asked]

    return free


EMPTY = (32, 0, 0, 0, 8)
"""An empty block has its payload where the next block starts: where that is, is nothing of it."""


def after_reset(prepared: PreparedHeap) -> int:
    prepared.heap.reset()
    return prepared.second


FREE: dict[str, Callable[[PreparedHeap], int]] = {
    "freed": lambda b: b.freed,
    "freed, then its left neighbour": lambda b: b.merged,
    "freed, then merged with a hole": lambda b: b.gone,
    "freed, then merged with the top": lambda b: b.stale.address,
    "freed, then merged with the left": freed(2, 1),
    "freed, then merged with the right": freed(2, 3),
    "freed, then merged with both": freed(2, 1, 3),
    "freed between free blocks": freed(1, 3, 2, asked=2),
    "empty": freed(2, sizes=EMPTY),
    "empty, merged with the left": freed(2, 1, sizes=EMPTY),
    "empty, merged with the right": freed(2, 3, sizes=EMPTY),
    "empty, merged with both": freed(2, 1, 3, sizes=EMPTY),
    "empty, merged into one with a payload": freed(1, 0, sizes=EMPTY),
    "never handed out": last_free_granule,
    "freed by a reset": after_reset,
}


def forge_magic(prepared: PreparedHeap) -> int:
    """0xDEADBEEF where it would stand in front of a payload inside of `third`."""
    overwrite(prepared.heap, prepared.third - prepared.heap.base + 64 + 8, b"\xef\xbe\xad\xde")
    return prepared.third + 64 + GRANULE


def forge_header(prepared: PreparedHeap) -> int:
    """All sixteen bytes that stand in front of a real payload, with their seal."""
    header = peek(prepared.heap, prepared.second - prepared.heap.base - GRANULE, GRANULE)
    overwrite(prepared.heap, prepared.third - prepared.heap.base + 64, header)
    return prepared.third + 64 + GRANULE


def replay_header(prepared: PreparedHeap) -> int:
    """An old header is put back at its old place, which is now inside another block."""
    heap = prepared.heap
    heap.reset()
    first, *blocks = heap.malloc_many([16] * 9)
    fronts = {address: peek(heap, address - heap.base - GRANULE, GRANULE) for address in blocks}
    heap.free_many([first, *blocks])
    while heap.free_list():
        heap.malloc(heap.largest_free())
    address = next(address for address in blocks if address not in heap)
    overwrite(heap, address - heap.base - GRANULE, fronts[address])
    return address


INSIDE: dict[str, Callable[[PreparedHeap], int]] = {
    "in a payload": lambda b: b.third + 32,
    "in the last granule": lambda b: b.second + 192,
    "in the rounding": lambda b: b.first + 96,
    "a forged magic number": forge_magic,
    "a forged header": forge_header,
    "an old header put back": replay_header,
}
A_HEADER: dict[str, Callable[[PreparedHeap], int]] = {"a header": lambda b: b.second - GRANULE}

MISALIGNED: dict[str, Callable[[PreparedHeap], int]] = {
    "off by one": lambda b: b.first + 1,
    "off by minus one": lambda b: b.third - 1,
    "off by eight": lambda b: b.third + 8,
    "free and odd": lambda b: b.freed + 15,
}

FOREIGN: dict[str, Callable[[PreparedHeap], int]] = {
    "below": lambda b: b.heap.base - GRANULE,
    "just behind": end,
    "behind and odd": lambda b: end(b) + 1,
    "another heap's": lambda b: glassheap.Heap(base=1 << 45).malloc(8),
    **constant([2**63, 2**64 - 16, 2**64 - 1, 2**64, 2**200, -1, -(2**63), -(2**200)]),
    "2^64 + a live one": lambda b: 2**64 + b.first,
    "minus a live one": lambda b: -b.first,
}


def on_heap(call: Callable[[glassheap.Heap, Any], object]) -> Callable[[PreparedHeap, Any], object]:
    return lambda prepared, given: call(prepared.heap, given)


ADDRESS_CALLS = {name: on_heap(call) for name, call in ADDRESS_CALLS_OF_HEAP.items()}
of_an_address = partial(rows, ADDRESS_CALLS)

ADDRESSES = {
    **of_an_address(glassheap.DoubleFree, free_already, FREE),
    **of_an_address(glassheap.InteriorPointer, inside, INSIDE),
    **of_an_address(glassheap.MisalignedPointer, misaligned, MISALIGNED),
    **of_an_address(glassheap.ForeignPointer, outside, FOREIGN),
}


@every_row(of_an_address(glassheap.InteriorPointer, inside, A_HEADER))
@with_headers
def test_the_address_of_a_header_is_no_payload(configuration: Configuration, row: Row) -> None:
    assert_refused_by_all(row, configuration.prepared())


@every_ground
def test_an_empty_block_merged_at_the_regions_end_is_free(configuration: Configuration) -> None:
    """Its payload would start where the region ends, which is no place of the region."""
    prepared = configuration.prepared()
    heap = prepared.heap
    heap.reset()
    while heap.free_list():
        address = heap.malloc(0)
    for block in sorted(heap, reverse=True):
        heap.free(block)
    row = Row(glassheap.DoubleFree, free_already, lambda b: address, ADDRESS_CALLS)
    assert_refused_by_all(row, prepared)


# --- Arguments: sizes, alignments, and what is no number. -----------------------------------------

ARGUMENT = {"calloc, as a count": "count", "malloc_many": "each size"}
"""The names of the size argument, in calls that do not name it `size`."""


def no_memory(prepared: PreparedHeap, size: int, name: str) -> Said:
    """More than the region has is a lack of memory, in however many pieces it is."""
    free = [info.size for info in prepared.heap.walk() if not info.live]
    blocks = "block" if len(free) == 1 else "blocks"
    asked = f"{size} bytes" if size < 2**64 - 1 else "2^64 - 1 bytes or more"
    text = (
        f"no free block can hold {asked}: {sum(free)} are available in {len(free)} free {blocks},"
        f" the largest of which offers {max(free)}. Free something, ask for less, or open a larger"
        " heap. The cause is a lack of memory."
    )
    figures = {"requested": size, "available": sum(free), "largest": max(free)}
    align = 64 if "align" in name else 16
    figures |= {"free_blocks": len(free), "align": align}
    return Said(text, {**figures, "heap": prepared.heap})


def negative(prepared: PreparedHeap, size: int, name: str) -> Said:
    return Said(f"{ARGUMENT.get(name, 'size')} counts from 0 upwards, and {size} is negative.")


def no_size(prepared: PreparedHeap, given: object, name: str) -> Said:
    argument = ARGUMENT.get(name, "size")
    return Said(f"{argument} must be a whole number, not {type(given).__name__}.")


def no_address(prepared: PreparedHeap, given: object, name: str) -> Said:
    return Said(f"address must be a whole number, not {type(given).__name__}.")


def no_alignment(prepared: PreparedHeap, given: object, name: str) -> Said:
    return Said(f"align must be a whole number, not {type(given).__name__}.")


def bad_alignment(prepared: PreparedHeap, align: int, name: str) -> Said:
    quarter = 1 << (prepared.heap.size.bit_length() - 3)
    text = f"align must be a power of two up to {quarter}, a quarter of this region, and"
    return Said(f"{text} {align} is not.")


TOO_MUCH = [4097, 2**32, 2**36, 2**63 - 1, 2**63, 2**63 + 1, 2**64, 2**64 + 8, 2**200]
TOO_MUCH += [2**64 - k for k in (1, 2, 8, 15, 16, 17, 4096)]
BAD_ALIGNMENTS = [0, 3, 5, 17, 24, 1023, 2048, 4096, 2**63, 2**64, 2**64 + 16, 2**200, -1, -16]
NONSENSE = [1.5, 8.0, "8", b"8", [8], (), 8j]

SIZES = {
    **rows(SIZE_CALLS, glassheap.OutOfMemory, no_memory, constant(TOO_MUCH)),
    **rows(SIZE_CALLS, glassheap.InvalidSize, negative, constant([-1, -16, -(2**63), -(2**200)])),
    **rows(SIZE_CALLS, TypeError, no_size, constant([*NONSENSE, None])),
}
ALIGNMENTS = {
    **rows(ALIGNMENT_CALLS, glassheap.InvalidAlignment, bad_alignment, constant(BAD_ALIGNMENTS)),
    **rows(ALIGNMENT_CALLS, TypeError, no_alignment, constant([16.0, "16", None])),
}
NO_ADDRESSES = of_an_address(TypeError, no_address, constant(NONSENSE))


# --- Views and handles. ---------------------------------------------------------------------------


def pinned(prepared: PreparedHeap, view: object, name: str) -> Said:
    return Said(f"a view of the block at {prepared.first:#x} is still alive. Release it first.")


def region_viewed(prepared: PreparedHeap, view: object, name: str) -> Said:
    return Said("a view of the heap's region is still alive. Release it first.")


def stale(prepared: PreparedHeap, block: glassheap.Block, name: str) -> Said:
    text = f"this Block is stale: its memory at {block.address:#x} was freed, or the heap was reset"
    return Said(f"{text}, since it was allocated. Drop it.", {"address": block.address})


CLOSING: dict[str, Callable[[PreparedHeap, Any], object]] = {
    "close": lambda b, view: b.heap.close(),
    "with": lambda b, view: b.heap.__exit__(None, None, None),
}
MOVING: dict[str, Callable[[PreparedHeap, Any], object]] = {
    "free": lambda b, view: b.heap.free(b.first),
    "realloc": lambda b, view: b.heap.realloc(b.first, 10),
    "realloc to the same size": lambda b, view: b.heap.realloc(b.first, 100),
    "realloc to more": lambda b, view: b.heap.realloc(b.first, 500),
    "free_many": lambda b, view: b.heap.free_many([b.second, b.first]),
    "reset": lambda b, view: b.heap.reset(),
    **CLOSING,
}
VIEWS: dict[str, Callable[[PreparedHeap], Any]] = {
    "a view": lambda b: b.heap.view(b.first),
    "a slice of a view": lambda b: b.heap.view(b.first)[10:20],
    "an empty view": lambda b: b.heap.view(b.first)[:0],
}


def freed_by_address(prepared: PreparedHeap) -> glassheap.Block:
    block = prepared.heap.alloc(40)
    prepared.heap.free(block.address)
    return block


def freed_by_itself(prepared: PreparedHeap) -> glassheap.Block:
    block = prepared.heap.alloc(40)
    block.free()
    return block


def outlived_a_reset(prepared: PreparedHeap) -> glassheap.Block:
    """Without headers nothing but this tells that its address has been handed out again."""
    block = prepared.heap.alloc(40)
    prepared.heap.reset()
    prepared.heap.malloc_many([40] * 20)
    return block


HANDLES: dict[str, Callable[[PreparedHeap], Any]] = {
    "merged since": lambda b: b.stale,
    "freed by its address": freed_by_address,
    "freed by itself": freed_by_itself,
    "outlived a reset": outlived_a_reset,
}
OF_A_HANDLE: dict[str, Callable[[PreparedHeap, Any], object]] = {
    "free": lambda b, block: block.free(),
    "memoryview": lambda b, block: memoryview(block),
    "bytes": lambda b, block: bytes(block),
}
HOLDERS = {
    **rows(MOVING, BufferError, pinned, VIEWS),
    **rows(CLOSING, BufferError, region_viewed, {"a view of the region": lambda b: b.heap.region}),
    **rows(OF_A_HANDLE, glassheap.StaleHandle, stale, HANDLES),
}


# --- The table. -----------------------------------------------------------------------------------


def titled(title: str, table: Mapping[str, Row]) -> dict[str, Row]:
    return {f"{title} {name}": row for name, row in table.items()}


TABLE = {
    **titled("address", ADDRESSES),
    **titled("address", NO_ADDRESSES),
    **titled("size", SIZES),
    **titled("align", ALIGNMENTS),
    **HOLDERS,
}


@every_row(TABLE)
@pytest.mark.parametrize("configuration", [*CONFIGURATIONS, *WATCHED_SAMPLE], ids=str)
def test_a_fault_is_named_and_leaves_no_trace(configuration: Configuration, row: Row) -> None:
    prepared = configuration.prepared()
    assert_refused_by_all(row, prepared)
    assert_sound(prepared.heap)


@with_headers
def test_a_handle_knows_that_its_address_was_handed_out_again(configuration: Configuration) -> None:
    """By the serial, which stands in the header."""
    heap = configuration.prepared().heap
    block = heap.alloc(500)
    heap.free(block.address)
    while block.address not in heap:
        heap.malloc(500)
    prepared = PreparedHeap(heap, *(block.address,) * 7, stale=block)
    assert_refused_by_all(Row(glassheap.StaleHandle, stale, lambda b: block, OF_A_HANDLE), prepared)


# --- Bytes that the heap relies on, overwritten. --------------------------------------------------


def corrupted(text: str, offset: int, field: str, expected: object, found: int) -> Said:
    figures = {"offset": offset, "field": field, "expected": expected, "found": found}
    return Said(f"{text} The heap is damaged; a reset brings it back, empty.", figures)


def broken_header(prepared: PreparedHeap, address: int, name: str) -> Said:
    """By the bytes that stand there: first the magic number, then the size, then the seal."""
    heap, offset = prepared.heap, prepared.offset(address)
    (block,) = (info for info in heap.walk() if info.address == address)
    header = header_at(heap, offset)
    text = f"the header of the block at offset {offset}"
    if header.magic != heap.magic:
        text += f" has the magic number 0x{header.magic:X} instead of 0x{heap.magic:X}:"
        text += " something wrote over it."
        return corrupted(text, offset, "magic", heap.magic, header.magic)
    if header.size > heap.size or extent_for(heap, header.size) != block.extent:
        holds = block.extent - FRONT
        text += f" says {header.size} bytes, but its block holds {holds}: something wrote over it."
        return corrupted(text, offset, "size", holds, header.size)
    text += f" has the seal 0x{header.seal:04X} instead of 0x????: something wrote over its size,"
    text += " serial or seal."
    return corrupted(text, offset, "seal", ANY, header.seal)


def over(at: int, data: bytes) -> Callable[[PreparedHeap], int]:
    """These bytes are written so far from where the header of `second` begins."""

    def write(prepared: PreparedHeap) -> int:
        overwrite(prepared.heap, prepared.offset(prepared.second) + at, data)
        return prepared.second

    return write


def flip(at: int, mask: bytes) -> Callable[[PreparedHeap], int]:
    """These bits are turned over, so far from where the header of `second` begins."""

    def write(prepared: PreparedHeap) -> int:
        place = prepared.offset(prepared.second) + at
        old = peek(prepared.heap, place, len(mask))
        changed = bytes(byte ^ bits for byte, bits in zip(old, mask, strict=True))
        overwrite(prepared.heap, place, changed)
        return prepared.second

    return write


def twins_header(prepared: PreparedHeap) -> int:
    """A real one, with its seal, of a block of the same size."""
    overwrite(
        prepared.heap,
        prepared.offset(prepared.twin),
        peek(prepared.heap, prepared.offset(prepared.first), 16),
    )
    return prepared.twin


def old_header(prepared: PreparedHeap) -> int:
    """The place's own, of when there was a block of another extent."""
    heap = prepared.heap
    heap.reset()
    address = heap.malloc(600)
    header = peek(heap, prepared.offset(address), FRONT)
    heap.free(address)
    assert heap.malloc_many([40, 40])[0] == address
    overwrite(heap, prepared.offset(address), header)
    return address


SIZE, MAGIC, SERIAL, SEAL = 0, 8, 12, 14
"""Where the fields of a header stand."""
of_a_header = partial(rows, ADDRESS_CALLS)

HEADERS = {
    **of_a_header(
        glassheap.BadMagic,
        broken_header,
        {
            "cleared": over(SIZE, bytes(16)),
            "the magic number": flip(MAGIC, b"\x01"),
            "underflow to the magic number": over(MAGIC, b"A" * 8),
            "underflow to the size": over(SIZE, b"A" * 16),
            "overflow to the magic number": over(-64, b"B" * 76),
            "overflow over all of it": over(-64, b"B" * 80),
        },
    ),
    **of_a_header(
        glassheap.HeaderCorrupted,
        broken_header,
        {
            "the size, within the rounding": flip(SIZE, b"\x01"),
            "the size, too small": over(SIZE, bytes(8)),
            "the size, as the region": over(SIZE, (4080).to_bytes(8, "little")),
            "the size, wrapping": over(SIZE, (2**64 - 16).to_bytes(8, "little")),
            "the size, negative": over(SIZE, (2**63).to_bytes(8, "little")),
            "the serial": flip(SERIAL, b"\x01"),
            "the seal": flip(SEAL, b"\x01"),
            "underflow to the seal": flip(SEAL, b"\x5a\xa5"),
            "overflow to the size": flip(SIZE, b"\xff" * 8),
            "a twin's header": twins_header,
            "an old header": old_header,
        },
    ),
}


def assert_found(row: Row, prepared: PreparedHeap, given: object) -> None:
    """check() finds this and nothing else, and says it in the words of the exception."""
    said = row.said(prepared, given, "check")
    (finding,) = prepared.heap.check()
    assert finding == (row.error.__name__, *(said.figures[name] for name in FINDING))
    error = row.error(without_culprit(finding))
    vars(error).update(said.figures)
    assert_said(error, said)


FINDING = ("field", "offset", "expected", "found")


def commit_and_find(configuration: Configuration, row: Row) -> None:
    for name in row.calls:
        prepared = configuration.prepared()
        address = row.given(prepared)
        assert_refused(row, prepared, address, name)
        assert_found(row, prepared, address)
    prepared = configuration.prepared()
    assert_found(row, prepared, row.given(prepared))


@every_row(HEADERS)
@with_headers
def test_an_overwritten_header_is_found_and_contained(
    configuration: Configuration, row: Row
) -> None:
    """A seal of 16 bits misses one forgery in 65,536; under another key it must see it."""
    try:
        commit_and_find(configuration, row)
    except AssertionError:
        commit_and_find(configuration, row)


# --- Nodes of free blocks. ------------------------------------------------------------------------

NODE_FIELDS = {"node size": "size", "next": "next", "prev": "prev"}
"""The names of a node's fields: the heap's, and those of the probes."""


class Written(NamedTuple):
    """A write into the node of a free block."""

    field: str
    changed: Callable[[PreparedHeap, int], int]


WRITTEN = {
    "size, a granule more": Written("node size", lambda b, old: old ^ 16),
    "size, nothing": Written("node size", lambda b, old: old ^ (1 << 40)),
    "size, 2^64 - 1": Written("node size", lambda b, old: 2**64 - 1),
    "next, one further": Written("next", lambda b, old: old ^ 1),
    "next, far outside": Written("next", lambda b, old: 0x7FFFFFFF),
    "next, a live block": Written("next", lambda b, old: b.offset(b.second) // GRANULE),
    "prev, one further": Written("prev", lambda b, old: old ^ 1),
    "prev, far outside": Written("prev", lambda b, old: 0x7FFFFFFF),
    "prev, a live block": Written("prev", lambda b, old: b.offset(b.second) // GRANULE),
}


def write_node(prepared: PreparedHeap, which: int, written: Written) -> Said:
    """Write into that free block; what the heap must say of it."""
    offset = prepared.heap.free_list()[which].address - prepared.heap.base
    node = node_at(prepared.heap, offset)
    name = NODE_FIELDS[written.field]
    changed: Node = node._replace(**{name: written.changed(prepared, getattr(node, name))})
    overwrite(prepared.heap, offset, changed.pack())
    expected, found = getattr(node, name), getattr(changed, name)
    text = f"the free block at offset {offset} breaks the rule '{written.field}': it has"
    text += f" 0x{found:X} where 0x{expected:X} was expected. Something wrote into freed memory."
    return corrupted(text, offset, written.field, expected, found)


def offers(prepared: PreparedHeap) -> list[int]:
    """The sizes of the free blocks, largest first, by the block map: no node is read."""
    return sorted((info.size for info in prepared.heap.walk() if not info.live), reverse=True)


def take_all(prepared: PreparedHeap) -> Iterable[Callable[[], object]]:
    """Every free block is taken."""
    for size in offers(prepared):
        yield partial(prepared.heap.malloc, size)


def take_all_at_once(prepared: PreparedHeap) -> Iterable[Callable[[], object]]:
    yield lambda: prepared.heap.malloc_many(offers(prepared))


def give_all_back(prepared: PreparedHeap) -> Iterable[Callable[[], object]]:
    """Every free block is merged with, or linked to."""
    for address in [*prepared.heap]:
        yield partial(prepared.heap.free, address)


def meetings(
    configuration: Configuration,
) -> list[Callable[[PreparedHeap], Iterable[Callable[[], object]]]]:
    """Calls that meet every node; a buddy whose other half is never free is never merged."""
    merging = [] if configuration.policy == "buddy" else [give_all_back]
    return [take_all, take_all_at_once, *merging]


def assert_damaged(heap: glassheap.Heap) -> None:
    """From now on it refuses; the table below has every call."""
    with pytest.raises(glassheap.HeapDamaged):
        heap.free(None)


def meet(
    prepared: PreparedHeap,
    steps: Iterable[Callable[[], object]],
    said: Said,
    error_class: type[Exception] = glassheap.FreeListCorrupted,
) -> None:
    """One of the steps meets the damage, says so, and changes nothing."""
    for step in steps:
        before = state(prepared.heap)
        try:
            step()
        except error_class as error:
            assert_said(error, said)
            assert state(prepared.heap) == before
            assert_damaged(prepared.heap)
            return
    pytest.fail("nothing met the damage")


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
@every_ground
def test_an_overwritten_node_is_met_where_it_is_used(
    configuration: Configuration, written: Written
) -> None:
    """A caller that takes all free memory, or frees every block, meets every node."""
    free_blocks = configuration.prepared().heap.stats().free_blocks
    for meeting, which in itertools.product(meetings(configuration), range(free_blocks)):
        prepared = configuration.prepared()
        said = write_node(prepared, which, written)
        meet(prepared, meeting(prepared), said)


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
@every_ground
def test_an_overwritten_node_is_found_by_check(
    configuration: Configuration, written: Written
) -> None:
    for which in range(configuration.prepared().heap.stats().free_blocks):
        prepared = configuration.prepared()
        said = write_node(prepared, which, written)
        (finding,) = prepared.heap.check()
        figures = (said.figures[name] for name in FINDING)
        assert finding == ("FreeListCorrupted", *figures)
        assert without_culprit(finding) == said.text


# --- Bytes that are watched: behind a payload, and in free memory. --------------------------------


class Behind(NamedTuple):
    """Where behind a payload is written, and which index is told; both from where it ends."""

    first: int
    length: int
    told: int


ROUNDING = {
    "the first byte behind": Behind(0, 1, 0),
    "in the rounding": Behind(5, 1, 5),
    "the last of the rounding": Behind(11, 1, 11),
    "over all of the rounding": Behind(0, 12, 0),
    "into the trailer": Behind(10, 10, 10),
}


def overflowed(behind: Behind) -> Callable[[PreparedHeap], glassheap.Block]:
    """A block of 100 bytes that was written behind; 112 are its granules."""

    def write(prepared: PreparedHeap) -> glassheap.Block:
        block = prepared.heap.alloc(100)
        place = block.address - prepared.heap.base + 100 + behind.first
        old = peek(prepared.heap, place, behind.length)
        overwrite(prepared.heap, place, bytes(byte ^ 0x5A for byte in old))
        return block

    return write


def overflow_of(prepared: PreparedHeap, address: int, size: int, index: int) -> Said:
    offset = prepared.offset(address)
    text = f"the block at offset {offset} has {size} bytes, and the byte with the index {index},"
    return corrupted(f"{text} behind its end, was written.", offset, "redzone", size, index)


def overflow(behind: Behind) -> Callable[[PreparedHeap, Any, str], Said]:
    def said(prepared: PreparedHeap, block: glassheap.Block, name: str) -> Said:
        """Without headers the trailer is what knows the size: broken, it leaves the extent."""
        end = next(i.extent for i in prepared.heap.walk() if i.address == block.address)
        end -= front(prepared.heap) + BACK
        if not prepared.heap.headers and 100 + behind.first + behind.length > end:
            return overflow_of(prepared, block.address, end, end)
        return overflow_of(prepared, block.address, 100, 100 + behind.told)

    return said


def at_its_address(
    call: Callable[[glassheap.Heap, Any], object],
) -> Callable[[PreparedHeap, Any], object]:
    return lambda prepared, block: call(prepared.heap, block.address)


OF_WHAT_OVERFLOWED: dict[str, Callable[[PreparedHeap, Any], object]] = {
    **{name: at_its_address(call) for name, call in ADDRESS_CALLS_OF_HEAP.items()},
    "realloc to less": lambda b, block: b.heap.realloc(block.address, 1),
    "realloc to more": lambda b, block: b.heap.realloc(block.address, 500),
    "Block.free": lambda b, block: block.free(),
    "memoryview": lambda b, block: memoryview(block),
}
OVERFLOWS = {
    name: Row(glassheap.OverflowDetected, overflow(behind), overflowed(behind), OF_WHAT_OVERFLOWED)
    for name, behind in ROUNDING.items()
}


@every_row(OVERFLOWS)
@every_watched_ground
def test_an_overflow_is_found_and_contained(configuration: Configuration, row: Row) -> None:
    commit_and_find(configuration, row)


FILL = 0xDD


def write_free(prepared: PreparedHeap, block: glassheap.BlockInfo, at: int) -> Said:
    """Write a byte so far into that free block; what the heap must say of it."""
    offset = block.start - prepared.heap.base + at
    overwrite(prepared.heap, offset, b"\x07")
    text = f"the byte at offset {offset} is free memory, and was written: it is 0x07 instead of"
    return corrupted(f"{text} 0x{FILL:02X}.", offset, "fill", FILL, 7)


PLACES: dict[str, Callable[[int], int]] = {
    "right behind the node": lambda extent: 16,
    "in the middle": lambda extent: 16 + (extent - 16) // 2,
    "the last byte": lambda extent: extent - 1,
}


def free_memory(prepared: PreparedHeap) -> list[glassheap.BlockInfo]:
    """The free blocks that are larger than a node, and so may serve a request."""
    return [i for i in prepared.heap.walk() if not i.live and i.size > 0]


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@every_watched_ground
def test_a_write_into_freed_memory_is_met_at_reuse(
    configuration: Configuration, place: Callable[[int], int]
) -> None:
    for meeting, which in itertools.product(
        (take_all, take_all_at_once), range(len(free_memory(configuration.prepared())))
    ):
        prepared = configuration.prepared()
        block = free_memory(prepared)[which]
        said = write_free(prepared, block, place(block.extent))
        meet(prepared, meeting(prepared), said, glassheap.WriteAfterFree)


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@every_watched_ground
def test_a_write_into_freed_memory_is_found_by_check(
    configuration: Configuration, place: Callable[[int], int]
) -> None:
    for which in range(len(free_memory(configuration.prepared()))):
        prepared = configuration.prepared()
        block = free_memory(prepared)[which]
        said = write_free(prepared, block, place(block.extent))
        (finding,) = prepared.heap.check()
        assert finding == ("WriteAfterFree", *(said.figures[name] for name in FINDING))
        assert without_culprit(finding) == said.text
        assert_damaged(prepared.heap)


# --- A heap that was found corrupt, or was closed. ------------------------------------------------

DAMAGED = (
    "the heap was found corrupt and refuses every change. check() lists the damage; a"
    " reset brings it back, empty."
)
CLOSED = "the heap is closed: its region has been given back. Open another."


def found_by_check(prepared: PreparedHeap) -> None:
    write_node(prepared, 0, WRITTEN["size, a granule more"])
    assert len(prepared.heap.check()) == 1


def found_by_a_call(prepared: PreparedHeap) -> None:
    write_node(prepared, 0, WRITTEN["size, a granule more"])
    with pytest.raises(glassheap.FreeListCorrupted):
        prepared.heap.malloc_many(offers(prepared))


def found_by_a_look(prepared: PreparedHeap) -> None:
    HEADERS["the seal"].given(prepared)
    with pytest.raises(glassheap.HeaderCorrupted):
        prepared.heap.usable_size(prepared.second)


@pytest.mark.parametrize("find", [found_by_check, found_by_a_call, found_by_a_look])
@every_ground
def test_a_damaged_heap_refuses_every_change(
    configuration: Configuration, find: Callable[[PreparedHeap], None]
) -> None:
    """It can be looked at, which is how this is seen, and comes back by a reset."""
    prepared = configuration.prepared()
    if find is found_by_a_look and not configuration.headers:
        find = found_by_check  # nothing that looks at a block reads anything that could be broken
    find(prepared)
    before = state(prepared.heap)
    for change in MUTATING_CALLS.values():
        with pytest.raises(glassheap.HeapDamaged) as caught:
            change(prepared)
        assert_said(caught.value, Said(DAMAGED))
        assert state(prepared.heap) == before
    prepared.heap.reset()
    assert_sound(prepared.heap)
    prepared.heap.free(prepared.heap.malloc(prepared.heap.largest_free()))


@every_ground
def test_a_closed_heap_refuses_every_change(configuration: Configuration) -> None:
    prepared = configuration.prepared()
    prepared.heap.close()
    for change in MUTATING_CALLS.values():
        with pytest.raises(glassheap.HeapClosed) as caught:
            change(prepared)
        assert_said(caught.value, Said(CLOSED))


# --- A realloc that cannot grow; an __index__ that gets in between. -------------------------------


GROWING: dict[str, Callable[[PreparedHeap, Any], object]] = {
    "realloc": lambda b, size: b.heap.realloc(b.second, size),
    "realloc, aligned": lambda b, size: b.heap.realloc(b.second, size, align=64),
}


@every_ground
def test_a_realloc_that_cannot_grow_changes_nothing(configuration: Configuration) -> None:
    """Not a byte of the block either; and what then fits elsewhere does move."""
    prepared = configuration.prepared()
    heap = prepared.heap
    overwrite(heap, prepared.second - heap.base, bytes(range(200)))
    (*_, last) = (heap.malloc(size) for size in offers(prepared))
    heap.free(last)
    row = Row(glassheap.OutOfMemory, no_memory, lambda b: heap.available_memory() + 500, GROWING)
    assert_refused_by_all(row, prepared)
    assert peek(heap, prepared.second - heap.base, 200) == bytes(range(200))
    heap.free(prepared.third)
    moved = heap.realloc(prepared.second, 210)
    assert peek(heap, moved - heap.base, 200) == bytes(range(200))


class Index:
    """A whole number that does something to the heap before it says which it is."""

    def __init__(self, value: int, meanwhile: Callable[[], object]) -> None:
        self.value = value
        self.meanwhile = meanwhile

    def __index__(self) -> int:
        self.meanwhile()
        return self.value


def freed_meanwhile(prepared: PreparedHeap) -> None:
    prepared.heap.free(prepared.first)


def reset_meanwhile(prepared: PreparedHeap) -> None:
    prepared.heap.reset()


@pytest.mark.parametrize("meddle", [freed_meanwhile, reset_meanwhile])
@pytest.mark.parametrize("call", ADDRESS_CALLS_OF_HEAP.values(), ids=ADDRESS_CALLS_OF_HEAP)
@every_ground
def test_an_address_that_is_freed_while_it_is_read_is_free(
    configuration: Configuration,
    call: Callable[[glassheap.Heap, Any], object],
    meddle: Callable[[PreparedHeap], None],
) -> None:
    """The heap keeps what `__index__` did to it, and the refused call adds nothing."""
    prepared = configuration.prepared()
    before: list[object] = []

    def meanwhile() -> None:
        meddle(prepared)
        before.append(state(prepared.heap))

    with pytest.raises(glassheap.DoubleFree) as caught:
        call(prepared.heap, Index(prepared.first, meanwhile))
    assert_said(caught.value, free_already(prepared, prepared.first, ""))
    assert before == [state(prepared.heap)]
    assert_sound(prepared.heap)


# --- What looks like a fault, and is none. --------------------------------------------------------


@every_ground
def test_blocks_of_size_0_are_distinct_and_can_be_freed(configuration: Configuration) -> None:
    heap = configuration.prepared().heap
    before = heap.stats().requested
    blocks = [heap.malloc(0), heap.calloc(0, 8), heap.calloc(8, 0), *heap.malloc_many([0, 0])]
    blocks += [heap.realloc(None, 0), heap.realloc(heap.malloc(100), 0)]
    assert len(set(blocks)) == 7
    if heap.headers:
        assert heap.stats().requested == before
    assert_sound(heap)
    heap.free_many(blocks)
    assert_sound(heap)


@every_ground
def test_freeing_nothing_does_nothing(configuration: Configuration) -> None:
    heap = configuration.prepared().heap
    before = state(heap)
    heap.free(None)
    heap.free(0)
    heap.free_many([None, 0, None])
    assert state(heap) == before
