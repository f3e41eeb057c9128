"""The cost of a policy in free blocks that it looks at, as the homework of OSTEP counts it.

Unlike seconds it is the same on every machine.  The blocks are those that the policy's rule looks
at, in the reference model: the heaps of this package have indexes, and look at fewer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glassheap.model import ModelHeap
from glassheap.replay.sizing import GRANULE, QUARTERS
from glassheap.replay.stepping import alignment
from glassheap.traces import FREE, MALLOC

if TYPE_CHECKING:
    from glassheap.model import Fit
    from glassheap.replay.setup import Setup
    from glassheap.traces import Trace

FITS: dict[str, Fit] = {
    "first_fit": "first",
    "next_fit": "next",
    "best_fit": "best",
    "worst_fit": "worst",
    "sequential_fit": "first",
}
"""The policies whose model counts what it looks at."""
COUNTED = 10_000
"""The operations of the longest trace that is counted: the model takes O(n) for each."""


def searched(trace: Trace, setup: Setup, size: int) -> float | None:
    """Free blocks looked at per operation, in a region of `size` bytes.

    None for a policy without such a model, and for a trace of more than `COUNTED` operations.
    O(n**2).  Source: OSTEP, chapter 17, the figure "searched" of its homework.
    """
    if setup.policy not in FITS or not 0 < len(trace) <= COUNTED:
        return None
    model = ModelReplay(trace, setup, size)
    for index in range(len(trace)):
        model.step(index)
    return model.heap.searched / len(trace)


class ModelReplay:
    """A trace in a model of the heap, whose granules have 16 bytes whatever those of the heap."""

    def __init__(self, trace: Trace, setup: Setup, size: int) -> None:
        self.trace = trace
        self.granule = setup.step
        self.limit = size // QUARTERS
        base, fit = setup.base(size), FITS[setup.policy]
        self.heap = ModelHeap(self.scaled(size), base=base, fit=fit, headers=setup.headers)
        self.addresses: list[int | None] = [None] * trace.id_count
        """The payload of each id; None if it is not live, or was refused."""

    def scaled(self, size: int) -> int:
        """`size` in the bytes of the model."""
        return size if self.granule == GRANULE else -(-size // self.granule) * GRANULE

    def step(self, index: int) -> None:
        """Play one operation.  A block that is refused stays empty."""
        trace, block = self.trace, self.trace.ids[index]
        old = self.addresses[block]
        if trace.kinds[index] == FREE:
            self.addresses[block] = None
            if old is not None:
                self.heap.free(old)
            return
        now = self.serve(None if trace.kinds[index] == MALLOC else old, index)
        if now is not None or trace.kinds[index] == MALLOC:
            self.addresses[block] = now

    def serve(self, old: int | None, index: int) -> int | None:
        """The payload for a request; None if it is refused."""
        size, align = self.scaled(self.trace.sizes[index]), alignment(self.trace, index)
        if align > max(self.granule, self.limit):
            return None
        align = max(align // self.granule * GRANULE, GRANULE)
        if old is None:
            return self.heap.malloc(size, align=align)
        return self.heap.realloc(old, size, align=align)
