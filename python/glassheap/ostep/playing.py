"""Plays operations on a free list, and records each step whole.

A step holds the list as it was before and as it is after, so that what prints, explains or draws
it needs nothing else. An allocation is known by its number, counted from 0, failures included.

What one is freed by is its address. So after a block was freed, and its address handed out again,
freeing it once more frees the new owner's block: the homework shows what a raw pointer does.
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
    """What was asked for, in bytes."""
    need: int
    """What the block takes, in bytes: the size rounded up, and a header."""
    chosen: int | None
    """The index in `before` of the element that was taken from; None if none fits."""
    block: int | None
    """The address of the block; None if there is none."""
    searched: int
    """How many elements were looked at."""
    before: list[Chunk]
    after: list[Chunk]


class Freeing(NamedTuple):
    """A free, successful or not."""

    number: int
    """Whose pointer it was."""
    chunk: Chunk | None
    """What was freed; None if no live block was at the address."""
    owner: int | None
    """Whose block it really was: another's if the address had been handed out again."""
    existed: bool
    """Whether the allocation ever returned a block."""
    before: list[Chunk]
    after: list[Chunk]


class Skipped(NamedTuple):
    """An operation of a list that frees what there cannot be."""

    number: int
    successes: int
    """How many allocations had succeeded."""


Step = Allocation | Freeing | Skipped


class Block(NamedTuple):
    """A live block, and whose it is."""

    number: int
    size: int


class Player:
    """A free list being played on; `live` has the numbers of rule 8, in order of allocation."""

    def __init__(self, free_list: FreeList) -> None:
        self.free_list = free_list
        self.addresses: list[int | None] = []
        self.successes = 0
        self.blocks: dict[int, Block] = {}
        self.live: list[int] = []

    def play(self, operation: Operation) -> Allocation | Freeing:
        """Do one operation; the number to free is that of an allocation made before."""
        if isinstance(operation, Allocate):
            return self._allocate(operation.size)
        return self._free(operation.number)

    def play_listed(self, operation: Operation) -> Step:
        """Do one operation of a list, which may free a number that there cannot be."""
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
