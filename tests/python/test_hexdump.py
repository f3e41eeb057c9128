"""A hexdump shows each byte of a block once, with its kind, and refuses any other address."""

from __future__ import annotations

import io
import random
import re
import struct
from typing import Any

import pytest

import glassheap
from fault_fixture import KINDS, Configuration
from heap_probes import NIL, RECORD_POLICIES, SINGLE_LIST_POLICIES, node_at
from rendering_helpers import SEEDS, churn, dump_lines, each_kind, letters, number

pytestmark = pytest.mark.any_interpreter

FROM_0 = Configuration("pages, from 0", "first_fit", headers=True)
ROW = re.compile(r"([HPRNF]) (0x[0-9a-f]+)  ( *)((?:[0-9a-f]{2} )*[0-9a-f]{2})(?: |$)")


def bytes_by_address(lines: list[str]) -> dict[int, tuple[str, int]]:
    """The letter of the row and the byte that the dump shows for each address."""
    dumped: dict[int, tuple[str, int]] = {}
    for match in filter(None, map(ROW.match, lines)):
        letter, start, indent, digits = match.groups()
        address = int(start, 16)
        assert len(indent) == 3 * (address % 16), "a byte is in the column of its address"
        for offset, byte in enumerate(bytes.fromhex(digits)):
            assert address + offset not in dumped, "no byte is shown twice"
            dumped[address + offset] = (letter, byte)
    return dumped


@pytest.mark.parametrize("seed", SEEDS[:4])
@pytest.mark.parametrize("kind", [*KINDS, FROM_0], ids=str)
def test_a_dump_shows_the_bytes_of_the_region(seed: int, kind: Configuration) -> None:
    with kind.heap(4096) as heap:
        rng = random.Random(seed)
        for address in churn(heap, seed):
            with heap.view(address) as view:
                view[:] = rng.randbytes(len(view))
        with heap.region as region:
            data = bytes(region)
        kinds = letters(heap).upper()
        payloads = {info.address for info in heap.walk() if info.live}
        for info in heap.walk():
            hidden = info.live or info.start in payloads  # an empty payload has the same address
            if hidden and not info.live and info.extent == 16 and heap.headers:
                continue  # a free block of size 0 here has no address of its own
            dumped = bytes_by_address(dump_lines(heap, info.address if hidden else info.start))
            places = range(info.start, info.start + info.extent)
            assert set(dumped) <= set(places)
            for at, (letter, byte) in dumped.items():
                assert (letter, byte) == (kinds[at - heap.base], data[at - heap.base])
            assert len(dumped) == info.extent or info.extent > 10 * 16, "short ones are complete"


def test_a_long_dump_states_the_number_of_bytes_left_out() -> None:
    with glassheap.Heap(1 << 16, base=0) as heap:
        lines = dump_lines(heap, heap.malloc(10_000))
        left_out = number(r"P \.\.\. +([\d,]+) bytes", "\n".join(lines))
        assert len(bytes_by_address(lines)) + left_out == 16 + 10_000
        assert len(lines) < 25


def test_the_dumped_header_fields_are_those_in_the_region() -> None:
    with glassheap.Heap(magic=0x1234ABCD) as heap:
        address = heap.malloc_many([1, 100])[1]
        with heap.region as region:
            header = struct.unpack_from("=QIHH", region, address - heap.base - 16)
        lines = dump_lines(heap, address)
        fields = re.findall(r"^H .*  (\w+) +(\S+)$", "\n".join(lines), re.MULTILINE)
        assert [name for name, _ in fields] == ["size", "magic", "serial", "seal"]
        assert tuple(int(value, 0) for _, value in fields) == header
        assert header[:2] == (100, 0x1234ABCD)
        assert "100 bytes requested" in lines[0]


def record(heap: glassheap.Heap, address: int) -> int | None:
    """The dumped number of the record of a free block."""
    (value,) = re.findall(r"  record  (none|\d+)", "\n".join(dump_lines(heap, address)))
    number = None if value == "none" else int(value)
    assert node_at(heap, address - heap.base).record == (NIL if number is None else number)
    return number


