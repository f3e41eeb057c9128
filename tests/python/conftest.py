"""Fixtures for every test module: small heaps, and Hypothesis bounded for slow machines.

Hypothesis draws the same examples on every run, so that a failure is due to a change and not to
chance. `--hypothesis-profile=search` draws other examples, and many more of them.
"""

from __future__ import annotations

import gc
import signal
import uuid
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import glassheap
from fault_fixture import BASES, KINDS, PreparedHeap, prepared_heap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fault_fixture import Configuration

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


@pytest.fixture(scope="module", autouse=True)
def frozen() -> None:
    """Exempt tests and reports from garbage collection: many tests run it, and must not be slow."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> Iterator[None]:
    """SIGINT interrupts, even if pytest was started with SIGINT ignored: in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def heap() -> glassheap.Heap:
    """A fresh page."""
    return glassheap.Heap(4096)


@pytest.fixture(params=KINDS, ids=str)
def any_heap(request: pytest.FixtureRequest) -> glassheap.Heap:
    """A fresh page for every policy, with and without headers."""
    kind: Configuration = request.param
    return kind.heap(4096)


@pytest.fixture(params=BASES.values(), ids=[*BASES])
def based_heap(request: pytest.FixtureRequest) -> glassheap.Heap:
    """A fresh page for each kind of base."""
    return glassheap.Heap(4096, base=request.param)


@pytest.fixture(params=["real", "offsets"])
def prepared(request: pytest.FixtureRequest) -> PreparedHeap:
    """A page with live blocks, holes and a stale handle."""
    return prepared_heap(BASES[request.param])


@pytest.fixture
def segment_name() -> Iterator[str]:
    """A name that no segment of shared memory has; a segment with it is removed after the test."""
    name = f"glassheap-test-{uuid.uuid4().hex}"
    yield name
    Path("/dev/shm", name).unlink(missing_ok=True)
