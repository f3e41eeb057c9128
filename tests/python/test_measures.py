"""The measures of fragmentation agree with their definitions, computed from walks of a heap.

The oracle plays the operations one by one, reads every block after each, and uses fractions where
the package uses floats.
"""

from __future__ import annotations

from fractions import Fraction
from math import isqrt
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from glassheap import BlockInfo, policies
from glassheap.errors import InvalidAlignment, OutOfMemory
from glassheap.replay import Excess, Report, metrics, replay, why
from glassheap.replay.cost import COUNTED, FITS
from glassheap.replay.measuring import typical_request
from glassheap.replay.record import MEASURED
from glassheap.replay.setup import Setup
from glassheap.replay.stepping import Stepper
from glassheap.traces import FREE, MALLOC, Trace, read
from trace_helpers import RECORDED, read_text, with_aligns

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.any_interpreter

NAMES = [policy.name for policy in policies()]
IDS, SIZES = st.integers(0, 9), st.integers(0, 900)
FREES = st.builds("f {}\n".format, IDS)
TAKES = st.builds("{} {} {}\n".format, st.sampled_from("ar"), IDS, SIZES)
LINES = st.lists(st.one_of(TAKES, FREES), max_size=50)
ALIGNS = st.lists(st.sampled_from([0, 0, 64, 512]), min_size=1, max_size=4)
TRACES = st.builds(
    lambda lines, aligns: with_aligns(read_text("a 99 0\nf 99\n" + "".join(lines)), aligns),
    LINES,
    ALIGNS,
)

each_policy = pytest.mark.parametrize("policy", NAMES)
each_layout = pytest.mark.parametrize(
    ("headers", "granule"), [(True, None), (False, None), (False, 64)]
)


# --- The formulas. --------------------------------------------------------------------------------
FREE_SIZES = st.lists(st.integers(0, 10**6), max_size=20)


@given(FREE_SIZES, st.integers(0, 10**6))
def test_the_formulas_are_those_of_their_sources(sizes: list[int], request_size: int) -> None:
    """Of a byte drawn from the free ones: how large is its block?"""
    total = sum(sizes)
    if not total:
        assert metrics.external(sizes) == metrics.sawicki(sizes) == metrics.pigweed(sizes) == 0
        assert metrics.unusable(sizes, request_size) == 0
        return
    same_block = sum(Fraction(size, total) ** 2 for size in sizes)
    in_small = sum(Fraction(size, total) for size in sizes if size < request_size)
    scale = 10**20
    root = Fraction(isqrt(sum(size**2 for size in sizes) * scale**2), scale)
    assert metrics.external(sizes) == pytest.approx(float(1 - Fraction(max(sizes), total)))
    assert metrics.sawicki(sizes) == pytest.approx(float(1 - same_block), abs=1e-12)
    assert metrics.pigweed(sizes) == pytest.approx(float(1 - root / total), abs=1e-12)
    assert metrics.unusable(sizes, request_size) == pytest.approx(float(in_small), abs=1e-12)


@pytest.mark.parametrize(
    ("free", "blocks", "request_size", "index"),
    [
        (0, 0, 100, 0),  # nothing is free
        (50, 1, 100, 0),  # one block that is too small: a lack of memory
        (10**6, 1, 100, 0),  # one block that is large enough, but not from an aligned address on
        (1000, 100, 100, 0.89),  # ten times enough, in blocks of 10
        (10**6, 10**5, 11, pytest.approx(0.0909, abs=1e-5)),
        (0, 2, 0, 0),  # two blocks that offer nothing, and a request for nothing
    ],
)
def test_the_fragmentation_index_is_that_of_linux(
    free: int, blocks: int, request_size: int, index: float
) -> None:
    assert metrics.fragmentation_index(free, blocks, request_size) == index


@given(st.lists(SIZES, max_size=300))
@example([*range(1, 201)])
@example([7] * 99 + [8] * 2)
def test_the_typical_request_is_the_99th_percentile(sizes: list[int]) -> None:
    """It is a size that was asked for: 99 in 100 ask for no more, and fewer for less."""
    trace = read_text("1 1 1 1\n" + "".join(f"a {i} {s}\nf {i}\n" for i, s in enumerate(sizes)))
    found = typical_request(trace)
    if not sizes:
        assert found == 0
        return
    assert found in sizes
    assert sum(size <= found for size in sizes) * 100 >= 99 * len(sizes)
    assert sum(size < found for size in sizes) * 100 < 99 * len(sizes)


