"""Heap as a Python object: construction, the documented layout and figures, queries."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest

import glassheap
from heap_probes import NIL, Node, assert_sound, header_at, overwrite, peek, refused, region_bytes

# --- Construction. --------------------------------------------------------------------------------


def test_the_default_heap_is_one_page_with_first_fit() -> None:
    heap = glassheap.Heap()
    assert (heap.size, heap.policy, heap.magic) == (4096, "first_fit", 0xDEADBEEF)
    assert heap.base == heap.address
    assert glassheap.Heap(17).size == 32
    assert not heap.closed
    assert_sound(heap)


@pytest.mark.parametrize("base", [0, 16, 4096, 1 << 20, 1 << 47, 2**64 - 2**37])
def test_any_multiple_of_16_is_a_valid_base(base: int) -> None:
    heap = glassheap.Heap(1 << 16, base=base)
    assert heap.base == base
    address = heap.malloc(100, align=1 << 14)
    assert address % (1 << 14) == (heap.address + address - base) % (1 << 14) == 0
    heap.free(address)
    assert_sound(heap)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"size": 15}, glassheap.InvalidSize, "from 16 to 68719476720 bytes, not 15."),
        ({"size": 0}, glassheap.InvalidSize, "not 0."),
        ({"size": 2**36}, glassheap.InvalidSize, "not 68719476736."),
        ({"size": 2**200}, glassheap.InvalidSize, "has from 16"),
        ({"size": -1}, glassheap.InvalidSize, "-1 is negative"),
        ({"size": 4096.0}, TypeError, "size must be a whole number, not float."),
        ({"size": "4096"}, TypeError, "size must be a whole number, not str."),
        ({"size": None}, TypeError, "size must be a whole number, not NoneType."),
        ({"magic": 2**32}, ValueError, "magic has 32 bits"),
        ({"magic": 2**70}, ValueError, "magic has 32 bits"),
        ({"magic": -1}, ValueError, "-1 is negative"),
        ({"magic": "DEADBEEF"}, TypeError, "magic must be a whole number"),
        ({"base": 8}, glassheap.InvalidAlignment, "base must be a multiple of 16"),
        ({"base": 2**64 - 16}, glassheap.InvalidAlignment, "with room for a region above it"),
        ({"base": 2**200}, glassheap.InvalidAlignment, "base must be"),
        ({"base": -16}, ValueError, "-16 is negative"),
        ({"base": 0.0}, TypeError, "base must be a whole number"),
    ],
    ids=str,
)
def test_bad_options_are_refused(
    options: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=re.escape(text)):
        glassheap.Heap(**options)


def open_largest() -> glassheap.Heap | glassheap.OutOfMemory:
    try:
        return glassheap.Heap(2**36 - 16)
    except glassheap.OutOfMemory as error:
        return error


def test_the_largest_region_is_opened_or_raises_out_of_memory() -> None:
    opened = open_largest()
    if isinstance(opened, glassheap.OutOfMemory):
        assert opened.requested == 2**36 - 16
        assert "does not give 68719476720 bytes" in str(opened)
    else:
        assert opened.size == 2**36 - 16
        opened.close()


@pytest.mark.parametrize("magic", [0, 1, 0xCAFEF00D, 0xFFFFFFFF])
def test_the_magic_number_is_configurable(magic: int) -> None:
    heap = glassheap.Heap(magic=magic)
    assert heap.magic == magic
    heap.free(heap.malloc(8))
    address = heap.malloc(40)
    assert header_at(heap, 0).magic == magic
    assert_sound(heap)
    overwrite(heap, 8, b"XXXX")
    with refused(heap, glassheap.BadMagic, f"instead of 0x{magic:X}:") as caught:
        heap.free(address)
    assert getattr(caught.value, "expected", None) == magic


# --- The documented layout. -----------------------------------------------------------------------


def printed(heap: glassheap.Heap) -> str:
    out = io.StringIO()
    heap.print_free_list(file=out)
    return out.getvalue()


def test_a_fresh_page_is_one_free_block_of_4080_bytes(based_heap: glassheap.Heap) -> None:
    assert based_heap.free_list() == [glassheap.FreeBlock(based_heap.base, 4080)]
    assert based_heap.available_memory() == based_heap.largest_free() == 4080
    assert region_bytes(based_heap) == Node(4080, NIL, NIL).pack() + bytes(4080)
    assert_sound(based_heap)


def test_malloc_100_leaves_3952(based_heap: glassheap.Heap) -> None:
    """The header: size u64, magic u32 eight bytes before the payload, serial u16, seal u16."""
    address = based_heap.malloc(100)
    assert address == based_heap.base + 16
    assert printed(based_heap) == "Free(3952)\n"
    assert based_heap.walk() == [
        (based_heap.base, address, 100, 128, True, 1),
        (based_heap.base + 128, based_heap.base + 144, 3952, 3968, False, 0),
    ]
    assert int.from_bytes(peek(based_heap, 8, 4), "little") == 0xDEADBEEF
    assert header_at(based_heap, 0)[:3] == (100, 0xDEADBEEF, 1)
    assert based_heap.usable_size(address) == 112


def test_the_free_list_is_printed_in_address_order(heap: glassheap.Heap) -> None:
    addresses = heap.malloc_many([112, 8, 40, 8])
    assert printed(heap) == "Free(3824)\n"
    heap.free(addresses[2])
    assert printed(heap) == "Free(48)->Free(3824)\n"
    heap.free(addresses[0])
    assert printed(heap) == "Free(112)->Free(48)->Free(3824)\n"
    heap.malloc(heap.largest_free())
    assert printed(heap) == "Free(112)->Free(48)\n"
    heap.malloc_many([112, 48])
    assert printed(heap) == "(none)\n"


def test_the_free_list_of_any_policy_is_printed_in_its_own_order(any_heap: glassheap.Heap) -> None:
    any_heap.free_many(any_heap.malloc_many([40, 16, 90, 16, 200, 16, 40, 16])[::2])
    sizes = [f"Free({size})" for _, size in any_heap.free_list()]
    assert printed(any_heap) == "->".join(sizes) + "\n"


def test_blocks_of_size_0_are_distinct_and_freeing_nothing_does_nothing(
    heap: glassheap.Heap,
) -> None:
    addresses = [heap.malloc(0) for _ in range(256)]
    assert len(set(addresses)) == len(heap) == 256
    assert heap.free_list() == []
    assert heap.stats().requested == len(heap.view(addresses[7])) == 0
    heap.free(None)
    heap.free(0)
    assert heap.stats().frees == 0
    heap.free_many(addresses)
    assert_sound(heap)


# --- Queries. -------------------------------------------------------------------------------------


def test_length_iteration_and_containment_count_live_blocks(heap: glassheap.Heap) -> None:
    assert len(heap) == 0
    assert bool(heap)
    addresses = [*heap.malloc_many([10, 20, 0, 30])]
    heap.free(addresses.pop(1))
    assert len(heap) == 3
    assert [*heap] == addresses
    assert all(address in heap for address in addresses)
    assert not any(address + offset in heap for address in addresses for offset in (-8, 1, 8))
    for nothing in (None, "x", 1.5, 0, -1, 2**64, 2**200, heap):
        assert nothing not in heap


def test_blocks_can_be_freed_during_iteration(any_heap: glassheap.Heap) -> None:
    any_heap.malloc_many([1] * 20)
    assert [*any_heap] == [*any_heap]
    for address in any_heap:
        any_heap.free(address)
    assert len(any_heap) == 0


def test_repr_has_size_base_policy_and_counts(heap: glassheap.Heap) -> None:
    heap.malloc(100)
    text = repr(heap)
    place = f"<Heap of 4096 bytes at {heap.base:#x}, first_fit: "
    assert text == place + "1 live, 1 free, 3952 bytes available>"
    heap.close()
    assert repr(heap) == "<Heap of 4096 bytes, first_fit, closed>"


def test_walk_and_free_list_return_named_tuples(heap: glassheap.Heap) -> None:
    heap.malloc(100)
    live, free = heap.walk()
    assert isinstance(live, glassheap.BlockInfo)
    assert live._fields == ("start", "address", "size", "extent", "live", "serial")
    assert live.live is True
    assert free.live is False
    (node,) = heap.free_list()
    assert isinstance(node, glassheap.FreeBlock)
    assert repr(node) == f"FreeBlock(address={heap.base + 128:#x}, size=3952)"
    assert repr(live) == (
        f"BlockInfo(start={heap.base:#x}, address={heap.base + 16:#x}, size=100, extent=128, "
        "live=True, serial=1)"
    )
    owned = glassheap.OwnedBlock(32, 8, 7, alive=True, holders=0)
    assert repr(owned) == "OwnedBlock(address=0x20, size=8, pid=7, alive=True, holders=0)"
    assert eval(repr(node), vars(glassheap)) == node == tuple(node)


def test_the_statistics_have_the_documented_values(heap: glassheap.Heap) -> None:
    first, second, third = heap.malloc_many([100, 200, 300])
    heap.free(second)
    heap.realloc(first, 50)
    with pytest.raises(glassheap.OutOfMemory):
        heap.malloc(5000)
    stats = heap.stats()
    assert stats == glassheap.HeapStats(
        size=4096,
        live_blocks=2,
        free_blocks=2,
        requested=350,
        used=third + 304 - heap.base,
        available=256 + 3408,
        largest_free=3408,
        overhead=32 + 14 + 4,
        peak_requested=600,
        peak_used=672,
        mallocs=3,
        frees=1,
        reallocs=1,
        failures=1,
        recovered=0,
        external_fragmentation=1 - 3408 / 3664,
    )
    assert stats.peak_utilisation == 600 / 672


def test_the_statistics_are_read_only(heap: glassheap.Heap) -> None:
    with pytest.raises(AttributeError):
        heap.stats().used = 3  # type: ignore[misc]


def test_print_free_list_prints_to_standard_output_by_default(
    heap: glassheap.Heap, capsys: pytest.CaptureFixture[str]
) -> None:
    assert heap.print_free_list() is None  # type: ignore[func-returns-value]
    heap.print_free_list(file=None)
    assert capsys.readouterr().out == "Free(4080)\nFree(4080)\n"


def test_an_error_of_the_output_file_is_propagated(any_heap: glassheap.Heap) -> None:
    closed = io.StringIO()
    closed.close()
    with pytest.raises(ValueError, match="closed file"):
        any_heap.print_free_list(file=closed)


@pytest.mark.parametrize(("count", "size"), [(0, 0), (0, 2**200), (2**64, 0), (1, 5), (5, 1)])
def test_calloc_allocates_the_product(heap: glassheap.Heap, count: int, size: int) -> None:
    assert len(heap.view(heap.calloc(count, size))) == count * size
