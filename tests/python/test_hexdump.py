"""A hexdump shows each byte of a block once, with its kind, and refuses any other address."""

from __future__ import annotations

import io
import itertools
import random
import re
import struct
from typing import Any

import pytest

import glassheap
from fault_fixture import KINDS, Kind
from heap_probes import SINGLE_LIST_POLICIES
from rendering_helpers import SEEDS, churn, dump_lines, letters, number

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
@pytest.mark.parametrize("kind", [*KINDS, Kind("first_fit", headers=True, base=0x4000)], ids=str)
def test_a_dump_shows_the_bytes_of_the_region(seed: int, kind: Kind) -> None:
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
        heap.malloc(1)
        address = heap.malloc(100)
        with heap.region as region:
            header = struct.unpack_from("=QIHH", region, address - heap.base - 16)
        fields = re.findall(
            r"^H .*  (\w+) +(\S+)$", "\n".join(dump_lines(heap, address)), re.MULTILINE
        )
        assert [name for name, _ in fields] == ["size", "magic", "serial", "seal"]
        assert tuple(int(value, 0) for _, value in fields) == header
        assert header[:2] == (100, 0x1234ABCD)
        assert "100 bytes requested" in dump_lines(heap, address)[0]


def test_the_dumped_links_of_a_node_lead_to_its_neighbours_in_the_list() -> None:
    with glassheap.Heap(base=0) as heap:
        addresses = heap.malloc_many([48] * 5)
        heap.free_many([addresses[1], addresses[3]])
        first, second, third = (block.address for block in heap.free_list())
        text = "\n".join(dump_lines(heap, second))
        assert "size    48" in text
        assert f"next    granule {third // 16}, at {third:#06x}" in text
        assert f"prev    granule {first // 16}, at {first:#06x}" in text
        assert "next    none" in "\n".join(dump_lines(heap, third))


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_the_dumped_links_lead_to_free_blocks_in_every_policy(kind: Kind) -> None:
    """They lead to the neighbours in the one list, or in the bin."""
    with kind.heap(8192) as heap:
        heap.free_many(heap.malloc_many([16, 40, 16, 90, 200, 16, 16, 300, 40, 90] * 2)[::2])
        listed = [block.address for block in heap.free_list()]
        text = {address: "\n".join(dump_lines(heap, address)) for address in listed}
        links = 0
        for address, after in itertools.pairwise(listed):
            forward = f"at {after:#06x}" in line_of_field(text[address], "next")
            backward = f"at {address:#06x}" in line_of_field(text[after], "prev")
            assert forward == backward
            links += forward
            assert forward or "none" in line_of_field(text[address], "next")
        one_list = kind.policy in SINGLE_LIST_POLICIES
        assert links == len(listed) - 1 if one_list else 0 < links < len(listed) - 1
        for dump in text.values():
            assert ("neighbours in the free list" in dump) == one_list


def line_of_field(text: str, field: str) -> str:
    """The line of this field of the node."""
    return next(line for line in text.splitlines() if f"  {field}  " in line)


def test_without_headers_a_dump_has_no_header_and_links_count_from_the_first_block() -> None:
    with glassheap.Heap(base=0, headers=False) as heap:
        first, second, _, third, _ = heap.malloc_many([100, 16, 16, 32, 16])
        heap.free_many([second, third])
        lines = dump_lines(heap, first)
        assert lines[0] == "live block at 0x0010: 112 taken, without a header"
        assert {line[0] for line in lines[1:-1]} == {"P"}
        text = "\n".join(dump_lines(heap, second))
        assert f"next    granule {third // 16 - 1}, at {third:#06x}" in text
        assert "header" not in text


def test_a_block_is_dumped_by_its_start_or_by_its_payload() -> None:
    with glassheap.Heap() as heap:
        heap.free(heap.malloc_many([32, 32])[0])
        for info in heap.walk():
            assert dump_lines(heap, info.start) == dump_lines(heap, info.address)


def test_the_address_of_an_empty_payload_dumps_the_empty_block() -> None:
    """malloc returned that address; the start of the next block is not a returned address."""
    with glassheap.Heap() as heap:
        empty = heap.malloc(0)
        heap.malloc(8)
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
