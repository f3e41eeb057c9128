"""Requests that failed in the recorded program are tried in a replay, where they failed."""

from __future__ import annotations

from array import array
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from command_helpers import run
from glassheap.replay import fit, replay, tried, why
from glassheap.replay.trying import LEFT_OUT, TRIED
from glassheap.traces import FREE, MALLOC, Refused, Trace
from trace_helpers import read_text, samples, states

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.any_interpreter

Row = tuple[int, int, int, int, str]
"""Kind, size, line, alignment, tag."""


def rows(trace: Trace) -> list[Row]:
    tags = trace.tags or array("I", bytes(4 * len(trace)))
    aligns = trace.aligns or array("Q", bytes(8 * len(trace)))
    names = [trace.tag_names[tag] for tag in tags]
    return [*zip(trace.kinds, trace.sizes, trace.lines, aligns, names, strict=True)]


def expected(trace: Trace) -> list[Row]:
    """The rows with two more for each request, inserted one by one from the end."""
    found = rows(trace)
    for one in reversed(trace.refused):
        request = (MALLOC, one.size, one.line, one.align, one.tag)
        found[one.position : one.position] = [request, (FREE, 0, one.line, 0, "")]
    return found


SCRIPT = "".join(f"a {i} {10 * i}\n" for i in range(9)) + "f 3\nr 4 500\nf 8\n"
REFUSED = st.lists(
    st.builds(
        Refused,
        position=st.integers(0, 12),
        line=st.integers(1, 99),
        kind=st.just(MALLOC),
        size=st.integers(0, 2**64 - 1),
        align=st.sampled_from([0, 16, 4096]),
        tag=st.sampled_from(["", "big", "small"]),
        thread=st.integers(0, 2),
        time=st.one_of(st.none(), st.integers(0, 9)),
    ),
    max_size=6,
)


@given(REFUSED)
def test_each_request_is_a_malloc_and_a_free_at_its_place(refused: list[Refused]) -> None:
    trace = read_text(SCRIPT)
    trace = replace(trace, refused=sorted(refused, key=lambda one: one.position))
    found = tried(trace)
    assert rows(found) == expected(trace)
    assert found.peak_live == max(sum(live.values()) for live in states(found))
    assert max(found.ids) < found.id_count
    assert tried(found) is found


@pytest.mark.parametrize("name", samples())
def test_the_samples_with_failed_requests_are_tried(name: str) -> None:
    trace = read_text(samples()[name])
    assert rows(tried(trace)) == expected(trace)


LOG = "= Start\n@ x + 0x10 0x40\n@ x + (nil) 0x10000\n@ x - 0x10\n@ y + (nil) 0x40\n= End\n"


def test_a_replay_counts_the_requests_that_fail_again() -> None:
    trace = read_text(LOG)
    assert (len(trace), trace.id_count) == (2, 1)
    report = replay(trace, 4096)
    assert (report.operations, report.failures, report.first_failure) == (6, 1, 1)
    assert replay(trace, 2**17).failures == 0
    assert replay(trace).region >= 2**16 + 64


def test_a_region_that_fits_serves_the_requests_that_failed() -> None:
    found = fit(read_text(LOG))
    assert found.peak_live == 2**16 + 64
    assert found.region is not None
    assert why(read_text(LOG), found.region).failure is None
    assert why(read_text(LOG), found.region - 16).failure is not None


def test_a_request_that_no_machine_serves_leaves_the_rest_a_region() -> None:
    log = LOG.replace("0x10000", "0xffffffffff0000")
    assert fit(read_text(log)).region == fit(read_text(log.replace("@ x + (nil)", "#"))).region


def test_the_command_leaves_out_what_no_machine_serves(tmp_path: Path) -> None:
    """It says so, and finds the region for the rest."""
    file = tmp_path / "app.log"
    file.write_text(LOG.replace("0x10000", "0xffffffffff0000"))
    done = run("fit", str(file), "--policy", "first_fit", "--headers")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"note: {LEFT_OUT}: line 3\n" in done.stdout
    assert f"note: {TRIED}: line 5\n" in done.stdout
