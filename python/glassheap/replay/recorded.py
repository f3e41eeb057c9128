"""The heap that was recorded, as its recording describes it.

`Heap(record=...)` begins its file with facts: "size=1048576", "policy=tlsf", "headers=true",
"base=140183245651968".  A replay in such a heap has every block where the program had it, as far as
it follows the facts.

A region that ends where a page does is taken to be mapped memory, in front of a guard page: one of
another size would end there, too.  Any other begins where it began.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from glassheap import policies
from glassheap.replay.setup import Place, Setup
from glassheap.replay.sizing import GRANULE, LARGEST_SIZE, PAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glassheap.traces import Trace

OTHER = ("fit", "order", "coalesce", "align", "quarantine")
"""Facts about placement that a `Setup` does not have."""


class RecordedHeap(NamedTuple):
    """A recorded heap."""

    setup: Setup
    """Its policy, its layout and its place."""
    size: int
    """The bytes of its region."""
    missing: list[str]
    """The facts that a replay does not follow, and so may place blocks elsewhere."""
    is_shared: bool = False
    """True if other processes may have blocks in it, which the recording has not."""


def recorded_heap(trace: Trace) -> RecordedHeap | None:
    """The heap of a recording; None if the trace is of none, or its description is damaged."""
    facts = dict(fact.partition("=")[::2] for fact in trace.facts)
    try:
        size, granule = int(facts["size"]), int(facts["granule"])
        policy, kind = facts["policy"], facts["heap"]
        place = Place() if "Offset" in kind else place_of(int(facts["base"]), size, kind)
    except (KeyError, ValueError):
        return None
    if policy not in {one.name for one in policies()} or not 0 < granule <= size <= LARGEST_SIZE:
        return None
    if place.address is not None and (place.address < 0 or place.address % GRANULE):
        return None
    if "Offset" in kind:
        setup = Setup(policy, headers=False, granule=granule)
    else:
        setup = Setup(policy, headers=facts.get("headers") == "true", place=place)
    return RecordedHeap(setup, size, [*unfollowed(facts)], "Shared" in kind)


def heap_alike(trace: Trace, setup: Setup, size: int) -> RecordedHeap | None:
    """The heap of a recording, if it has this setup and `size` bytes."""
    found = recorded_heap(trace)
    return found if found and (found.setup, found.size) == (setup, size) else None


def place_of(base: int, size: int, kind: str) -> Place:
    """The place of a region of a heap of this type."""
    is_mapped = kind == "Heap" and base and (base + size) % PAGE == 0
    return Place(base + size, at_end=True) if is_mapped else Place(base)


def setup_for(trace: Trace, policy: str, headers: bool, granule: int | None) -> Setup:
    """The setup with these options, in the place of the recorded heap, if the trace is of one."""
    recorded = recorded_heap(trace)
    place = recorded.setup.place if recorded else Place()
    return Setup(policy, headers and granule is None, granule, place)


def chosen_setup(
    trace: Trace, policy: str | None, headers: bool | None, granule: int | None
) -> Setup:
    """The setup with these options; what is None is that of the recorded heap, or the default."""
    recorded = recorded_heap(trace)
    usual = recorded.setup if recorded else Setup()
    policy = usual.policy if policy is None else policy
    if headers is None and granule is None:
        return usual._replace(policy=policy)
    return setup_for(trace, policy, headers is not False, granule)


def chosen_size(trace: Trace, size: int | None) -> int:
    """The size that is given, or else that of the recorded heap.

    Raises ValueError if and only if there is neither.
    """
    if size is not None:
        return size
    recorded = recorded_heap(trace)
    if recorded is None:
        raise ValueError(
            f"{trace.name} does not state the size of a heap, as Heap(record=...) does; expected "
            "the size of the region, in bytes"
        )
    return recorded.size


def unfollowed(facts: dict[str, str]) -> Iterator[str]:
    """The facts that a replay does not follow."""
    yield from (f"{name}={facts[name]}" for name in OTHER if name in facts)
    if facts.get("checks") == "debug":
        yield "checks=debug"
