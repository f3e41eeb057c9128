"""A heap and its oracle in lockstep: every call is made on both, and they must show the same."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from glassheap.model import FITS, ORDERS, ModelHeap
from oracle import Oracle, Refusal, Twin, assert_raised, assert_refused

if TYPE_CHECKING:
    from collections.abc import Callable

    import glassheap
    from fault_fixture import Configuration

FIT_OF: dict[str, Any] = {
    "first_fit": "first",
    "next_fit": "next",
    "best_fit": "best",
    "worst_fit": "worst",
    "quick_fit": "quick",
    "sequential_fit": "first",
}
"""The policies that have a model, and their fit; sequential_fit has others, too."""

LAYOUTS = [(True, 0), (False, 0), (False, 4096)]
"""Headers and base; the base changes the layout only without headers."""

CLASSIC = [
    {"policy": name, "headers": headers, "base": base}
    for name in FIT_OF
    for headers, base in LAYOUTS
    if name != "sequential_fit"
]
SEQUENTIAL = [
    {"policy": "sequential_fit", "fit": fit, "order": order, "coalesce": coalesce}
    | {"headers": headers, "base": base}
    for fit in FITS
    for order in ORDERS
    for coalesce in (True, False)
    for headers, base in LAYOUTS
    if fit != "next"
]
"""The options of every setting of sequential_fit."""


def model_of(heap: glassheap.Heap, **options: Any) -> ModelHeap:
    """The model of a heap that has just been opened."""
    options.setdefault("fit", FIT_OF[heap.policy])
    return ModelHeap(heap.size, base=heap.base, headers=heap.headers, **options)


class Lockstep:
    """The heap and its oracle. `options` are those of the model."""

    def __init__(
        self, heap: glassheap.Heap, make_model: Callable[[], Twin] | None = None, **options: Any
    ) -> None:
        self.heap = heap
        self.oracle = Oracle(heap, make_model or partial(model_of, heap, **options))
        self.compare()

    def both(
        self, method: str, *args: Any, call: Callable[[], Any] | None = None, **named: Any
    ) -> Any:
        """Make the call on both, in another way on the heap if `call` is given.

        Returns the result, or the Refusal.
        """
        expected = getattr(self.oracle, method)(*args, **named)
        call = call or partial(getattr(self.heap, method), *args, **named)
        if isinstance(expected, Refusal) and self.heap.size > 1 << 16:  # too large to be hashed
            assert_raised(expected, call)
        elif isinstance(expected, Refusal):
            assert_refused(self.heap, expected, call)
        else:
            result = call()
            assert (result if result is None or isinstance(result, int) else [*result]) == expected
        self.compare()
        return expected

    def pick(self, number: int) -> int:
        """One of the live addresses."""
        return [*self.oracle.live][number % len(self.oracle.live)]

    def compare(self) -> None:
        """Assert that the heap has exactly the blocks, the free list and the figures."""
        assert self.heap.walk() == self.oracle.walk()
        assert self.heap.free_list() == self.oracle.free_list()
        assert self.heap.stats() == self.oracle.stats()


def lockstep_on(configuration: Configuration, size: int, **options: Any) -> Lockstep:
    """A heap of this configuration, of about `size` bytes, and its oracle."""
    heap = configuration.heap(size, **options)
    if heap.policy in FIT_OF:
        return Lockstep(heap)
    return Lockstep(heap, lambda: Twin(partial(configuration.heap, size, **options), heap.base))
