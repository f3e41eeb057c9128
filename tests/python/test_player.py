"""A Player does what single calls do: block for block, and measures what a walk would see.

The oracle of the placement is `glassheap.model`, or for a policy without a model a second heap, in
lockstep after every operation.
"""

from __future__ import annotations

from array import array
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassheap import Heap, HeapClosed, OffsetHeap, policies
from glassheap._core import Player
from glassheap.replay.cost import FITS, ModelReplay
from glassheap.replay.setup import Setup
from glassheap.traces import FREE, MALLOC, Trace
from lockstep import FIT_OF, Lockstep
from oracle import Refusal, Twin
from trace_helpers import read_text, with_aligns

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.any_interpreter

NAMES = [policy.name for policy in policies()]
IDS, SIZES = st.integers(0, 9), st.integers(0, 600)
FREES = st.builds("f {}\n".format, IDS)
TAKES = st.builds("{} {} {}\n".format, st.sampled_from("ar"), IDS, SIZES)
LINES = st.lists(st.one_of(TAKES, FREES), max_size=60)
ALIGNS = st.lists(st.sampled_from([0, 0, 1, 16, 64, 256, 1024]), min_size=1, max_size=5)
TRACES = st.builds(
    lambda lines, aligns: with_aligns(read_text("a 99 0\nf 99\n" + "".join(lines)), aligns),
    LINES,
    ALIGNS,
)
"""Traces with alignments, some of which are more than a region of 2 KiB serves."""

each_policy = pytest.mark.parametrize("policy", NAMES)
each_layout = pytest.mark.parametrize("headers", [True, False])


def columns(trace: Trace) -> tuple[bytearray, array[int], array[int]]:
    return trace.kinds, trace.ids, trace.sizes


class Single:
    """The operations of a trace as single calls on an oracle of a heap."""

    def __init__(self, trace: Trace, oracle: Any) -> None:
        self.trace, self.oracle = trace, oracle
        self.held: dict[int, int] = {}

    def step(self, index: int) -> bool:
        """Make the call; False if it is refused."""
        trace, block = self.trace, self.trace.ids[index]
        if trace.kinds[index] == FREE:
            self.oracle.free(self.held.pop(block, None))
            return True
        old = None if trace.kinds[index] == MALLOC else self.held.get(block)
        align = max(16, trace.aligns[index])
        now = self.oracle.realloc(old, trace.sizes[index], align=align)
        if isinstance(now, Refusal):
            return False
        self.held[block] = now
        return True


def lockstep(policy: str, headers: bool, size: int) -> Lockstep:
    """A heap and its model; for a policy without one, a second heap."""
    make = partial(Heap, size, policy=policy, headers=headers, base=1 << 40)
    heap = make()
    return Lockstep(heap) if policy in FIT_OF else Lockstep(heap, lambda: Twin(make, heap.base))


@each_layout
@each_policy
@settings(max_examples=12)
@given(trace=TRACES, size=st.sampled_from([64, 2048, 8192]))
def test_a_player_places_every_block_as_the_model_does(
    policy: str, headers: bool, trace: Trace, size: int
) -> None:
    """The blocks, the free list in its order and the counters agree after each operation."""
    both = lockstep(policy, headers, size)
    single, player = Single(trace, both.oracle), Player(both.heap, trace.id_count)
    failed = []
    for index in range(len(trace)):
        failed += [] if single.step(index) else [index]
        span = (index, index + 1)
        assert player.play(*columns(trace), *span, aligns=trace.aligns) == index + 1
        both.compare()
    assert player.failures == len(failed)
    assert player.first_failure == (failed[0] if failed else -1)
    assert both.heap.check() == []


