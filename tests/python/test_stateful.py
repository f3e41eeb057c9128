"""Random valid and invalid calls on every policy, layout, level of checks and kind of region.

Each call must return or raise what the oracle says, and a refused call must change nothing. After
each step the heap must be sound, show exactly the oracle's blocks and figures, and keep the
contents of every block.
"""

from __future__ import annotations

import gc
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import glassheap
from fault_fixture import ADDRESS_CALLS, CONFIGURATIONS, DEBUG_CONFIGURATIONS, Configuration
from heap_probes import FILLS, assert_sound, extent_for, overwrite, peek
from lockstep import Lockstep, lockstep_on
from oracle import Refusal, assert_refused

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.any_interpreter

BOUNDED = settings(
    max_examples=7,
    stateful_step_count=40,
    phases=[Phase.generate, Phase.shrink],
    report_multiple_bugs=False,
)

sizes = st.one_of(
    st.integers(0, 80),
    st.integers(0, 400),
    st.sampled_from([0, 1, 15, 16, 17, 2048, 2**63 - 1, 2**64 - 16, 2**64, 2**200, -1]),
)
aligns = st.sampled_from([16] * 6 + [1, 8, 32, 64, 256, 512] * 2 + [1024, 0, 3, 24, 2**64, -16])
numbers = st.integers(0, 1000)
"""A number that selects a block, modulo the number of blocks."""


class Handle(NamedTuple):
    """A Block, and what it was when it was allocated."""

    block: glassheap.Block
    address: int
    serial: int
    resets: int


