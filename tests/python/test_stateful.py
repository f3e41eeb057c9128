"""Random valid and invalid calls on every policy, layout, level of checks and kind of region.

A shadow records the live blocks and their contents, and does not model the heap. After each step
every block must have its content, the walk must agree with the shadow, the bytes and sums must
agree, and check() must find nothing. A refused call must change nothing. The choice of blocks is
tested in test_model.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import glassheap
from fault_fixture import ADDRESS_CALLS, CONFIGURATIONS, DEBUG_CONFIGURATIONS, Configuration
from heap_probes import (
    assert_sound,
    first_block_address,
    front,
    overwrite,
    peek,
    records_sizes,
    refused,
)

if TYPE_CHECKING:
    from collections.abc import Callable

BOUNDED = settings(max_examples=12, stateful_step_count=30, phases=[Phase.generate, Phase.shrink])
REGION = 2048

sizes = st.one_of(st.integers(0, 80), st.integers(0, 400), st.sampled_from([0, 16, REGION, 2**64]))
aligns = st.sampled_from([16, 16, 1, 32, 64, 256, 512])
numbers = st.integers(0, 1000)
"""A number that selects a block, modulo the number of blocks."""


@dataclass
class Held:
    """A live block: its content, its handle and its view."""

    content: bytes
    handle: glassheap.Block | None = None
    view: memoryview | None = None


class Machine(RuleBasedStateMachine):
    """A heap, and the shadow of its live blocks."""

    configuration: Configuration

    def __init__(self) -> None:
        super().__init__()
        self.heap = self.configuration.heap(REGION)
        self.live: dict[int, Held] = {}
        self.stale: list[glassheap.Block] = []
        self.stamps = 0
        self.mallocs = self.frees = self.reallocs = 0

    # --- The shadow. ---

    def chosen(self, number: int) -> int:
        return sorted(self.live)[number % len(self.live)]

    def has_live(self) -> bool:
        return bool(self.live)

    def has_pinned(self) -> bool:
        return any(held.view is not None for held in self.live.values())

    def has_handle(self) -> bool:
        return any(held.handle is not None for held in self.live.values())

    def place(self, address: int) -> int:
        return address - self.heap.base

    def adopt(self, address: int, size: int, handle: glassheap.Block | None = None) -> None:
        """Record a new block and fill it with content that no block has had."""
        assert address not in self.live
        self.stamps += 1
        content = (self.stamps.to_bytes(2, "little") * (size // 2 + 1))[:size]
        overwrite(self.heap, self.place(address), content)
        self.live[address] = Held(content, handle)

    def forget(self, address: int) -> None:
        handle = self.live.pop(address).handle
        self.stale += [] if handle is None else [handle]

    def freed(self, address: int) -> None:
        self.frees += 1
        self.forget(address)

    def attempt(
        self, call: Callable[[], int | glassheap.Block], size: int, align: int = 16
    ) -> int | None:
        """The address that a call returns, or None if it is refused for lack of room."""
        if size > self.heap.largest_free() or not self.heap.free_list():
            with refused(self.heap, glassheap.OutOfMemory):
                call()
            return None
        try:
            result = call()
        except glassheap.OutOfMemory:
            # Without an alignment, a request of the largest free size must succeed. Under
            # checks="debug" an empty block needs room for its trailer, too.
            assert align > 16 or (size == 0 and self.heap.checks == "debug")
            return None
        self.mallocs += 1
        handle, address = (
            (result, result.address) if isinstance(result, glassheap.Block) else (None, result)
        )
        assert address % align == (self.heap.address + self.place(address)) % align == 0
        self.adopt(address, size, handle)
        return address

    # --- Valid calls. ---

    @rule(size=sizes, align=aligns)
    def malloc(self, size: int, align: int) -> None:
        self.attempt(lambda: self.heap.malloc(size, align=align), size, align)

    @rule(size=sizes, align=aligns)
    def alloc(self, size: int, align: int) -> None:
        self.attempt(lambda: self.heap.alloc(size, align=align), size, align)

    @rule(count=st.integers(0, 9), size=st.integers(0, 60))
    def calloc(self, count: int, size: int) -> None:
        def cleared() -> int:
            address = self.heap.calloc(count, size)
            assert not any(peek(self.heap, self.place(address), count * size))
            return address

        self.attempt(cleared, count * size)

    @rule(wanted=st.lists(st.integers(0, 200), max_size=6))
    def malloc_many(self, wanted: list[int]) -> None:
        try:
            addresses = self.heap.malloc_many(wanted)
        except glassheap.OutOfMemory:
            with refused(self.heap, glassheap.OutOfMemory):
                self.heap.malloc_many(wanted)
            return
        self.mallocs += len(wanted)
        for address, size in zip(addresses, wanted, strict=True):
            self.adopt(address, size)

    @precondition(has_live)
    @rule(number=numbers)
    def free(self, number: int) -> None:
        address = self.chosen(number)
        if self.live[address].view is not None:
            self.refuse_pinned(lambda: self.heap.free(address))
        else:
            self.heap.free(address)
            self.freed(address)

    @precondition(has_handle)
    @rule(number=numbers)
    def free_by_handle(self, number: int) -> None:
        handles = [held.handle for _, held in sorted(self.live.items()) if held.handle is not None]
        handle = handles[number % len(handles)]
        if self.live[handle.address].view is not None:
            self.refuse_pinned(handle.free)
        else:
            handle.free()
            self.freed(handle.address)

    @rule(chosen=st.sets(numbers, max_size=5))
    def free_many(self, chosen: set[int]) -> None:
        addresses = [address for i, address in enumerate(sorted(self.live)) if i in chosen]
        if any(self.live[address].view is not None for address in addresses):
            self.refuse_pinned(lambda: self.heap.free_many(addresses))
            return
        self.heap.free_many([None, *addresses])
        for address in addresses:
            self.freed(address)

    @precondition(has_live)
    @rule(number=numbers, size=sizes, align=aligns)
    def realloc(self, number: int, size: int, align: int) -> None:
        address = self.chosen(number)
        held = self.live[address]
        if held.view is not None:
            self.refuse_pinned(lambda: self.heap.realloc(address, size, align=align))
            return
        try:
            moved = self.heap.realloc(address, size, align=align)
        except glassheap.OutOfMemory:
            with refused(self.heap, glassheap.OutOfMemory):
                self.heap.realloc(address, size, align=align)
            return
        self.reallocs += 1
        kept = held.content[:size]
        assert peek(self.heap, self.place(moved), len(kept)) == kept
        if moved == address:
            del self.live[address]
            self.adopt(address, size, held.handle)
        else:
            self.forget(address)
            self.adopt(moved, size)

    @precondition(has_live)
    @rule(number=numbers)
    def pin(self, number: int) -> None:
        address = self.chosen(number)
        self.live[address].view = self.heap.view(address)

    @precondition(has_pinned)
    @rule(number=numbers)
    def unpin(self, number: int) -> None:
        pinned = [held for _, held in sorted(self.live.items()) if held.view is not None]
        pinned[number % len(pinned)].view = None

    @rule(wanted=st.sampled_from([False] * 4 + [True]))
    def reset(self, wanted: bool) -> None:
        """Reset seldom, so that the heap can become complex in between."""
        if self.has_pinned():
            self.refuse_pinned(self.heap.reset)
        elif wanted:
            self.heap.reset()
            for address in [*self.live]:
                self.forget(address)

    # --- Invalid calls. ---

    def fault_at(self, address: int) -> type[glassheap.InvalidPointer]:
        """The error for an address of no live block, worked out from the walk alone.

        An address of a header or of an end of the region can also be that of an empty block that
        was freed; there any InvalidPointer is right.
        """
        owner = [i for i in self.heap.walk() if i.start <= address < i.start + i.extent]
        if not owner or (owner[0].live and address < owner[0].address):
            return glassheap.InvalidPointer
        if (address - self.heap.base) % 16:
            return glassheap.MisalignedPointer
        return glassheap.InteriorPointer if owner[0].live else glassheap.DoubleFree

    def refuse_pinned(self, call: Callable[[], object]) -> None:
        with refused(self.heap, BufferError, "a view of the block at "):
            call()

    @rule(granule=st.integers(-2, REGION // 16 + 2), byte=st.sampled_from([0, 0, 0, 1, 8, 15]))
    def use_a_bad_address(self, granule: int, byte: int) -> None:
        """Every call must raise the error worked out from the walk."""
        address = self.heap.base + granule * 16 + byte
        if address in self.live or address == 0:
            return
        for call in ADDRESS_CALLS.values():
            with refused(self.heap, self.fault_at(address)):
                call(self.heap, address)

    @rule(number=numbers)
    def use_a_stale_handle(self, number: int) -> None:
        """Without headers a handle is stale only until its address is returned again."""
        if not self.stale:
            return
        handle = self.stale[number % len(self.stale)]
        if not self.heap.headers and handle.address in self.live:
            return
        assert not handle.live
        with refused(self.heap, glassheap.StaleHandle):
            handle.free()
        with refused(self.heap, glassheap.StaleHandle):
            memoryview(handle)

    @rule(size=st.sampled_from([-1, -(2**63), 2**63, 2**64 - 8, 2**200, REGION + 1]))
    def request_an_impossible_size(self, size: int) -> None:
        error = glassheap.InvalidSize if size < 0 else glassheap.OutOfMemory
        for call in (self.heap.malloc, self.heap.alloc, lambda size: self.heap.calloc(1, size)):
            with refused(self.heap, error):
                call(size)

    # --- Invariants. ---

    @invariant()
    def every_block_has_its_content(self) -> None:
        for address, held in self.live.items():
            assert peek(self.heap, self.place(address), len(held.content)) == held.content
            assert held.view is None or held.view[: len(held.content)] == held.content

    @invariant()
    def the_walk_agrees_with_the_shadow(self) -> None:
        walk = self.heap.walk()
        taken = {info.address: info for info in walk if info.live}
        assert sorted(taken) == sorted(self.live)
        for address, held in self.live.items():
            info = taken[address]
            assert len(held.content) <= info.extent - front(self.heap)
            assert info.size == (len(held.content) if records_sizes(self.heap) else info.extent)
        end = self.heap.base + self.heap.size
        assert sum(info.extent for info in walk) == end - first_block_address(self.heap)
        assert all(left.start + left.extent == right.start for left, right in pairwise(walk))

    @invariant()
    def the_statistics_agree_with_the_walk(self) -> None:
        stats, walk = self.heap.stats(), self.heap.walk()
        taken = [info for info in walk if info.live]
        assert stats.live_blocks == len(taken)
        counted = (self.mallocs, self.frees, self.reallocs)
        assert (stats.mallocs, stats.frees, stats.reallocs) == counted
        assert stats.requested == sum(info.size for info in taken)
        assert stats.requested + stats.overhead == sum(info.extent for info in taken)
        ends = [info.start + info.extent for info in taken]
        assert stats.used == max(ends, default=self.heap.base) - self.heap.base
        assert stats.peak_used >= stats.used
        assert stats.peak_requested >= stats.requested

    @invariant()
    def the_heap_is_sound(self) -> None:
        assert_sound(self.heap)


@pytest.mark.parametrize("configuration", [*CONFIGURATIONS, *DEBUG_CONFIGURATIONS], ids=str)
def test_the_heap_stays_sound_under_random_calls(configuration: Configuration) -> None:
    """Hypothesis draws by the class name: a class for each configuration gives different runs."""
    machine = type(f"Machine on {configuration}", (Machine,), {"configuration": configuration})
    run_state_machine_as_test(machine, settings=BOUNDED)  # type: ignore[no-untyped-call]
