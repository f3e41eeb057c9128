"""What every test module may use: small heaps, and Hypothesis bounded for slow machines.

Hypothesis draws the same examples on every run, so that a red run is about the change and not about
luck. `--hypothesis-profile=search` draws others, and many more of them.
"""

from __future__ import annotations

import gc
from importlib.util import find_spec

import pytest

import glassheap
from bench import BASES, KINDS, Bench, Kind, make_bench

if find_spec("hypothesis"):  # the wheel is also tested where there is nothing but pytest
    from hypothesis import HealthCheck, settings

    slow_machine = [HealthCheck.too_slow]
    settings.register_profile(
        "steady",
        max_examples=60,
        stateful_step_count=40,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=slow_machine,
    )
    settings.register_profile(
        "search", max_examples=3000, deadline=None, suppress_health_check=slow_machine
    )
    settings.load_profile("steady")


def pytest_collection_finish() -> None:
    """Set the tests themselves apart: many collect garbage, and thousands of tests are none."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def heap() -> glassheap.Heap:
    """A fresh page."""
    return glassheap.Heap(4096)


@pytest.fixture(params=KINDS, ids=str)
def any_heap(request: pytest.FixtureRequest) -> glassheap.Heap:
    """A fresh page of every policy, with headers and without."""
    kind: Kind = request.param
    return kind.heap(4096)


@pytest.fixture(params=BASES.values(), ids=[*BASES])
def based_heap(request: pytest.FixtureRequest) -> glassheap.Heap:
    """A fresh page, its addresses counted from each kind of base."""
    return glassheap.Heap(4096, base=request.param)


@pytest.fixture(params=["real", "offsets"])
def bench(request: pytest.FixtureRequest) -> Bench:
    """A page with live blocks, holes and a stale handle in it."""
    return make_bench(BASES[request.param])


@pytest.fixture(params=KINDS, ids=str)
def any_bench(request: pytest.FixtureRequest) -> Bench:
    """The same page of every policy, with headers and without."""
    kind: Kind = request.param
    return kind.bench()
