"""The parts of a sweep: the product of traces, policies, layouts and sizes."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from glassheap import Heap, OffsetHeap, policies

if TYPE_CHECKING:
    from collections.abc import Iterable

    Value = TypeVar("Value")


class Part(NamedTuple):
    """One replay: a trace, and the heap to replay it in."""

    trace: str
    """The name of the trace."""
    content: str
    """The digest of its operations: another program's trace of the same name has another."""
    policy: str
    """The placement policy."""
    headers: bool
    """True if the heap has headers."""
    granule: int | None
    """The granule of an offset heap, in bytes; None for a `Heap`."""
    size: int | None
    """The bytes asked for; None if the region grows until the trace fits."""

    def __str__(self) -> str:
        size = "a region that grows" if self.size is None else f"{self.size:,} bytes"
        return f"{self.trace} with {self.policy} in {size}"


class Kind(NamedTuple):
    """A heap to replay in, as the last fields of a `Part`."""

    policy: str
    headers: bool
    granule: int | None
    size: int | None


def kinds(
    names: Iterable[str] | None,
    sizes: Iterable[int | None],
    granules: Iterable[int | None],
    headers: bool,
) -> list[Kind]:
    """The heaps of a sweep, each once, in the order of the arguments.

    Raises `ValueError` if there is none, and the errors of `Heap` for an invalid one.  Each size
    is tried here, because a mistake must not be found after hours.
    """
    chosen = [policy.name for policy in policies()] if names is None else names
    found = [
        Kind(policy, headers and granule is None, granule, size)
        for granule, size, policy in product(once(granules), once(sizes), once(chosen))
    ]
    if not found:
        raise ValueError("nothing to replay: there is no policy, no size or no granule")
    for kind in found:
        new_heap(kind).close()
    return found


def once(values: Iterable[Value]) -> list[Value]:
    """The values, each once."""
    return [*dict.fromkeys(values)]


def new_heap(kind: Kind) -> Heap:
    """A heap of this kind; one whose region grows starts with some size."""
    size = max(2**16, kind.granule or 0) if kind.size is None else kind.size
    if kind.granule is None:
        return Heap(size, policy=kind.policy, headers=kind.headers)
    return OffsetHeap(size, granule=kind.granule, policy=kind.policy)
