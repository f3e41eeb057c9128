"""A recording of a heap answers, at the desk, why its request failed.

The oracle is the heap itself: what its OutOfMemory said at that moment.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from command_helpers import assert_mistake, printed, run
from glassheap import Heap, OffsetHeap, OutOfMemory, policies
from glassheap.replay import Setup, recorded_heap, why
from glassheap.traces import Trace, read

if TYPE_CHECKING:
    from pathlib import Path

    from glassheap.owners import Diagnosis

SIZE = 1 << 14


def fill(heap: Heap, seed: int) -> Diagnosis | None:
    """Allocate and free at random until a request fails; what the heap says of it."""
    chaos = random.Random(seed)
    live: list[int] = []
    while True:
        if live and chaos.random() < 0.4:
            heap.free(live.pop(chaos.randrange(len(live))))
            continue
        size, tag = chaos.choice([16, 100, 900, 2000]), chaos.choice(["prompt", "session"])
        try:
            live.append(heap.malloc(size, tag=tag))
        except OutOfMemory as error:
            return error.diagnosis


@pytest.mark.parametrize("headers", [True, False])
@pytest.mark.parametrize("policy", [one.name for one in policies()])
def test_the_answer_is_what_the_heap_said(policy: str, headers: bool, tmp_path: Path) -> None:
    path = tmp_path / "app.trace"
    with Heap(SIZE, policy=policy, headers=headers, record=path) as heap:
        said = fill(heap, 7)
        stats = heap.stats()
        blocks = {usage.tag: usage.blocks for usage in heap.by_tag()}
    answer = why(read(path))
    found = answer.failure
    assert found is not None
    assert said is not None
    assert (found.cause, found.shortfall) == (said.cause, said.shortfall)
    assert (found.available, found.largest_free) == (stats.available, stats.largest_free)
    assert {held.tag: held.blocks for held in answer.by_tag} == blocks
    assert found.operation == len(read(path))  # nothing fails before


def test_an_offset_heap_is_replayed_with_its_granule(tmp_path: Path) -> None:
    path = tmp_path / "app.trace"
    with OffsetHeap(SIZE, granule=64, policy="best_fit", record=path) as heap:
        said = fill(heap, 3)
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


HEAP = ("heap=Heap", "size=4096", "policy=tlsf", "granule=16", "headers=true")


def test_the_facts_of_a_heap_are_a_setup() -> None:
    found = recorded_heap(facts(*HEAP, "checks=debug", "quarantine=64"))
    assert found == (Setup("tlsf", headers=True), 4096, ["quarantine=64", "checks=debug"])


@pytest.mark.parametrize(
    "wrong", ["size=", "size=-1", "size=x", "granule=0", "policy=none", "granule=8192"]
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
