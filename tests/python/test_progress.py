"""The progress of long work: of its parts as one, of the searches, and in the bar of each command.

The bar itself is tested in `test_terminal.py`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from command_helpers import printed
from glassheap.progress import SHARES, Bar, Stages
from glassheap.replay import Setup, diff, fit, fit_all, why
from glassheap.replay.slices import SLICE
from trace_helpers import read_text

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.any_interpreter

GROWING = "".join(f"a {i} {16 + i % 50}\n" for i in range(3 * SLICE))
"""Three slices of allocations, which fill a region from its start."""

Told = list[tuple[int, int]]


def told_by(work: Callable[..., object]) -> Told:
    """What the work tells of its progress."""
    told: Told = []
    work(progress=lambda done, total: told.append((done, total)))
    return told


def assert_ascending(told: Told) -> None:
    """From 0 on it never goes back, nor over the total, which does not change."""
    assert told[0][0] == 0
    assert len({total for _, total in told}) == 1
    assert all(earlier <= later for earlier, later in pairwise(told))
    assert told[-1][0] <= told[-1][1]


def test_parts_are_told_as_one_by_their_weights() -> None:
    told: Told = []
    stages = Stages(lambda *given: told.append(given), [1, 3])
    stages.next()(1, 2)
    second = stages.next()
    second(1, 3)
    second(1, 9)  # no step back
    second(0, 0)  # without steps it is done
    shares = [0, 0.5, 1, 2, 2, 4]
    assert told == [(SHARES * share, 4 * SHARES) for share in shares]


def test_without_a_listener_the_parts_run_alike() -> None:
    Stages(None, [1]).next()(1, 1)


@pytest.mark.parametrize("policy", ["first_fit", "tlsf"])
def test_a_fit_tells_every_slice_and_ends_with_its_total(policy: str) -> None:
    told = told_by(lambda **how: fit(read_text(GROWING), policy=policy, **how))
    assert told[-1] == (1, 1)
    assert {SHARES // 3, 2 * SHARES // 3, SHARES} <= {done for done, _ in told}
    assert all(done <= total for done, total in told)


def test_a_search_of_every_size_tells_how_many_are_left() -> None:
    trace = read_text("a 0 96\na 1 32\nf 0\na 2 32\na 3 96\n")
    told = told_by(lambda **how: fit(trace, policy="worst_fit", exact=True, **how))
    left = [total // SHARES for _, total in told]
    assert max(left) > 5
    assert told[-2] == (left[-2] * SHARES,) * 2
    assert all(done <= total for done, total in told)


def test_all_fits_are_told_as_one() -> None:
    trace = read_text(GROWING)
    layouts = [Setup(), Setup(headers=False)]
    told = told_by(lambda **how: list(fit_all(trace, ["first_fit", "best_fit"], layouts, **how)))
    assert {total for _, total in told} == {4 * SHARES}
    assert {0, SHARES, 2 * SHARES, 3 * SHARES} <= {done for done, _ in told}
    assert told[-1] == (4 * SHARES, 4 * SHARES)


def test_why_tells_the_replay_the_other_heaps_and_the_sizes() -> None:
    told = told_by(lambda **how: why(read_text(GROWING), 1 << 18, **how))
    assert_ascending(told)
    assert len({done for done, _ in told}) > 20


@pytest.mark.parametrize("size", [None, 1 << 20])
def test_a_diff_tells_all_its_replays(size: int | None) -> None:
    told = told_by(lambda **how: diff(read_text(GROWING), None, size, **how))
    assert_ascending(told)
    assert len({done for done, _ in told}) > 6


@pytest.mark.parametrize(
    ("command", "title"),
    [
        ("fit - --policy tlsf --no-headers", "fitting"),
        ("why - --size 64K", "explaining"),
        ("diff - --policy first_fit --policy tlsf", "comparing"),
        ("replay - --no-map", "replaying"),
        ("replay - --compare", "replaying"),
    ],
)
def test_a_command_has_a_bar_and_closes_it(
    command: str, title: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def call(bar: Any, done: int, total: int) -> None:
        assert 0 <= done <= total
        seen.append(bar._title)

    monkeypatch.setattr(Bar, "__call__", call)
    monkeypatch.setattr(Bar, "close", lambda _: seen.append("closed"))
    printed(*command.split(), stdin="a 0 100\na 1 200\nf 0\na 2 150\n")
    assert {*seen[:-1]} == {title}
    assert seen[-1] == "closed"
