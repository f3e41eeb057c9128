"""The memory that a heap needs: the smallest region that serves a trace, and the memory outside it.

Peak utilisation is the largest payload that a program had in use at once, divided by the memory
that its heap needed to serve it. The smallest region is found by trial: starting from the payload,
it grows by a hundredth until it serves the trace; then a bisection narrows the limit down to a
thousandth of the payload or 4 KiB, whichever is less.

Larger is not always better: in a region of another size a policy places blocks differently, and may
fail where a smaller one served. Hence the small steps from below, instead of a bisection from the
start. Also, the next few sizes below the result are tried, and the search continues from any that
serves. The reported size did serve the whole trace; that no smaller one does is likely, but not
proved.

sequential_fit returns the addresses of first_fit, by definition, and is not searched: its figure is
that of first_fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from results import REGIONS

from glassheap import Heap, HeapError, policies
from glassheap.replay.running import Run, strict
from glassheap.replay.sizing import GRANULE, round_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from glassheap.traces import Trace

COARSEST_UNIT = 4096
TRIES_BELOW = 16
"""Sizes that are tried below the one that was found."""


def measure(traces: dict[str, Trace], wanted: Callable[[str], object]) -> Iterator[dict[str, Any]]:
    """The figures of every policy and layout, in the format of Google Benchmark."""
    loads = {f"utilisation:{name}": trace for name, trace in traces.items()}
    kinds = [(policy.name, headers) for policy in policies() for headers in (True, False)]
    for load in filter(wanted, loads):
        for policy, headers in kinds:
            if policy != "sequential_fit":
                yield run(load, policy, headers, Search(loads[load], policy, headers).figures())
    for size in REGIONS.values():
        for policy, headers in kinds if wanted(f"own_memory:{size}") else []:
            own = Heap(size, policy=policy, headers=headers).own_memory()
            yield run(f"own_memory:{size}", policy, headers, {"own_memory": own})


def run(load: str, policy: str, headers: bool, figures: dict[str, int]) -> dict[str, Any]:
    """The figures of one heap as Google Benchmark would report them."""
    heap = policy if headers else f"{policy}/headerless"
    return {"name": f"{load}/{heap}", "run_type": "iteration", **figures}


class Search:
    """The smallest region that serves a trace."""

    def __init__(self, trace: Trace, policy: str, headers: bool) -> None:
        self.trace = trace
        self.policy = policy
        self.headers = headers
        self.unit = min(COARSEST_UNIT, round_up(trace.peak_live // 1000 + 1, GRANULE))
        self.own_memory = 0
        """Bytes outside the last region that served, and so the smallest, after the trace."""

    def figures(self) -> dict[str, int]:
        """Peak payload, smallest region and the memory outside it."""
        region, own = self.search_below(self.bisect(*self.grow())), self.own_memory
        return {"payload": self.trace.peak_live, "region": region, "own_memory": own}

    def grow(self) -> tuple[int, int]:
        """A size that does not serve, and the next larger one, which does."""
        high = round_up(max(self.trace.peak_live, GRANULE), GRANULE)
        low = high - GRANULE  # too little, by a granule
        while not self.serves(high):
            low, high = high, high + round_up(high // 100, GRANULE)
        return low, high

    def bisect(self, low: int, high: int) -> int:
        """A size between them that serves, exact to a unit."""
        while high - low > self.unit:
            middle = low + round_up((high - low) // 2, GRANULE)
            low, high = (low, middle) if self.serves(middle) else (middle, high)
        return high

    def search_below(self, found: int) -> int:
        """The smallest of the next few sizes below one that serves; and of those below that."""
        tries = 1
        while tries <= TRIES_BELOW and tries * self.unit < found:
            if self.serves(found - tries * self.unit):
                found, tries = found - tries * self.unit, 0
            tries += 1
        return found

    def serves(self, region: int) -> bool:
        """True if a new heap over the region serves the whole trace."""
        try:
            run = Run(self.trace, Heap(region, policy=self.policy, headers=self.headers))
        except HeapError:  # the policy needs a larger region than this
            return False
        run.play(strict(len(self.trace), []), None)
        if run.completed < len(self.trace):
            return False
        self.own_memory = run.heap.own_memory()
        return True