# --- A replay. ------------------------------------------------------------------------------------
class Moment(NamedTuple):
    """A heap after an operation."""

    live: int
    """Bytes requested."""
    blocks: list[BlockInfo]
    failed: bool
    moved: bool
    """True if a new block was searched for."""

    @property
    def used(self) -> int:
        ends = [block.start + block.extent for block in self.blocks if block.live]
        return max(ends) - self.blocks[0].start if ends else 0

    @property
    def taken(self) -> int:
        return sum(block.extent for block in self.blocks if block.live)

    @property
    def free(self) -> list[int]:
        return [block.size for block in self.blocks if not block.live]


def moments(trace: Trace, setup: Setup, size: int) -> Iterator[Moment]:
    """The heap after each operation.  A block that is refused stays empty."""
    with setup.heap(size) as heap:
        stepper, live = Stepper(trace, heap), 0
        for index, (kind, block) in enumerate(zip(trace.kinds, trace.ids, strict=True)):
            before, failed = stepper.addresses[block], False
            old = stepper.sizes[block] if before is not None else 0
            try:
                if kind != FREE or before is not None:
                    stepper.step(index)
            except (OutOfMemory, InvalidAlignment):
                failed = True
                if kind == MALLOC:
                    stepper.addresses[block] = None
            now = stepper.addresses[block]
            if not failed:
                live += (stepper.sizes[block] if now is not None else 0) - old
            moved = kind != FREE and (failed or now != before)
            yield Moment(live, heap.walk(), failed, moved)


def measured(
    trace: Trace, size: int, policy: str, headers: bool, granule: int | None
) -> tuple[Report, list[Moment]]:
    """The report of a replay, and what single calls have seen."""
    setup = Setup(policy, headers, granule)
    report = replay(trace, size, policy=policy, headers=headers, granule=granule)
    return report, [*moments(trace, setup, size)]


def first_peak(seen: list[Moment]) -> Moment:
    """The first moment at which most bytes are live."""
    return max(seen, key=lambda moment: moment.live)


@each_layout
@each_policy
@settings(max_examples=10)
@given(trace=TRACES, size=st.sampled_from([512, 4096]))
def test_the_measures_of_a_replay_are_those_of_its_moments(
    policy: str, headers: bool, granule: int | None, trace: Trace, size: int
) -> None:
    report, seen = measured(trace, size, policy, headers, granule)
    found, record = report.measures, report.record()
    assert found is not None
    assert report.failures == sum(moment.failed for moment in seen)
    alive = [moment for moment in seen if moment.live]
    assert report.peak_live == max((moment.live for moment in seen), default=0)
    if alive:
        ratios = [moment.used / moment.live for moment in alive]
        at_peak, most_used = first_peak(seen), max(alive, key=lambda moment: moment.used)
        assert record["johnstone_wilson_1"] == pytest.approx(sum(ratios) / len(ratios) - 1)
        assert record["johnstone_wilson_2"] == at_peak.used / at_peak.live - 1
        assert record["johnstone_wilson_3"] == most_used.used / most_used.live - 1
        assert record["johnstone_wilson_4"] == most_used.used / at_peak.live - 1
        assert record["blowup"] == most_used.used / at_peak.live
        assert found.at_peak.blocks == len(at_peak.free)
        assert found.at_peak.sawicki == pytest.approx(metrics.sawicki(at_peak.free))
        assert found.at_peak.external == metrics.external(at_peak.free)
        lost = (at_peak.taken - at_peak.live) / at_peak.taken
        assert found.internal.all == lost
        assert found.internal.all == pytest.approx(found.internal.header + found.internal.rounding)
        count = sum(block.live for block in at_peak.blocks)
        assert found.internal.header == (16 * count / at_peak.taken if headers else 0)
    over_blocks = [moment.used / moment.taken for moment in seen if moment.taken]
    if over_blocks:
        mean = sum(over_blocks) / len(over_blocks) - 1
        assert record["johnstone_wilson_1_of_taken"] == pytest.approx(mean)
    assert found.at_end.blocks == len(seen[-1].free)
    assert found.at_end.external == report.stats.external_fragmentation
    assert found.at_end.unusable == metrics.unusable(seen[-1].free, found.request)
    for suffix, free in (("", found.at_end), ("_at_peak", found.at_peak)):
        assert record[f"free_blocks{suffix}"] == free.blocks
        assert record[f"external_fragmentation{suffix}"] == free.external
        assert record[f"sawicki_fragmentation{suffix}"] == free.sawicki
        assert record[f"pigweed_fragmentation{suffix}"] == free.pigweed
        assert record[f"unusable_free{suffix}"] == free.unusable


