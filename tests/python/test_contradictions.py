"""A replay in the recorded heap that does not do what that heap did says so, and why."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from command_helpers import run
from glassheap import Heap, OutOfMemory, SharedHeap
from glassheap.replay import Contradiction, why
from glassheap.replay.contradicting import OTHERS, WAITED
from glassheap.traces import read
from recording_oracle import FACT, FAILED_MALLOC, FAILED_PART, FREE, MALLOC, Call, Mark, recording
from trace_helpers import read_text

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.any_interpreter

FACTS = [
    Mark(FACT, 0, fact)
    for fact in (b"heap=Heap", b"size=4096", b"policy=best_fit", b"granule=16", b"headers=false")
]


def found(*calls: Call, base: int = 65536) -> Contradiction | None:
    """What `why` finds in a recording of a heap of a page."""
    facts = [*FACTS, Mark(FACT, 0, b"base=%d" % base)]
    return why(read_text(recording([[*facts, *calls]]))).contradiction


def recorded_with_another(path: Path) -> None:
    """A shared heap refuses a request: another process, played by a second heap, has the rest."""
    with SharedHeap.create(size=65536, record=path) as heap:
        with SharedHeap.attach(heap.name) as other:
            other.malloc(50_000)
        heap.malloc(8)
        with suppress(OutOfMemory):
            heap.malloc(30_000, tag="big")


def test_a_request_that_was_refused_and_is_served_contradicts(tmp_path: Path) -> None:
    path = tmp_path / "app.trace"
    recorded_with_another(path)
    answer = why(read(path))
    contradiction = answer.contradiction
    assert answer.failure is None
    assert contradiction is not None
    assert contradiction._replace(thread=0) == (
        "refused", 2, 2, "malloc", 30_000, 0, "big", 0, [OTHERS],
    )  # fmt: skip
    done = run("why", str(path))
    assert (done.returncode, done.stderr) == (4, "")
    assert "contradiction: operation 2 (line 2): malloc of 30,000 bytes, tag 'big'" in done.stdout
    assert (
        f"the recorded heap refused this request, and the replay serves it. Because:\n  {OTHERS}\n"
    ) in done.stdout
    assert "nothing fails" not in done.stdout


def test_the_json_and_its_status_say_it(tmp_path: Path) -> None:
    path = tmp_path / "app.trace"
    recorded_with_another(path)
    done = run("why", str(path), "--json")
    assert done.returncode == 4
    assert json.loads(done.stdout)["contradiction"]["recorded"] == "refused"


def test_a_request_that_was_served_and_is_refused_contradicts() -> None:
    contradiction = found(Call(MALLOC, 65536, 4000), Call(MALLOC, 70000, 4000, align=64))
    assert contradiction == ("served", 2, 2, "malloc", 4000, 64, "", 0, [WAITED])


def test_options_that_are_not_followed_are_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "app.trace"
    with Heap(65536, checks="debug", record=path) as heap, suppress(OutOfMemory):
        heap.malloc(65_520)  # and no room for what tells of a write behind it
    contradiction = why(read(path)).contradiction
    assert contradiction is not None
    assert contradiction.because == ["options of the recorded heap are not followed: checks=debug"]


def test_what_the_file_lacks_is_a_reason() -> None:
    contradiction = found(Call(FREE, 999), Call(FAILED_MALLOC, size=16))
    assert contradiction is not None
    (reason,) = contradiction.because
    assert reason.startswith("in the recording: free of a block allocated before the recording")


def test_a_replay_that_agrees_or_is_in_another_heap_contradicts_nothing() -> None:
    calls = (Call(MALLOC, 65536, 4000), Call(FAILED_MALLOC, size=4000), Call(MALLOC, 69536, 16))
    assert found(*calls) is None
    trace = read_text(recording([[*FACTS, Mark(FACT, 0, b"base=0"), *calls]]))
    assert why(trace).contradiction is None
    assert why(trace, 65536).contradiction is None
    assert why(trace, policy="tlsf").contradiction is None
    assert why(trace, headers=True).contradiction is None


def test_a_batch_that_is_cut_off_contradicts_nothing() -> None:
    """The size that failed is not there; those before it were served, and are here."""
    assert found(Call(FAILED_PART, size=16), Call(FAILED_PART, size=16)) is None
    contradiction = found(Call(FAILED_PART, size=16), Call(FAILED_MALLOC, size=32))
    assert contradiction is not None
    assert (contradiction.recorded, contradiction.operation, contradiction.line) == (
        "refused",
        2,
        2,
    )


def test_the_first_contradiction_counts_before_a_failure() -> None:
    contradiction = found(Call(FAILED_MALLOC, size=16), Call(FAILED_MALLOC, size=5000))
    assert contradiction is not None
    assert (contradiction.recorded, contradiction.line) == ("refused", 1)
