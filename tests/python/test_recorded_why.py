"""A recording of a heap answers, at the desk, why its request failed.

The oracle is the heap itself: what its OutOfMemory said at that moment.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import pytest

from command_helpers import assert_mistake, printed, run
from glassheap import Heap, OffsetHeap, OutOfMemory
from glassheap.replay import RecordedHeap, Setup, recorded_heap, replay, why
from glassheap.replay.setup import BASE, Place
from glassheap.traces import Trace, read
from sizing_helpers import NAMES

if TYPE_CHECKING:
    from pathlib import Path

    from glassheap import HeapStats
    from glassheap.owners import Diagnosis

SIZE = 1 << 14


def fill(
    heap: Heap, seed: int, aligns: tuple[int, ...] = (16,)
) -> tuple[Diagnosis | None, int | None]:
    """Allocate and free at random until a request fails; what the heap says, and what lacks."""
    chaos = random.Random(seed)
    live: list[int] = []
    asked: dict[int, int] = {}
    while True:
        if live and chaos.random() < 0.4:
            heap.free(live.pop(chaos.randrange(len(live))))
            continue
        size, tag = chaos.choice([16, 100, 900, 2000]), chaos.choice(["prompt", "session"])
        try:
            live.append(heap.malloc(size, align=chaos.choice(aligns), tag=tag))
            asked[live[-1]] = size
        except OutOfMemory as error:
            return error.diagnosis, missing_bytes(heap, asked, error)


class Said(NamedTuple):
    """What a heap says of itself when a request has failed."""

    diagnosis: Diagnosis | None
    missing: int | None
    """The shortfall, in bytes asked for."""
    stats: HeapStats
    blocks: dict[str | None, int]


def filled(heap: Heap, aligns: tuple[int, ...]) -> Said:
    """What a heap says when it is full, which is then closed."""
    with heap:
        said, missing = fill(heap, 7, aligns)
        blocks = {usage.tag: usage.blocks for usage in heap.by_tag()}
        return Said(said, missing, heap.stats(), blocks)


def missing_bytes(heap: Heap, asked: dict[int, int], error: OutOfMemory) -> int | None:
    """The fewest bytes asked for whose release would do; the diagnosis counts them rounded."""
    if error.diagnosis.cause == "exhausted" or error.diagnosis.shortfall is None:
        return error.diagnosis.shortfall
    align = None if error.align == heap.granule else error.align
    found = heap.cheapest(error.requested, align=align, cost=lambda block: asked[block.address])
    return None if found is None else int(found.cost)


def assert_answer(path: Path, said: Said) -> None:
    """The answer is what the heap said, and nothing fails before."""
    answer = why(read(path))
    found = answer.failure
    assert found is not None
    assert said.diagnosis is not None
    assert (found.cause, found.shortfall) == (said.diagnosis.cause, said.missing)
    assert (found.available, found.largest_free) == (
        said.stats.available, said.stats.largest_free,
    )  # fmt: skip
    assert {held.tag: held.blocks for held in answer.by_tag} == said.blocks
    assert found.operation == len(read(path)) + 1


@pytest.mark.parametrize("aligns", [(16,), (16, 64, 1024)], ids=["plain", "aligned"])
@pytest.mark.parametrize("size", [SIZE, 100_000])
@pytest.mark.parametrize("headers", [True, False])
@pytest.mark.parametrize("policy", NAMES)
def test_the_answer_is_what_the_heap_said(
    policy: str, headers: bool, size: int, aligns: tuple[int, ...], tmp_path: Path
) -> None:
    path = tmp_path / "app.trace"
    heap = Heap(size, policy=policy, headers=headers, record=path)
    assert_answer(path, filled(heap, aligns))


@pytest.mark.parametrize("shift", range(0, 512, 48))
@pytest.mark.parametrize("headers", [True, False])
def test_a_region_is_replayed_where_it_lay(headers: bool, shift: int, tmp_path: Path) -> None:
    path = tmp_path / "app.trace"
    memory = memoryview(bytearray(1 << 14))[shift:]
    heap = Heap.over(memory, headers=headers, record=path)
    assert_answer(path, filled(heap, (16, 512)))


@pytest.mark.parametrize("headers", [True, False])
@pytest.mark.parametrize("base", [0, 16, 4096 + 16, (1 << 44) + 48])
def test_a_region_is_replayed_at_the_base_it_was_given(
    base: int, headers: bool, tmp_path: Path
) -> None:
    path = tmp_path / "app.trace"
    heap = Heap(10_000, base=base, headers=headers, record=path)
    assert_answer(path, filled(heap, (16, 64, 1024)))


@pytest.mark.parametrize("policy", NAMES)
def test_a_replay_of_the_recorded_size_fails_where_the_heap_did(
    policy: str, tmp_path: Path
) -> None:
    path = tmp_path / "app.trace"
    filled(Heap(10_000, policy=policy, headers=False, record=path), (16, 64, 1024))
    trace = read(path)
    report = replay(trace, 10_000, policy=policy, headers=False)
    assert (report.failures, report.first_failure) == (1, len(trace) + 1)


def test_a_larger_region_ends_where_mapped_memory_ends(tmp_path: Path) -> None:
    """So a size that is named as a remedy serves in a heap of that size."""
    path = tmp_path / "app.trace"
    with Heap(10_000, headers=False, record=path) as heap:
        assert not place_all(heap, 12)
    answer = why(read(path))
    (size,) = [one.size for one in answer.remedies if one.change == "size" and one.whole]
    for served, offered in ((True, size), (False, size - 16)):
        with Heap(offered, headers=False) as heap:
            assert place_all(heap, answer.operations - 1) is served


def place_all(heap: Heap, count: int) -> bool:
    """True if the heap has room for so many aligned blocks."""
    try:
        for _ in range(count):
            heap.malloc(700, align=1024)
    except OutOfMemory:
        return False
    return True


def test_an_offset_heap_is_replayed_with_its_granule(tmp_path: Path) -> None:
    path = tmp_path / "app.trace"
    with OffsetHeap(SIZE, granule=64, policy="best_fit", record=path) as heap:
        said, _ = fill(heap, 3)
    answer = why(read(path))
    assert (answer.policy, answer.headers, answer.granule, answer.size) == (
        "best_fit", False, 64, SIZE,
    )  # fmt: skip
    assert answer.failure is not None
    assert said is not None
    assert answer.failure.cause == said.cause


def test_what_is_given_counts_more_than_what_was_recorded(tmp_path: Path) -> None:
    path = tmp_path / "app.trace"
    with Heap(SIZE, policy="tlsf", headers=False, record=path) as heap:
        fill(heap, 1)
    trace = read(path)
    assert why(trace, 2 * SIZE).size == 2 * SIZE
    assert (why(trace, policy="best_fit").policy, why(trace, policy="best_fit").headers) == (
        "best_fit", False,
    )  # fmt: skip
    assert (why(trace, headers=True).policy, why(trace, headers=True).headers) == ("tlsf", True)
    assert why(trace, granule=32).granule == 32


EMPTY = Trace(name="t", format="f", id_count=0, peak_live=0, tag_names=("",), skipped=())


def facts(*texts: str) -> Trace:
    return replace(EMPTY, facts=texts)


HEAP = ("heap=Heap", "size=4096", "policy=tlsf", "granule=16", "headers=true", "base=8208")


def test_the_facts_of_a_heap_are_a_setup() -> None:
    found = recorded_heap(facts(*HEAP, "checks=debug", "quarantine=64"))
    setup = Setup("tlsf", headers=True, place=Place(8208))
    assert found == RecordedHeap(setup, 4096, ["quarantine=64", "checks=debug"])


def test_a_region_that_ends_at_a_page_ends_there_in_another_size() -> None:
    """That is where a guard page is; a region in a buffer of the user begins where it began."""
    found = recorded_heap(facts("heap=Heap", "size=16", "base=8176", *HEAP[2:5]))
    assert found is not None
    assert found.setup.place == Place(8192, at_end=True)
    for kind in ("SharedHeap", "Heap"):
        found = recorded_heap(facts(f"heap={kind}", "size=32", "base=8176", *HEAP[2:5]))
        assert found is not None
        assert found.setup.place == Place(8176)


@pytest.mark.parametrize(
    ("place", "base"),
    [
        (Place(), BASE + 3072),
        (Place(BASE), BASE),
        (Place(0), 0),
        (Place(16), BASE + 16),
        (Place(3 * BASE + 48), BASE + 48),
        (Place(4096, at_end=True), BASE + 3072),
        (Place(512, at_end=True), 2 * BASE - 512),
    ],
)
def test_the_base_of_a_region_counts_modulo_every_alignment(place: Place, base: int) -> None:
    assert place.base(1020) == base


@pytest.mark.parametrize(
    "wrong", ["size=", "size=-1", "size=x", "granule=0", "policy=none", "granule=8192", "base=8"]
)
def test_damaged_facts_are_no_heap(wrong: str) -> None:
    key = wrong.partition("=")[0]
    rest = [fact for fact in HEAP if not fact.startswith(key)]
    assert recorded_heap(facts(*rest)) is None
    assert recorded_heap(facts(*rest, wrong)) is None


def test_a_trace_of_no_heap_needs_a_size(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not state the size of a heap"):
        why(EMPTY)
    path = tmp_path / "app.script"
    path.write_text("a 0 8\n")
    assert_mistake(run("why", str(path)), "does not state the size of a heap: expected --size")


def test_the_command_needs_no_size_for_a_recorded_heap(tmp_path: Path) -> None:
    path = tmp_path / "app.trace"
    with Heap(SIZE, policy="best_fit", checks="debug", record=path) as heap:
        fill(heap, 2)
    text = printed("why", str(path))
    assert f"region: {SIZE:,} bytes, best_fit, headers\n" in text
    assert "note: options of the recorded heap, not followed: checks=debug\n" in text
