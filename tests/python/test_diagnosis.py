"""OutOfMemory.diagnosis: the cause, who holds the memory, the blocks in the way, what is missing.

The shortfall is compared with the fewest bytes among all sets of blocks, each of which is released
on a copy of the heap. The sentences are compared in tests/cpp/explain_test.cpp.
"""

from __future__ import annotations

import json
import pickle
from contextlib import suppress
from functools import partial
from itertools import chain, combinations
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

import glassheap
from glassheap import Heap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

POLICIES = [policy.name for policy in glassheap.policies()]


def refused(heap: Heap, size: int, align: int = 16) -> glassheap.OutOfMemory:
    with pytest.raises(glassheap.OutOfMemory) as caught:
        heap.malloc(size, align=align)
    return caught.value


# --- Two known stories. ---------------------------------------------------------------------------


class Cache:
    """Blocks of requests in a heap: without room, the oldest that is not pinned is evicted."""

    def __init__(self, heap: Heap) -> None:
        self.heap = heap
        self.evictable: list[int] = []

    def room_for(self, request: str) -> int:
        while self.evictable:
            with suppress(glassheap.OutOfMemory):
                return self.heap.malloc(16 << 10, align=4096, tag=request)
            self.heap.free(self.evictable.pop(0))
        return self.heap.malloc(16 << 10, align=4096, tag=request)

    def serve(self, steps: int) -> None:
        for step in range(steps):
            if step % 7 == 0:
                self.room_for("request-17")
            else:
                self.evictable.append(self.room_for(f"request-{step}"))


def test_pins_that_are_never_released_exhaust_the_heap_and_the_first_line_names_them() -> None:
    """A cache evicts what it may, and that hides the leak until nothing is left."""
    cache = Cache(Heap(1 << 20, base=0, headers=False))
    with pytest.raises(glassheap.OutOfMemory) as caught:
        cache.serve(steps=1000)
    first = str(caught.value).splitlines()[0]
    assert first.startswith("exhausted: no free block can hold 16384 bytes")
    assert "; most is held by tag 'request-17' (63 blocks, 1032192 bytes, the oldest for " in first
    diagnosis = caught.value.diagnosis
    assert diagnosis.cause == "exhausted"
    assert diagnosis.by_tag[0][:3] == ("request-17", 63, 63 << 14)


def holes_of_first_fit(policy: str) -> Heap:
    """A small request finds a large hole first, and behind it one of its own size."""
    heap = Heap(40 << 10, base=0, policy=policy, headers=False)
    large = heap.malloc(16 << 10, tag="prompt")
    heap.malloc(2048, tag="session")
    small = heap.malloc(1024, tag="step")
    heap.malloc(heap.largest_free(), tag="weights")
    heap.free(large)
    heap.free(small)
    heap.malloc(1024, tag="late step")
    return heap


def test_a_request_that_first_fit_has_made_no_room_for_is_fragmented() -> None:
    with holes_of_first_fit("best_fit") as heap:
        heap.malloc(16 << 10)
    heap = holes_of_first_fit("first_fit")
    error = refused(heap, 16 << 10)
    first = str(error).splitlines()[0]
    assert first.startswith("fragmented: no free block can hold 16384 bytes: 16384 are available")
    assert "one live block stands: 2048 bytes at 0x4010 (tag 'session', for 0." in first
    assert "Freeing 1024 bytes would do: one block, at 0x10 (tag 'late step', for " in first
    assert error.diagnosis.cause == "fragmented"
    assert [it.tag for it in error.diagnosis.between] == ["session"]
    assert error.diagnosis.shortfall == 1024
    heap.free(0x10)
    heap.malloc(16 << 10)


# --- What is missing. -----------------------------------------------------------------------------


def all_sets(addresses: list[int]) -> Iterator[tuple[int, ...]]:
    return chain.from_iterable(
        combinations(addresses, count) for count in range(len(addresses) + 1)
    )


def refusal(heap: Heap, size: int, align: int) -> glassheap.OutOfMemory | None:
    try:
        heap.malloc(size, align=align)
    except glassheap.OutOfMemory as error:
        return error
    return None


def filled(seed: int, options: dict[str, Any]) -> Heap:
    """A heap with few live blocks, the same for the same seed."""
    random = Random(seed)
    heap = Heap(1024, base=0, **options)
    live: list[int] = []
    for _ in range(random.randrange(30)):
        with suppress(glassheap.OutOfMemory):
            live.append(heap.malloc(random.randrange(200), align=random.choice([16, 16, 64])))
        if live and (len(live) > 6 or random.random() < 0.3):
            heap.free(live.pop(random.randrange(len(live))))
    return heap


def fewest_bytes(make: Callable[[], Heap], size: int, align: int) -> int | None:
    """Of all sets of live blocks whose release serves the request; None if none does."""
    sizes = {it.address: it.size for it in make().walk() if it.live}
    costs = []
    for some in all_sets([*sizes]):
        heap = make()
        heap.free_many(some)
        if refusal(heap, size, align) is None:
            costs.append(sum(sizes[address] for address in some))
    return min(costs, default=None)


KINDS: dict[str, dict[str, Any]] = {name: {"policy": name} for name in POLICIES} | {
    "debug": {"checks": "debug"},
    "uncoalesced": {"policy": "sequential_fit", "coalesce": False},
}


