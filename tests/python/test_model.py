"""Every sequence of valid and invalid calls has the same effect on the heap as on its oracle.

The oracle is `reference_heap.ReferenceHeap`. After every call the walk, the free list, the links in
the nodes, the counters and the content of each live block are compared with it. A refused call must
leave every byte unchanged.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

import glassheap
from heap_probes import assert_sound, fingerprint, peek, refused
from reference_heap import ReferenceHeap, Span

if TYPE_CHECKING:
    from collections.abc import Callable

pick = st.integers(0, 40)
small = st.integers(0, 130)
sizes = st.one_of(
    small,
    small,
    st.sampled_from([0, 1, 15, 16, 17, 1000, 4080, 4081, 2**63 - 1, 2**64 - 16, 2**64, 2**200, -1]),
)
aligns = st.sampled_from([16, 16, 16, 1, 8, 32, 64, 128, 256, 1024, 2048, 0, 3, 24, 2**64, -16])
bases = st.sampled_from([None, 0, 16, 4096, 1 << 40])


def stamp(number: int, size: int) -> bytes:
    """Bytes that differ from those of other blocks; none of them is zero."""
    return bytes((number * 37 + i * 11) % 255 + 1 for i in range(size))


def outcome(call: Callable[..., Any], *args: Any, **named: Any) -> Any:
    """The result of the call, or the class of its exception."""
    try:
        return call(*args, **named)
    except glassheap.HeapError as error:
        return type(error)


class HeapMachine(RuleBasedStateMachine):
    """A heap, its oracle, and the bytes written to each block."""

    heap: glassheap.Heap
    model: ReferenceHeap

    @initialize(size=st.sampled_from([16, 100, 512, 512, 4096]), base=bases, zero=st.booleans())
    def open(self, size: int, base: int | None, zero: bool) -> None:
        self.heap = glassheap.Heap(size, base=base, zero_on_free=zero)
        self.model = ReferenceHeap(size, self.heap.base)
        self.zero = zero
        self.stamps = 0
        self.contents: dict[int, bytes] = {}
        self.written = bytearray(self.heap.size)  # the last byte written at each place
        self.handles: list[tuple[glassheap.Block, Span]] = []

    # --- The same call on both. ---

    def both(self, method: str, *args: Any, **named: Any) -> Any:
        before = fingerprint(self.heap)
        expected = outcome(getattr(self.model, method), *args, **named)
        found = outcome(getattr(self.heap, method), *args, **named)
        if method == "malloc_many" and not isinstance(found, type):
            found = list(found)
        assert found == expected
        if isinstance(found, type):
            assert fingerprint(self.heap) == before
        return found

    def adopt(self, address: int, size: int, kept: bytes = b"", align: int = 16) -> None:
        """Check a new block, which must start with `kept`, and fill it."""
        place = address - self.heap.base
        assert address % align == (self.heap.address + place) % align == 0
        found = peek(self.heap, place, size)
        assert found.startswith(kept[:size])
        self.assert_no_bytes_of_the_heap(found[len(kept) :], place + len(kept))
        self.fill(address, size)

    def assert_no_bytes_of_the_heap(self, found: bytes, place: int) -> None:
        """Assert that a new payload has zeros or old contents there, and no link or seal."""
        for i, byte in enumerate(found, place):
            assert byte in (0, self.written[i])

    def fill(self, address: int, size: int) -> None:
        self.stamps += 1
        content = self.contents[address] = stamp(self.stamps, size)
        place = address - self.heap.base
        self.written[place : place + size] = content
        with self.heap.view(address) as view:
            view[:] = content

    def some_live(self, number: int) -> int:
        return sorted(self.contents)[number % len(self.contents)]

    def has_live(self) -> bool:
        return bool(self.contents)

    # --- Single calls. ---

    @rule(size=sizes, align=aligns)
    def malloc(self, size: int, align: int) -> None:
        address = self.both("malloc", size, align=align)
        if isinstance(address, int):
            self.adopt(address, size, align=align)

    @rule(count=st.one_of(st.integers(-1, 9), st.just(2**60)), size=sizes)
    def calloc(self, count: int, size: int) -> None:
        address = self.both("calloc", count, size)
        if isinstance(address, int):
            assert not any(self.heap.view(address))
            self.adopt(address, count * size)

    @precondition(has_live)
    @rule(number=pick)
    def free(self, number: int) -> None:
        address = self.some_live(number)
        assert self.both("free", address) is None
        del self.contents[address]

    @precondition(has_live)
    @rule(number=pick, size=sizes, align=aligns)
    def realloc(self, number: int, size: int, align: int) -> None:
        address = self.some_live(number)
        now = self.both("realloc", address, size, align=align)
        if isinstance(now, int):
            self.adopt(now, size, self.contents.pop(address)[:size], align)

    @rule(size=sizes, align=aligns, null=st.sampled_from([None, 0]))
    def realloc_of_null(self, size: int, align: int, null: int | None) -> None:
        address = self.both("realloc", null, size, align=align)
        if isinstance(address, int):
            self.adopt(address, size, align=align)

    @rule(place=st.integers(-64, 4200))
    def use_any_address(self, place: int) -> None:
        address = self.heap.base + place
        if address == 0 or address in self.contents:
            return
        assert address not in self.heap
        if self.model.is_end_of_free_block(address):  # perhaps of a freed empty block
            with refused(self.heap, glassheap.InvalidPointer):
                self.heap.free(address)
        else:
            assert issubclass(self.both("free", address), glassheap.InvalidPointer)
            assert issubclass(self.both("realloc", address, 8), glassheap.InvalidPointer)

    @rule()
    def reset(self) -> None:
        self.both("reset")
        self.contents.clear()

    # --- Batches. ---

    @rule(sizes=st.lists(sizes, max_size=6))
    def malloc_many(self, sizes: list[int]) -> None:
        addresses = self.both("malloc_many", sizes)
        if isinstance(addresses, list):
            for address, size in zip(addresses, sizes, strict=True):
                self.adopt(address, size)

    @rule(numbers=st.lists(pick, max_size=6), bad=st.sampled_from([None, 0, 0, 8, -16, 1 << 45]))
    def free_many(self, numbers: list[int], bad: int | None) -> None:
        """A repeated number is a double free; `bad` is a fault, or ignored if it is None or 0."""
        addresses: list[int | None] = [self.some_live(i) for i in numbers if self.contents]
        if len(set(addresses)) == len(addresses):
            addresses.append(self.heap.base + bad if bad else bad)
        if self.both("free_many", addresses) is None:
            for address in filter(None, addresses):
                del self.contents[address]

    # --- Handles and views. ---

    @rule(size=sizes)
    def alloc(self, size: int) -> None:
        address = outcome(self.model.malloc, size)
        block = outcome(self.heap.alloc, size)
        if isinstance(block, type):
            assert block == address
            return
        assert (block.address, block.size, len(memoryview(block))) == (address, size, size)
        self.adopt(address, size)
        self.handles.append((block, self.model.find_live(address)))

    @precondition(lambda self: self.handles)
    @rule(number=pick, explicitly=st.booleans())
    def drop_handle(self, number: int, explicitly: bool) -> None:
        """Drop a handle: it frees its block, or nothing if it is stale."""
        block, span = self.handles.pop(number % len(self.handles))
        current = any(span is other for other in self.model.live())
        assert block.live == current
        if explicitly:
            assert outcome(block.free) == (None if current else glassheap.StaleHandle)
        if current:
            self.model.free(block.address)
            del self.contents[block.address]
        del block

    @precondition(has_live)
    @rule(number=pick, size=sizes)
    def make_calls_that_a_view_forbids(self, number: int, size: int) -> None:
        address = self.some_live(number)
        before = fingerprint(self.heap)
        with self.heap.view(address):
            for call in (
                lambda: self.heap.free(address),
                lambda: self.heap.realloc(address, max(size, 0)),
                lambda: self.heap.free_many([address]),
                self.heap.reset,
                self.heap.close,
            ):
                with pytest.raises(BufferError):
                    call()
        assert fingerprint(self.heap) == before

    # --- After each step. ---

    @invariant()
    def heap_and_oracle_agree(self) -> None:
        assert_sound(self.heap)
        assert self.heap.walk() == self.model.walk()
        assert self.heap.free_list() == self.model.free_list()
        expected = {**self.model.stats(), "recovered": 0}
        assert dataclasses.asdict(self.heap.stats()) == pytest.approx(expected)

    @invariant()
    def zero_on_free_clears_the_free_blocks(self) -> None:
        for span in self.model.spans if self.zero else ():
            if not span.live:
                self.written[span.start : span.end] = bytes(span.extent)

    @invariant()
    def every_block_has_its_own_content(self) -> None:
        assert [*self.heap] == sorted(self.contents)
        for address, content in self.contents.items():
            assert peek(self.heap, address - self.heap.base, len(content)) == content


TestHeapMachine = HeapMachine.TestCase
