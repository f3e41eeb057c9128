"""Long random runs of the classic fits in lockstep with the model, by fixed seeds.

The regions have from 48 bytes to 64 MiB and are nearly full or nearly empty, with small or large
blocks. The model searches all blocks in every call, so most runs keep few of them. By default each
fit runs about 15,000 operations; with GLASSHEAP_LONG_RUN=1 in the environment, over a million.
"""

from __future__ import annotations

import os
import random
from typing import NamedTuple

import pytest

from lockstep import FIT_OF, LAYOUTS, Lockstep, Setting

STEPS = 50_000 if os.environ.get("GLASSHEAP_LONG_RUN") else 700
"""Operations of one run; a run with many blocks makes a tenth of them."""


class Run(NamedTuple):
    """The region's bytes, the usual number of live blocks, and their mean size."""

    size: int
    blocks: int
    mean: int


RUNS = [
    Run(48, 2, 8),
    Run(64, 3, 8),
    Run(256, 5, 24),
    Run(1024, 9, 60),
    Run(4096, 12, 250),
    Run(65536, 12, 4000),
    Run(1 << 20, 12, 80_000),
    Run(64 << 20, 12, 4_000_000),
    Run(16384, 150, 60),
    Run(256 << 10, 250, 700),
]


def size_for(rng: random.Random, run: Run) -> int:
    """A size around the mean; sometimes 0 or more than the region has."""
    kind = rng.random()
    if kind < 0.05:
        return rng.choice((0, 1, 16, run.size, run.size * 2))
    return int(rng.expovariate(1 / run.mean))


def step(lockstep: Lockstep, rng: random.Random, run: Run) -> None:
    """One operation; the emptier the heap, the more likely it allocates."""
    align = rng.choice((32, 64, 256, 4096)) if rng.random() < 0.05 else 16
    align = align if align * 4 <= lockstep.heap.size else 16
    kind = rng.random()
    if lockstep.live and kind < 0.2:
        lockstep.realloc(rng.randrange(99), size_for(rng, run), align)
    elif lockstep.live and rng.random() < len(lockstep.live) / (2 * run.blocks):
        lockstep.free(rng.randrange(1 << 30))
    else:
        lockstep.malloc(size_for(rng, run), align)


@pytest.mark.parametrize("run", RUNS, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS, ids=["headers", "no-headers-0", "no-headers-4096"])
@pytest.mark.parametrize("policy", FIT_OF)
def test_a_long_run_agrees_with_the_model(policy: str, layout: tuple[bool, int], run: Run) -> None:
    headers, base = layout
    setting = Setting(policy, FIT_OF[policy], headers=headers, base=base)
    rng = random.Random(f"{setting} {run}")
    lockstep = Lockstep(setting, run.size)
    for _ in range(STEPS if run.blocks < 100 else STEPS // 10):
        step(lockstep, rng, run)
    assert lockstep.heap.check() == []