@pytest.mark.parametrize("policy", [*FITS])
@each_layout
@settings(max_examples=10)
@given(trace=TRACES, size=st.sampled_from([512, 4096]))
def test_the_cost_counts_the_blocks_that_the_rule_looks_at(
    policy: str, headers: bool, granule: int | None, trace: Trace, size: int
) -> None:
    """First fit looks at the blocks up to its hit, best and worst fit at all; so a miss does.

    Next fit begins at its rover, so it looks at no more than all.
    """
    setup = Setup(policy, headers, granule)
    report, seen = measured(trace, size, policy, headers, granule)
    assert report.measures is not None
    looked_at = 0
    free: list[BlockInfo]
    with setup.heap(size) as heap:
        free = heap.walk()
    for index, moment in enumerate(seen):
        too_aligned = trace.aligns[index] > max(setup.step, size // 4)
        if moment.moved and not too_aligned:
            looked_at += len(free)
            if policy in ("first_fit", "sequential_fit") and not moment.failed:
                looked_at -= behind_the_hit(free, moment)
        free = [block for block in moment.blocks if not block.live]
    found = report.measures.searched
    if policy == "next_fit":
        assert found is not None
        assert 0 <= found * len(trace) <= looked_at + 1e-6
    else:
        assert found == looked_at / len(trace)


def behind_the_hit(free: list[BlockInfo], after: Moment) -> int:
    """How many free blocks lie above that in which the new block was put."""
    starts = {block.start: block.extent for block in after.blocks if block.live}

    def was_hit(hole: BlockInfo) -> bool:
        return any(hole.start <= at < hole.start + hole.extent for at in starts)

    (hit,) = (place for place, hole in enumerate(free) if was_hit(hole))
    return len(free) - hit - 1


def test_the_cost_is_counted_for_short_traces_and_policies_with_a_model() -> None:
    text = "a 0 8\nf 0\n" * (COUNTED // 2)
    for policy in ("first_fit", "tlsf"):
        for trace in (read_text(text), read_text(text + "a 0 8\n")):
            found = replay(trace, 4096, policy=policy).record()["searched_per_operation"]
            counts = policy == "first_fit" and len(trace) <= COUNTED
            assert found == (0.5 if counts else None)


# --- The first failure. ---------------------------------------------------------------------------
def test_the_first_failure_has_its_line_its_tag_its_thread_and_the_reason() -> None:
    trace = read(str(RECORDED / "memory_replay.txt"))
    assert trace.threads
    report = replay(trace, 256)
    assert report.failure is not None
    index = report.failure.operation - 1
    assert report.failure.thread == trace.threads[index]
    assert report.failure.line == trace.lines[index]
    assert report.failure.align == trace.aligns[index]


@each_layout
@each_policy
@settings(max_examples=10)
@given(trace=TRACES, size=st.sampled_from([512, 4096]))
def test_the_first_failure_is_that_of_why(
    policy: str, headers: bool, granule: int | None, trace: Trace, size: int
) -> None:
    """`why` plays call by call."""
    report = replay(trace, size, policy=policy, headers=headers, granule=granule)
    told = why(trace, size, policy=policy, headers=headers, granule=granule).failure
    assert report.failure == told
    if told is None:
        return
    assert report.first_failure == told.operation
    record = report.record()
    assert (record["first_failure"], record["first_failure_line"]) == (told.operation, told.line)
    assert record["fragmentation_index"] == metrics.fragmentation_index(
        told.available, told.free_blocks, told.size
    )


# --- The record. ----------------------------------------------------------------------------------
@each_policy
def test_every_record_has_the_same_names_and_plain_values(policy: str) -> None:
    trace = read_text("a 0 100\na 1 9000\nf 0\n")
    fits, fails = replay(trace, policy=policy), replay(trace, 4096, policy=policy)
    empty = replay(read_text("1 0 0 0\n"), policy=policy)
    records = [report.record() for report in (fits, fails, empty)]
    assert len({tuple(record) for record in records}) == 1
    assert {*MEASURED} < {*records[0]}
    plain = (str, int, float, bool, type(None))
    assert all(isinstance(value, plain) for record in records for value in record.values())
    assert records[1]["first_failure_cause"] == "exhausted"
    assert records[0]["first_failure_cause"] is None


def test_an_excess_without_a_moment_is_none() -> None:
    assert Excess.of((0, 0, -1, 0, 0, -1, 0, 0)).johnstone_wilson == (0, 0, 0, 0)
