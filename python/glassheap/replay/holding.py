"""Who holds the memory when a request fails, and the blocks that stand in its way."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from glassheap.records import in_hexadecimal
from glassheap.replay.failing import tag_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from glassheap import BlockInfo
    from glassheap.replay.stepping import Stepper


class Holder(NamedTuple):
    """A live block, and the operation of the trace that allocated it."""

    address: int
    """Bytes from the start of the region to its payload."""
    size: int
    """Bytes asked for."""
    tag: str
    """The tag of that operation; "" without one."""
    line: int
    """Its line in the file."""
    operations: int
    """The age of the block: the operations since then."""
    nanoseconds: int | None
    """The same in time; None if the file states none."""

    def __repr__(self) -> str:
        """The fields by name, the address in hexadecimal."""
        return in_hexadecimal(self)


class Hole(NamedTuple):
    """A free block."""

    address: int
    """Bytes from the start of the region to the payload that it offers."""
    size: int
    """Bytes that it offers."""

    def __repr__(self) -> str:
        """The fields by name, the address in hexadecimal."""
        return in_hexadecimal(self)


class Held(NamedTuple):
    """The live blocks with one tag."""

    tag: str
    """The tag; "" for the blocks without one."""
    blocks: int
    """How many there are."""
    bytes: int
    """Bytes asked for in them."""
    oldest: Holder
    """The oldest of them."""


def holding(stepper: Stepper, index: int) -> tuple[list[Hole], list[Holder], list[Held]]:
    """What the heap holds before the operation at `index`, at which the stepper stopped.

    The two largest free blocks, the live blocks between these, and all live blocks by their tags.
    O(n log n).
    """
    live, holes = holders(stepper, index), largest_holes(stepper)
    low, high = (holes[0].address, holes[-1].address) if holes else (0, 0)
    return holes, [one for one in live if low < one.address < high], by_tag(live)


def holders(stepper: Stepper, index: int) -> list[Holder]:
    """The live blocks before the operation at `index`, in the order of their addresses."""
    trace, base = stepper.trace, stepper.base
    found = []
    for block, address in enumerate(stepper.addresses):
        if address is None:
            continue
        born = stepper.born[block]
        found.append(
            Holder(
                address=address - base,
                size=stepper.sizes[block],
                tag=tag_of(trace, born),
                line=trace.lines[born],
                operations=index - born,
                nanoseconds=trace.times[index] - trace.times[born] if trace.times else None,
            )
        )
    return sorted(found)


def largest_holes(stepper: Stepper) -> list[Hole]:
    """The two largest free blocks, or fewer, in the order of their addresses."""

    def size(block: BlockInfo) -> int:
        return block.size

    free = (block for block in stepper.heap.walk() if not block.live)
    largest = sorted(free, key=size, reverse=True)[:2]
    return sorted(Hole(block.address - stepper.base, block.size) for block in largest)


def by_tag(live: Iterable[Holder]) -> list[Held]:
    """The blocks by their tags, those with the most bytes first."""
    groups: defaultdict[str, list[Holder]] = defaultdict(list)
    for one in live:
        groups[one.tag].append(one)
    found = [
        Held(tag, len(group), sum(one.size for one in group), max(group, key=age))
        for tag, group in groups.items()
    ]
    return sorted(found, key=lambda one: (-one.bytes, one.tag))


def age(one: Holder) -> int:
    """The age of a block in operations."""
    return one.operations
