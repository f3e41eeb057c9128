"""A replay call by call, up to the first failure.

`Player` is faster, and does not tell where a block lies.  A `Stepper` does, and stops with the heap
as it was when the request failed, so that its blocks can be named.  `served` tells how far a trace
gets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glassheap import Heap, OffsetHeap
from glassheap._core import Player
from glassheap.errors import InvalidAlignment, OutOfMemory
from glassheap.progress import ignore
from glassheap.replay.slices import SLICE, strict
from glassheap.traces import FREE, MALLOC

if TYPE_CHECKING:
    from collections.abc import Callable

    from glassheap.progress import Progress
    from glassheap.replay.setup import Setup
    from glassheap.traces import Trace

STEPPING = 5
"""How long a replay call by call takes, in those of `Player`."""


class Stepper:
    """The blocks of a trace in a heap."""

    def __init__(self, trace: Trace, heap: Heap) -> None:
        self.trace = trace
        self.heap = heap
        self.addresses: list[int | None] = [None] * trace.id_count
        """The payload of each id; None if it is not live."""
        self.born = [0] * trace.id_count
        """The index of the operation that allocated the block of each id."""
        self.sizes = [0] * trace.id_count
        """The bytes asked for in the block of each id."""
        self.base = heap.base
        """The address of the region."""
        self._realloc = reallocation(heap)

    def run(self, stop: int, progress: Progress = ignore) -> int:
        """Play the operations before `stop`, up to the first that fails; return its index, or stop.

        An alignment of more than a quarter of the region is a failure, as a lack of space is.
        """
        index = 0
        try:
            for index in range(stop):
                self.step(index)
                if not index % SLICE:
                    progress(index, stop)
        except (OutOfMemory, InvalidAlignment):
            return index
        return stop

    def sizes_by_address(self) -> dict[int, int]:
        """The bytes asked for in the live blocks, by their addresses."""
        pairs = zip(self.addresses, self.sizes, strict=True)
        return {address: size for address, size in pairs if address is not None}

    def step(self, index: int) -> None:
        """Play one operation.  Raises OutOfMemory or InvalidAlignment if it fails."""
        trace = self.trace
        kind, block = trace.kinds[index], trace.ids[index]
        if kind == FREE:
            self.heap.free(self.addresses[block])
            self.addresses[block] = None
            return
        size, align = trace.sizes[index], max(self.heap.granule, alignment(trace, index))
        if kind == MALLOC:
            self.addresses[block] = self.heap.malloc(size, align=align)
            self.born[block] = index
        else:
            self.addresses[block] = self._realloc(self.addresses[block], size, align)
        self.sizes[block] = size


def reallocation(heap: Heap) -> Callable[[int | None, int, int], int]:
    """The realloc of a heap; that of an `OffsetHeap` has nothing to copy."""
    if isinstance(heap, OffsetHeap):
        return lambda old, size, align: heap.realloc(old, size, align=align, move=lambda *_: None)
    return lambda old, size, align: heap.realloc(old, size, align=align)


def alignment(trace: Trace, index: int) -> int:
    """The alignment that an operation asks for, in bytes; 0 if it asks for none."""
    return trace.aligns[index] if trace.aligns else 0


def served(trace: Trace, setup: Setup, size: int, stop: int, progress: Progress = ignore) -> int:
    """How many operations are served before the first that fails, of the first `stop`."""
    with setup.heap(size) as heap:
        player = Player(heap, trace.id_count)
        for piece in strict(stop, ()):
            done = player.play(trace.kinds, trace.ids, trace.sizes, *piece, trace.aligns or None)
            progress(done, stop)
            if done < piece.stop:
                return done
        return stop