@pytest.mark.any_interpreter
@pytest.mark.parametrize("headers", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_the_shortfall_is_the_fewest_bytes_whose_release_would_do(kind: str, headers: bool) -> None:
    random = Random(f"{kind}, {headers}")
    options = {**KINDS[kind], "headers": headers}
    compared = 0
    for seed in range(60):
        make = partial(filled, seed, options)
        size, align = random.randrange(60, 500), random.choice([16, 16, 64, 256])
        error = refusal(make(), size, align)
        if error is not None and error.diagnosis.cause == "exhausted":
            assert error.diagnosis.shortfall == max(size - error.available, 1)
        elif error is not None:
            assert error.diagnosis.shortfall == fewest_bytes(make, size, align)
            compared += 1
    assert compared >= 4


@pytest.mark.parametrize("order", ["size+", "size-", "front", "back"])
def test_with_a_list_in_another_order_cheapest_tells_what_to_free(order: str) -> None:
    """The list merges neighbours of the list, which the diagnosis does not play."""
    compared = 0
    for seed in range(200):
        heap = filled(seed, {"policy": "sequential_fit", "order": order})
        error = refusal(heap, 300, 16)
        if error is None or error.diagnosis.cause == "exhausted":
            continue
        assert error.diagnosis.shortfall is None
        if found := heap.cheapest(300):
            for block in found.blocks:
                heap.free(block.address)
            heap.free(heap.malloc(300))
            compared += 1
    assert compared > 0


def test_a_batch_that_has_taken_the_room_itself_is_exhausted() -> None:
    heap = Heap(4096)
    with pytest.raises(glassheap.OutOfMemory) as caught:
        heap.malloc_many([3000, 2000])
    assert caught.value.available == 4080
    diagnosis = caught.value.diagnosis
    assert (diagnosis.cause, diagnosis.shortfall) == ("exhausted", 2000)
    assert [*diagnosis.by_tag, *diagnosis.between] == []


def test_a_request_beyond_the_region_is_exhausted() -> None:
    heap = Heap(4096, tags=True)
    heap.malloc(80, tag="a")
    for size in (4097, 2**64, 2**200):
        diagnosis = refused(heap, size).diagnosis
        assert diagnosis.cause == "exhausted"
        assert diagnosis.shortfall == min(size, 2**64 - 1) - 3984
        assert [it.tag for it in diagnosis.by_tag] == ["a"]


# --- The alignment. -------------------------------------------------------------------------------


def test_a_hole_that_is_large_enough_but_not_aligned() -> None:
    heap = Heap(4096, base=0)
    first = heap.malloc(1100, tag="in the way")
    error = refused(heap, 2100, align=1024)
    assert str(error).startswith(
        "alignment: no free block can hold 2100 bytes at a multiple of 1024: 2960 are available"
    )
    assert error.diagnosis.cause == "alignment"
    assert error.diagnosis.shortfall == 1100
    heap.free(first)
    heap.malloc(2100, align=1024)


# --- The error as data. ---------------------------------------------------------------------------


def test_a_diagnosis_travels_and_is_of_the_time_when_it_was_read() -> None:
    heap = holes_of_first_fit("first_fit")
    error = refused(heap, 16 << 10)
    arrived = pickle.loads(pickle.dumps(error))
    heap.reset()
    assert error.diagnosis[1:] == ([], [], 0)
    assert arrived.diagnosis.shortfall == 1024
    assert {it.tag for it in arrived.diagnosis.by_tag} == {"late step", "session", "weights"}
    again = pickle.loads(pickle.dumps(arrived))
    assert again.diagnosis == arrived.diagnosis
    heap.close()
    assert error.diagnosis[1:] == ([], [], None)


def test_an_error_without_a_heap_has_no_diagnosis() -> None:
    with pytest.raises(AttributeError):
        _ = glassheap.OutOfMemory("no room").diagnosis


# --- The report. ----------------------------------------------------------------------------------


def test_a_report_is_a_screen_of_text_and_the_same_as_json() -> None:
    heap = Heap(1 << 16, base=0)
    for number in range(30):
        heap.malloc(100 + number, tag=f"request-{number}\n")
    heap.malloc(5)
    refused(heap, 1 << 20)
    with pytest.raises(glassheap.DoubleFree):
        heap.free(heap.size - 16)
    report = heap.report()
    lines = str(report).splitlines()
    assert len(lines) <= 30
    assert max(map(len, lines)) <= 100
    assert lines[0] == "65,536 bytes, first_fit"
    assert lines[3] == "refused   exhausted 1, fragmented 0, alignment 0, DoubleFree 1"
    assert lines[4] == "waited    0 requests, 0.00 s in all"
    assert "and 21 more" in lines
    assert any(line.startswith("request-29?") for line in lines)
    data = json.loads(report.to_json())
    assert data["by_tag"] == [it._asdict() for it in report.by_tag]
    assert data["oldest"] == [it._asdict() for it in report.oldest]
    assert data["refused"] == {"exhausted": 1, "fragmented": 0, "alignment": 0, "DoubleFree": 1}
    stats = heap.stats()
    for name in ("size", "available", "largest_free", "live_blocks", "requested"):
        assert data[name] == getattr(report, name) == getattr(stats, name)


def test_the_report_of_an_empty_heap_has_no_tables() -> None:
    assert len(str(Heap().report()).splitlines()) == 5


def test_refused_calls_are_counted_by_reason() -> None:
    heap = holes_of_first_fit("first_fit")
    refused(heap, 16 << 10)
    refused(heap, 1 << 20)
    stale = heap.alloc(16)
    heap.free(stale.address)
    assert not stale.live
    with pytest.raises(glassheap.StaleHandle):
        stale.free()
    counts = {"exhausted": 1, "fragmented": 1, "alignment": 0}
    assert heap.report().refused == counts