class Machine(RuleBasedStateMachine):
    """A heap with its oracle, the content of each block, and handles and views of some blocks."""

    configuration: Configuration
    lockstep: Lockstep

    @initialize(size=st.sampled_from([64, 512, 2048, 2048]), zero=st.booleans())
    def open(self, size: int, zero: bool) -> None:
        self.lockstep = lockstep_on(self.configuration, size, zero_on_free=zero)
        self.heap, self.oracle = self.lockstep.heap, self.lockstep.oracle
        self.fresh = self.heap.walk()
        self.zero = zero
        self.contents: dict[int, bytes] = {}
        self.written = bytearray(self.heap.size)  # the last byte written at each place
        self.handles: list[Handle] = []
        self.views: dict[int, memoryview] = {}
        self.stamps = self.resets = 0

    # --- Contents. ---

    def adopt(self, address: int, size: int, align: int = 1, old: int | None = None) -> None:
        """Check a new block, or one that was reallocated from `old`, and fill it as none has been.

        Beyond its content it has zeros, or what was written there or at its old place: none of the
        heap's own bytes.
        """
        place = address - self.heap.base
        assert address % align == (self.heap.address + place) % align == 0
        found = peek(self.heap, place, size)
        kept = b"" if old is None else self.contents.pop(old)[:size]
        assert found.startswith(kept)
        origin = place if old is None else old - self.heap.base
        for i in range(len(kept), size):
            assert found[i] in {*FILLS, self.written[place + i], *self.written[origin + i :][:1]}
        self.stamps += 1
        content = bytes((self.stamps * 37 + i * 11) % 255 + 1 for i in range(size))
        overwrite(self.heap, place, content)
        self.written[place : place + size] = self.contents[address] = content

    # --- Calls that allocate. ---

    def fits(self, size: int) -> bool:
        """True if a free block can hold so many bytes; in quick fit, also several that touch."""
        need, together = extent_for(self.heap, size), 0
        for block in self.heap.walk():
            joins = self.heap.policy == "quick_fit" and not block.live
            together = together + block.extent if joins else block.extent
            if not block.live and together >= need:
                return True
            together = together if joins else 0
        return False

    def handed_out(self, size: int, align: int) -> int:
        block = self.heap.alloc(size, align=align)
        assert block.size == size <= len(memoryview(block))
        self.handles.append(Handle(block, block.address, block.serial, self.resets))
        return block.address

    @rule(
        call=st.sampled_from(["malloc", "alloc", "None", "0"]),
        size=sizes,
        align=aligns,
        largest=st.sampled_from([None] * 6 + [0, 1]),
    )
    def allocate(self, call: str, size: int, align: int, largest: int | None) -> None:
        """Allocate `size` bytes, or so many more than the largest free block has."""
        size = size if largest is None else self.heap.largest_free() + largest
        ways: dict[str, Callable[[], int]] = {
            "malloc": lambda: self.heap.malloc(size, align=align),
            "alloc": lambda: self.handed_out(size, align),
            "None": lambda: self.heap.realloc(None, size, align=align),
            "0": lambda: self.heap.realloc(0, size, align=align),
        }
        fits = size >= 0 and self.fits(size)
        answer = self.lockstep.both("malloc", size, align=align, call=ways[call])
        if isinstance(answer, int):
            assert fits
            self.adopt(answer, size, align)
        elif answer.error is glassheap.OutOfMemory:
            assert align > 16 or not fits

    @rule(count=st.one_of(st.integers(-1, 9), st.just(2**60)), size=sizes)
    def calloc(self, count: int, size: int) -> None:
        answer = self.lockstep.both("calloc", count, size)
        if isinstance(answer, int):
            assert not any(peek(self.heap, answer - self.heap.base, count * size))
            self.adopt(answer, count * size)

    @rule(sizes=st.one_of(st.lists(st.integers(0, 200), max_size=6), st.lists(sizes, max_size=4)))
    def malloc_many(self, sizes: list[int]) -> None:
        answer = self.lockstep.both("malloc_many", sizes)
        if isinstance(answer, list):
            for address, size in zip(answer, sizes, strict=True):
                self.adopt(address, size)

    @precondition(lambda self: self.contents)
    @rule(number=numbers, size=sizes, align=aligns)
    def realloc(self, number: int, size: int, align: int) -> None:
        address = self.lockstep.pick(number)
        answer = self.lockstep.both("realloc", address, size, align=align)
        if isinstance(answer, int):
            self.adopt(answer, size, align, old=address)

    # --- Calls that free. ---

    @precondition(lambda self: self.contents)
    @rule(number=numbers)
    def free(self, number: int) -> None:
        address = self.lockstep.pick(number)
        if self.lockstep.both("free", address) is None:
            del self.contents[address]

    @rule(chosen=st.lists(numbers, max_size=5), bad=st.sampled_from([None, 0, 0, 8, -16, 1 << 45]))
    def free_many(self, chosen: list[int], bad: int | None) -> None:
        """A repeated block is a double free; `bad` is a fault, unless it is None or 0."""
        addresses: list[int | None] = [self.lockstep.pick(i) for i in chosen if self.contents]
        if len(set(addresses)) == len(addresses):
            addresses.append(self.heap.base + bad if bad else bad)
        if self.lockstep.both("free_many", addresses) is None:
            for address in filter(None, addresses):
                del self.contents[address]

    @rule(wanted=st.sampled_from([False] * 4 + [True]))
    def reset(self, wanted: bool) -> None:
        """Reset seldom, so that the heap can become complex in between."""
        if (wanted or self.views) and self.lockstep.both("reset") is None:
            self.resets += 1
            self.contents.clear()

    # --- Views and handles. ---

    @precondition(lambda self: self.contents)
    @rule(number=numbers)
    def pin(self, number: int) -> None:
        address = self.lockstep.pick(number)
        self.views[address] = self.heap.view(address)
        self.oracle.pinned.add(address)

    @precondition(lambda self: self.views)
    @rule()
    def unpin(self) -> None:
        address, _ = self.views.popitem()
        self.oracle.pinned.remove(address)

    def is_current(self, handle: Handle) -> bool:
        """Without headers, a handle is current again when its address is."""
        held = self.oracle.live.get(handle.address)
        same = held is not None and handle.serial in (0, held.serial)
        return same and handle.resets == self.resets

    @precondition(lambda self: self.handles)
    @rule(number=numbers)
    def use_a_handle(self, number: int) -> None:
        handle = self.handles[number % len(self.handles)]
        assert handle.block.live is self.is_current(handle)
        assert repr(handle.block).endswith(", stale>") is not handle.block.live
        if handle.block.live:
            assert len(memoryview(handle.block)) >= len(self.contents[handle.address])
        else:
            stale = Refusal(glassheap.StaleHandle, {"address": handle.address})
            for use in (handle.block.free, lambda: memoryview(handle.block)):
                assert_refused(self.heap, stale, use)

    @precondition(lambda self: self.handles)
    @rule(number=numbers, explicitly=st.booleans())
    def drop_a_handle(self, number: int, explicitly: bool) -> None:
        """A handle that is dropped frees its block, or nothing if it is stale."""
        place = number % len(self.handles)
        address, current = self.handles[place].address, self.is_current(self.handles[place])
        if address in self.views:
            self.lockstep.both("free", address, call=self.handles[place].block.free)
            return
        handle = self.handles.pop(place)
        if current and explicitly:
            handle.block.free()
        del handle
        if current and address in self.heap:  # the traceback of a refused call still has it
            gc.collect()
        if current:
            self.lockstep.both("free", address, call=lambda: None)
            del self.contents[address]

    # --- Addresses at which no block is. ---

    @rule(granule=st.integers(-2, 2048 // 16 + 2), byte=st.sampled_from([0, 0, 0, 1, 8, 15]))
    def use_a_bad_address(self, granule: int, byte: int) -> None:
        address = self.heap.base + granule * 16 + byte
        assert (address in self.heap) == (address in self.contents)
        if address == 0 or address in self.contents:
            return
        refusal = self.oracle.bad_address(address)
        assert refusal is not None
        for call in ADDRESS_CALLS.values():
            assert_refused(self.heap, refusal, partial(call, self.heap, address))

    # --- After each step. ---

    @invariant()
    def the_heap_is_sound(self) -> None:
        self.lockstep.compare()
        assert_sound(self.heap)

    @invariant()
    def every_block_has_its_content(self) -> None:
        assert [*self.heap] == sorted(self.contents)
        for address, content in self.contents.items():
            assert peek(self.heap, address - self.heap.base, len(content)) == content
        for address, view in self.views.items():
            assert view[: len(self.contents[address])] == self.contents[address]

    @invariant()
    def zero_on_free_clears_free_memory(self) -> None:
        for info in self.heap.walk() if self.zero else ():
            if not info.live:
                place = info.start - self.heap.base
                self.written[place : place + info.extent] = bytes(info.extent)

    def teardown(self) -> None:
        """When every block is free again, the heap is as it was."""
        self.views.clear()
        self.oracle.pinned.clear()
        addresses = sorted(self.contents)
        self.lockstep.both("free_many", addresses[::2])
        for address in addresses[1::2]:
            self.lockstep.both("free", address)
        if self.heap.policy == "quick_fit":  # which joins all free blocks for such a request
            self.lockstep.both("free", self.lockstep.both("malloc", self.fresh[0].size))
        assert self.heap.walk() == self.fresh


@pytest.mark.parametrize("configuration", [*CONFIGURATIONS, *DEBUG_CONFIGURATIONS], ids=str)
def test_the_heap_agrees_with_the_oracle_under_random_calls(configuration: Configuration) -> None:
    """Hypothesis draws by the class name: a class for each configuration gives different runs."""
    machine = type(f"Machine on {configuration}", (Machine,), {"configuration": configuration})
    run_state_machine_as_test(machine, settings=BOUNDED)  # type: ignore[no-untyped-call]
