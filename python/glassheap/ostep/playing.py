"""Plays operations on a free list, and records each step.

A step holds the list before and after the operation, so that printing, explaining and drawing need
nothing else. An allocation is identified by its number, counted from 0, failures included.

An allocation is freed by its address, like a raw pointer in C. So if a block was freed and its
address reused, a second free of the same number frees the new owner's block.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from glassheap.model import Chunk
from glassheap.ostep.operations import Allocate

if TYPE_CHECKING:
    from glassheap.model import FreeList
    from glassheap.ostep.operations import Operation


class Allocation(NamedTuple):
    """An allocation, successful or not."""

    number: int
    size: int
    """Bytes requested."""
    need: int
    """The extent of the block in bytes: the size rounded up, plus the header."""
    chosen: int | None
    """The index in `before` of the chosen element; None if none fits."""
    block: int | None
    """The address of the block; None after a failure."""
    searched: int
    """The number of elements searched."""
    before: list[Chunk]
    after: list[Chunk]


class Freeing(NamedTuple):
    """A free, successful or not."""

    number: int
    """The number of the allocation to free."""
    chunk: Chunk | None
    """The freed chunk; None if no live block was at the address."""
    owner: int | None
    """The allocation that owned the chunk: another one than `number` if the address was reused."""
    existed: bool
    """True if the allocation had returned a block."""
    before: list[Chunk]
    after: list[Chunk]


class Skipped(NamedTuple):
    """A free in a list whose number is not below the count of successful allocations."""

    number: int
    successes: int
    """The number of successful allocations before it."""


Step = Allocation | Freeing | Skipped


class Block(NamedTuple):
    """A live block: the number of its allocation, and its requested size in bytes."""

    number: int
    size: int


class Player:
    """Executes operations on a free list; `live` holds the live numbers in order of allocation."""

    def __init__(self, free_list: FreeList) -> None:
        self.free_list = free_list
        self.addresses: list[int | None] = []
        self.successes = 0
        self.blocks: dict[int, Block] = {}
        self.live: list[int] = []

    def play(self, operation: Operation) -> Allocation | Freeing:
        """Execute one operation. A number to free must be that of an earlier allocation."""
        if isinstance(operation, Allocate):
            return self._allocate(operation.size)
        return self._free(operation.number)

    def play_listed(self, operation: Operation) -> Step:
        """Execute one operation of a list, whose numbers may be out of range."""
        if not isinstance(operation, Allocate) and operation.number >= self.successes:
            return Skipped(operation.number, self.successes)
        return self.play(operation)

    def _allocate(self, size: int) -> Allocation:
        number, need = len(self.addresses), self.free_list.need(size)
        before = list(self.free_list.chunks)
        chosen, _ = self.free_list.search(need)
        block, searched = self.free_list.malloc(size)
        self.addresses.append(block)
        if block is not None:
            self.successes += 1
            self.live.append(number)
            self.blocks[block] = Block(number, size)
        after = list(self.free_list.chunks)
        return Allocation(number, size, need, chosen, block, searched, before, after)

    def _free(self, number: int) -> Freeing:
        address = self.addresses[number]
        before = list(self.free_list.chunks)
        chunk = owner = None
        if address is not None and address in self.free_list.live:
            chunk = Chunk(address, self.free_list.live[address])
            owner = self.blocks.pop(address).number
            self.free_list.free(address)
            self.live.remove(owner)
        after = list(self.free_list.chunks)
        return Freeing(number, chunk, owner, address is not None, before, after)
