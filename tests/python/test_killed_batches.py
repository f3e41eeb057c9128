"""A process that is killed inside a batch leaves all of its blocks, or none, and they are its own.

`tests/cpp/killed_test.cpp` kills at each store of a small batch; here the moment is random, and the
batches are large.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from contextlib import suppress

import pytest

from glassheap import OutOfMemory, SharedHeap
from process_helpers import NEEDS_SHARED_MEMORY, forked, kill

pytestmark = [*NEEDS_SHARED_MEMORY, pytest.mark.any_interpreter]

SIZES = [40] * 2_000
ROUNDS = 12


def allocate_and_free_until_killed(heap: SharedHeap, ready: int) -> None:
    os.write(ready, b"!")
    while True:
        batches = []
        with suppress(OutOfMemory):
            while True:
                batches.append(heap.malloc_many(SIZES))
        for batch in batches:
            heap.free_many(batch)


@pytest.mark.parametrize("headers", [True, False])
def test_a_batch_is_done_as_a_whole_or_not_at_all_when_its_process_is_killed(headers: bool) -> None:
    moments = random.Random(headers)
    with SharedHeap.create(size=3 << 20, headers=headers) as heap:
        mine = heap.malloc(40)
        ours, theirs = os.pipe()
        for _ in range(ROUNDS):
            with forked(allocate_and_free_until_killed, heap, theirs) as child:
                assert os.read(ours, 1) == b"!"
                time.sleep(moments.uniform(0, 0.006))
                kill(child)
            owned = Counter((one.pid, one.alive) for one in heap.owners())
            whole = owned.pop((child, False), 0)
            assert whole % len(SIZES) == 0
            assert owned == {(os.getpid(), True): 1}
            heap.free_many([one.address for one in heap.owners() if one.pid == child])
            assert (list(heap), heap.check()) == ([mine], [])
        assert heap.stats().recovered > 0, "no child was killed inside a batch"
        os.close(ours)
        os.close(theirs)
