"""The model as a heap with payloads, headers and realloc; and real heaps in lockstep with it.

The runs are random, by fixed seeds. The regions have from 48 bytes to 64 MiB and are nearly full or
nearly empty, with small or large blocks. The model searches all blocks in every call, so most runs
keep few of them. By default each fit makes about 12,000 operations in the long runs; with
GLASSHEAP_LONG_RUN=1 in the environment, over a million.
"""

from __future__ import annotations

import os
import random
from typing import Any, NamedTuple

import pytest

import glassheap
from glassheap.model import ModelHeap
from lockstep import CLASSIC, SEQUENTIAL, Lockstep

pytestmark = pytest.mark.any_interpreter


def test_the_classic_example_of_a_page() -> None:
    """A size is rounded up to 16, as a real heap's is."""
    model = ModelHeap(4090)
    assert (model.malloc(100), model.available_memory()) == (16, 3952)
    assert model.walk() == [(0, 128, True), (128, 3968, False)]
    assert model.free(16)
    assert not model.free(16)
    assert model.largest_free() == 4080
    with pytest.raises(KeyError):
        model.realloc(16, 8)


# --- Real heaps. ----------------------------------------------------------------------------------


class Run(NamedTuple):
    """The region's bytes, the usual number of live blocks, and their mean size."""

    size: int
    blocks: int
    mean: int


SHORT_RUNS = [Run(48, 2, 8), Run(400, 6, 30), Run(2000, 12, 90)]
LONG_RUNS = [
    Run(48, 2, 8),
    Run(64, 3, 8),
    Run(250, 5, 24),  # rounded up to 256
    Run(1024, 9, 60),
    Run(4096, 12, 250),
    Run(65536, 12, 4000),
    Run(1 << 20, 12, 80_000),
    Run(64 << 20, 12, 4_000_000),
    Run(16384, 150, 60),
    Run(256 << 10, 250, 700),
]
STEPS = 50_000 if os.environ.get("GLASSHEAP_LONG_RUN") else 500
"""Operations of a long run; one with many blocks makes a tenth of them."""


OF_THE_LIST = ("fit", "order", "coalesce")
"""The options of sequential_fit, which its model takes, too."""


def id_of(options: dict[str, Any]) -> str:
    return "-".join(str(value) for value in options.values())


def size_for(rng: random.Random, run: Run) -> int:
    """A size around the mean; sometimes 0 or more than the region has."""
    if rng.random() < 0.05:
        return rng.choice((0, 1, 16, run.size, run.size * 2))
    return int(rng.expovariate(1 / run.mean))


def step(lockstep: Lockstep, rng: random.Random, run: Run) -> None:
    """One operation; the emptier the heap, the more likely it allocates."""
    align = rng.choice((1, 32, 64, 256, 4096)) if rng.random() < 0.1 else 16
    align = align if align * 4 <= lockstep.heap.size else 16
    kind, live = rng.random(), len(lockstep.oracle.live)
    address = lockstep.pick(rng.randrange(1 << 30)) if live else None
    if kind < 0.1:
        lockstep.both("malloc_many", [size_for(rng, run) // 2 for _ in range(rng.randrange(4))])
    elif kind < 0.3:
        lockstep.both("realloc", address, size_for(rng, run), align=align)
    elif rng.random() < live / (2 * run.blocks):
        lockstep.both("free", address)
    else:
        lockstep.both("malloc", size_for(rng, run), align=align)


def play(options: dict[str, Any], run: Run, steps: int) -> None:
    rng = random.Random(f"{options} {run}")
    heap = glassheap.Heap(run.size, **options)
    lockstep = Lockstep(heap, **{name: options[name] for name in options if name in OF_THE_LIST})
    for _ in range(steps):
        step(lockstep, rng, run)
    assert heap.check() == []


@pytest.mark.parametrize("options", SEQUENTIAL, ids=id_of)
def test_sequential_fit_agrees_with_the_model_in_every_setting(options: dict[str, Any]) -> None:
    for run in SHORT_RUNS:
        play(options, run, 120)


@pytest.mark.parametrize("run", LONG_RUNS, ids=str)
@pytest.mark.parametrize("options", CLASSIC, ids=id_of)
def test_a_long_run_agrees_with_the_model(options: dict[str, Any], run: Run) -> None:
    play(options, run, STEPS if run.blocks < 100 else STEPS // 10)