@pytest.mark.parametrize("policy", FITS)
@pytest.mark.parametrize("granule", [None, 1, 16, 4096])
@settings(max_examples=12)
@given(trace=TRACES, granules=st.integers(4, 100))
def test_the_model_of_the_cost_places_every_block_as_the_heap_does(
    policy: str, granule: int | None, trace: Trace, granules: int
) -> None:
    """So the blocks that it looks at are those that the policy's rule looks at in the heap."""
    setup = Setup(policy, headers=granule is None, granule=granule)
    with setup.heap(granules * setup.step) as heap:
        model, player = ModelReplay(trace, setup, heap.size), Player(heap, trace.id_count)
        for index in range(len(trace)):
            model.step(index)
            player.play(*columns(trace), index, index + 1, aligns=trace.aligns)
            origin = model.heap.walk()[0].start
            expected = [
                ((at - origin) // 16 * setup.step, extent // 16 * setup.step, live)
                for at, extent, live in model.heap.walk()
            ]
            assert [(b.start - heap.base, b.extent, b.live) for b in heap.walk()] == expected


# --- Alignments. ----------------------------------------------------------------------------------
def test_a_block_has_the_larger_of_the_two_alignments() -> None:
    trace = with_aligns(read_text("a 0 16\na 1 16\na 2 16\n"), [8, 4096, 64])
    heap = OffsetHeap(1 << 20, granule=16, align=256)
    Player(heap, 3).play(*columns(trace), 0, 3, aligns=trace.aligns)
    assert [block.address for block in heap.walk() if block.live] == [0, 256, 4096]


def test_an_alignment_that_the_heap_does_not_serve_is_a_failure() -> None:
    trace = with_aligns(read_text("a 0 16\na 1 16\na 2 16\n"), [16, 1 << 63, 16])
    player = Player(Heap(4096), 3)
    assert player.play(*columns(trace), 0, 3, True, trace.aligns) == 1
    assert player.play(*columns(trace), 1, 3, aligns=trace.aligns) == 3
    assert (player.failures, player.first_failure) == (2, 1)


@pytest.mark.parametrize(
    ("aligns", "sentence"),
    [
        (array("Q", [16, 3]), "operation 1 has no such kind, id or alignment"),
        (array("Q", [16]), "as many as kinds"),
        (array("I", [16, 16]), "items of 8 bytes"),
    ],
)
@pytest.mark.parametrize("method", ["play", "measure"])
def test_a_column_that_has_no_alignments_is_refused(
    method: str, aligns: array[int], sentence: str
) -> None:
    trace = read_text("a 0 16\na 1 16\n")
    heap = Heap(4096)
    with pytest.raises(ValueError, match=sentence):
        getattr(Player(heap, 2), method)(*columns(trace), 0, 2, aligns=aligns)
    assert len(heap) == 0


# --- Measures. ------------------------------------------------------------------------------------
class Moment(NamedTuple):
    """A heap after an operation, in bytes."""

    operation: int
    live: int
    used: int


def expected_excess(moments: Sequence[Moment]) -> tuple[object, ...]:
    """The figures of these moments, by their definition."""
    alive = [moment for moment in moments if moment.live]
    none = Moment(-1, 0, 0)
    return (
        pytest.approx(sum(moment.used / moment.live for moment in alive)),
        len(alive),
        *max(alive, key=lambda moment: moment.live, default=none),
        *max(alive, key=lambda moment: moment.used, default=none),
    )


@pytest.mark.parametrize("granule", [None, 1, 4096])
@each_layout
@each_policy
@settings(max_examples=8)
@given(trace=TRACES, granules=st.sampled_from([16, 128, 2048]))
def test_the_measures_are_those_of_a_walk_after_every_operation(
    policy: str, headers: bool, granule: int | None, trace: Trace, granules: int
) -> None:
    setup = Setup(policy, headers=headers and granule is None, granule=granule)
    asked = [0] * trace.id_count
    requested, taken = [], []
    with setup.heap(granules * setup.step) as heap, setup.heap(granules * setup.step) as other:
        walked, measured = Player(heap, trace.id_count), Player(other, trace.id_count)
        for index in range(len(trace)):
            failures = walked.failures
            walked.play(*columns(trace), index, index + 1, aligns=trace.aligns)
            if walked.failures == failures:
                asked[trace.ids[index]] = trace.sizes[index]
            live = [block for block in heap.walk() if block.live]
            used = max((block.start + block.extent - heap.base for block in live), default=0)
            requested.append(Moment(index, sum(asked), used))
            taken.append(Moment(index, sum(block.extent for block in live), used))
        measured.measure(*columns(trace), 0, len(trace) // 2, aligns=trace.aligns)
        measured.measure(*columns(trace), len(trace) // 2, len(trace), aligns=trace.aligns)
        assert heap.walk() == other.walk()
        assert measured.excesses == (expected_excess(requested), expected_excess(taken))
        assert (measured.failures, measured.nanoseconds) == (walked.failures, 0)
        assert max(moment.used for moment in requested) == heap.stats().peak_used


def test_nothing_is_measured_in_a_closed_heap() -> None:
    trace = read_text("a 0 16\n")
    heap = Heap(4096)
    player = Player(heap, 1)
    heap.close()
    with pytest.raises(HeapClosed):
        player.measure(*columns(trace), 0, 1)
    assert player.excesses == ((0, 0, -1, 0, 0, -1, 0, 0),) * 2
