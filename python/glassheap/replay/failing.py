"""The first request that a region could not serve, and the blocks that stood in its way."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from glassheap.errors import OutOfMemory
from glassheap.records import in_hexadecimal
from glassheap.replay.first_failure import kind_of, tag_of, thread_of
from glassheap.replay.metrics import fragmentation_index
from glassheap.replay.stepping import alignment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from glassheap import BlockInfo
    from glassheap.owners import Cause
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


class Failure(NamedTuple):
    """A request that failed, and the heap at that moment."""

    operation: int
    """The index of the operation."""
    line: int
    """Its line in the file."""
    kind: str
    """'malloc' or 'realloc'."""
    size: int
    """Bytes asked for."""
    align: int
    """The alignment asked for, in bytes; 0 if none was."""
    tag: str
    """Its tag; "" if it has none."""
    thread: int
    """Its thread; 0 if the file states none."""
    cause: Cause
    """'exhausted': the request exceeds what is free. 'fragmented': enough is free, but not in one
    piece. 'alignment': a free block is large enough, but not from an aligned address on, or the
    alignment is more than a quarter of the region."""
    available: int
    """Bytes that all free blocks offer."""
    largest_free: int
    """Bytes that the largest offers."""
    free_blocks: int
    """Their number."""
    shortfall: int | None
    """Bytes that are missing, as `Diagnosis.shortfall`."""
    holes: list[Hole]
    """The two largest free blocks, in the order of their addresses."""
    between: list[Holder]
    """The live blocks between these, in the order of their addresses."""
    by_tag: list[Held]
    """The live blocks by their tags, those with the most bytes first."""
    fragmentation_index: float
    """1 - (1 + available / size) / free_blocks: near 1 if fragmentation is the cause, near 0 or
    below it if it is a lack of memory."""


def failure(stepper: Stepper, index: int) -> Failure:
    """The failure of the operation at `index`, at which the stepper stopped.  O(n log n)."""
    trace, stats = stepper.trace, stepper.heap.stats()
    error = stepper.error
    lacks = error.diagnosis if isinstance(error, OutOfMemory) else None
    live = holders(stepper, index)
    holes = largest_holes(stepper)
    low, high = (holes[0].address, holes[-1].address) if holes else (0, 0)
    return Failure(
        operation=index,
        line=trace.lines[index],
        kind=kind_of(trace, index),
        size=trace.sizes[index],
        align=alignment(trace, index),
        tag=tag_of(trace, index),
        thread=thread_of(trace, index),
        cause=lacks.cause if lacks else "alignment",
        available=stats.available,
        largest_free=stats.largest_free,
        free_blocks=stats.free_blocks,
        shortfall=lacks.shortfall if lacks else None,
        holes=holes,
        between=[one for one in live if low < one.address < high],
        by_tag=by_tag(live),
        fragmentation_index=fragmentation_index(
            stats.available, stats.free_blocks, trace.sizes[index]
        ),
    )


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