def link(heap: glassheap.Heap, text: str) -> int | None:
    """The address of a dumped link; its granule counts from the first block."""
    (value,) = re.findall(r"  next    (.*)", text)
    if value == "none":
        return None
    granule, address = re.findall(r"granule ([\d,]+), at (0x[0-9a-f]+)", value)[0]
    place = heap.walk()[0].start + int(granule.replace(",", "")) * 16
    assert place == int(address, 16)
    return place


@each_kind
def test_the_dumped_links_lead_to_free_blocks_in_every_policy(kind: Configuration) -> None:
    """They lead to the next block of the one list, or of the bin."""
    with kind.heap(8192) as heap:
        heap.free_many(heap.malloc_many([16, 40, 16, 90, 200, 16, 16, 300, 40, 90] * 2)[::2])
        dumps = {
            free.address: "\n".join(dump_lines(heap, free.address)) for free in heap.free_list()
        }
        links = [link(heap, text) for text in dumps.values()]
        for after, following in zip(links, [*list(dumps)[1:], None], strict=True):
            assert after in (following, None)
        one_list = kind.policy in SINGLE_LIST_POLICIES
        assert links.count(None) == 1 if one_list else 1 < links.count(None) < len(links)
        for free in heap.free_list():
            assert f"size    {free.size:,}" in dumps[free.address]
            assert ("next leads along the free list" in dumps[free.address]) == one_list


@each_kind
def test_the_dumped_record_is_the_number_in_the_node(kind: Configuration) -> None:
    """The record that was given back last is used first."""
    with kind.heap(8192) as heap:
        first, _, second, _ = heap.malloc_many([40, 16, 90, 16])
        heap.free(first)
        heap.free(second)
        numbers = [record(heap, free.address) for free in sorted(heap.free_list())]
        has_records = kind.policy in RECORD_POLICIES
        assert (numbers[0] is not None) == has_records
        heap.free(heap.malloc(90))
        assert [record(heap, free.address) for free in sorted(heap.free_list())] == numbers


def test_without_headers_a_dump_has_no_header() -> None:
    with glassheap.Heap(base=0, headers=False) as heap:
        first, second, _ = heap.malloc_many([100, 16, 16])
        heap.free(second)
        lines = dump_lines(heap, first)
        assert lines[0] == "live block at 0x0010: 112 taken, without a header"
        assert {line[0] for line in lines[1:-1]} == {"P"}
        assert "header" not in "\n".join(dump_lines(heap, second))


def test_a_block_is_dumped_by_its_start_or_by_its_payload() -> None:
    """The address of an empty payload, which malloc returned, is also the start of the next block.

    The dump is that of the empty block.
    """
    with glassheap.Heap() as heap:
        heap.free(heap.malloc_many([32, 32])[0])
        for info in heap.walk():
            assert dump_lines(heap, info.start) == dump_lines(heap, info.address)
        empty, _ = heap.malloc_many([0, 8])
        assert "0 bytes requested" in dump_lines(heap, empty)[0]


@pytest.mark.parametrize(
    ("offset", "error"),
    [
        (-16, glassheap.ForeignPointer),
        (4096, glassheap.ForeignPointer),
        (1 << 70, glassheap.ForeignPointer),
        (17, glassheap.MisalignedPointer),
        (32, glassheap.InteriorPointer),
        (4080, glassheap.InteriorPointer),
    ],
)
def test_a_dump_of_any_other_address_is_refused(
    offset: int, error: type[glassheap.InvalidPointer]
) -> None:
    with glassheap.Heap(base=0x1000) as heap:
        heap.malloc(100)
        out = io.StringIO()
        with pytest.raises(error) as caught:
            heap.hexdump(heap.base + offset, file=out)
        assert type(caught.value) is error
        assert caught.value.address == heap.base + offset
        assert hex(heap.base + offset) in str(caught.value)
        assert out.getvalue() == ""


@pytest.mark.parametrize("address", [1.5, "16", None])
def test_the_address_of_a_dump_must_be_a_whole_number(address: Any) -> None:
    with glassheap.Heap() as heap, pytest.raises(TypeError):
        heap.hexdump(address)
