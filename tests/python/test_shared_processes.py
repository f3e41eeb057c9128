"""A SharedHeap used by many processes at the same time, some of which are killed or stopped.

The examples of docs/shared.md are such programs: they run, and print the documented output.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import random
import signal
import sys
import time
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING

import pytest

import glassheap
from command_helpers import Output, completed
from glassheap import SharedHeap
from image_helpers import record_death_inside
from process_helpers import NEEDS_SHARED_MEMORY, forked, kill
from source_tree import SOURCE_TREE

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = NEEDS_SHARED_MEMORY


def allocate_and_free(heap: SharedHeap, seed: int, operations: int) -> None:
    """Allocate and free at random, and check the mark in each block before freeing it."""
    draw = random.Random(seed)
    mine: list[tuple[int, int]] = []
    mark = seed % 255 + 1
    for _ in range(operations):
        if mine and draw.random() < 0.5 + len(mine) / 200:
            address, size = mine.pop(draw.randrange(len(mine)))
            assert ctypes.string_at(heap.address + address, size) == bytes([mark]) * size
            heap.free(address)
        else:
            size = draw.randrange(200)
            address = heap.malloc(size)
            ctypes.memset(heap.address + address, mark, size)
            mine.append((address, size))
    heap.free_many([address for address, _ in mine])


@pytest.mark.parametrize(("processes", "operations"), [(2, 100_000), (4, 20_000)])
def test_processes_can_use_one_heap_at_the_same_time(processes: int, operations: int) -> None:
    with SharedHeap.create(size=1 << 17) as heap:
        context = multiprocessing.get_context("fork")
        work = partial(allocate_and_free, heap, operations=operations)
        workers = [context.Process(target=work, args=(seed,)) for seed in range(processes)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(120)
        assert [worker.exitcode for worker in workers] == [0] * processes
        assert (heap.check(), len(heap), heap.stats().recovered) == ([], 0, 0)


@pytest.mark.any_interpreter
@pytest.mark.parametrize("policy", [policy.name for policy in glassheap.policies()])
def test_other_processes_continue_after_kills(policy: str) -> None:
    draw = random.Random(policy)
    with SharedHeap.create(size=1 << 17, policy=policy) as heap:
        ours = heap.malloc(100)
        heap.view(ours)[:] = b"x" * 100
        for round_ in range(20):
            with (
                forked(allocate_and_free, heap, round_, 10**9) as one,
                forked(allocate_and_free, heap, 99, 10**9) as two,
            ):
                time.sleep(draw.uniform(0, 0.01))
                kill(one)
                allocate_and_free(heap, 100, 50)
                kill(two)
            assert heap.check() == []
            dead = [owned.address for owned in heap.owners() if not owned.alive]
            heap.free_many(dead)
            assert bytes(heap.view(ours)) == b"x" * 100
            assert len(heap) <= 1 + 2, "at most one unowned block a killed process"
            for address in heap:
                if address != ours:
                    heap.free(address)
        assert heap.check() == []


def check_for_ever(heap: SharedHeap) -> None:
    while True:
        heap.check()


def assert_usable(heap: SharedHeap) -> None:
    """Assert that a call succeeds within a hundred attempts."""
    for _ in range(100):
        with suppress(glassheap.LockTimeout):
            heap.free(heap.malloc(10))
            return
    pytest.fail("every call timed out")


def lock_timeout(heap: SharedHeap, child: int) -> glassheap.LockTimeout | None:
    """The error of a call while the child is stopped, if it was stopped inside the heap."""
    os.kill(child, signal.SIGSTOP)
    began = time.monotonic()
    try:
        len(heap)
    except glassheap.LockTimeout as error:
        assert 0.15 < time.monotonic() - began < 5
        return error
    finally:
        os.kill(child, signal.SIGCONT)
    time.sleep(0.001)
    return None


def test_waiting_for_a_stopped_process_ends_with_lock_timeout(segment_name: str) -> None:
    with SharedHeap.create(segment_name, 1 << 20, timeout=0.2) as heap:
        heap.malloc_many([16] * 20_000)
        with forked(check_for_ever, heap) as child:
            errors = (lock_timeout(heap, child) for _ in range(200))
            refused = next(error for error in errors if error)
            assert isinstance(refused, TimeoutError)
            assert str(refused).endswith(".")
            assert_usable(heap)
            kill(child)
        assert_usable(heap)


def test_only_an_attach_after_a_death_inside_counts_as_a_recovery(tmp_path: Path) -> None:
    path = tmp_path / "heap"
    SharedHeap.create(path=path, size=1 << 16).close()
    counts = []
    for dies in (False, True, False):
        if dies:
            record_death_inside(path)
        with closing(SharedHeap.attach(path=path)) as heap:
            counts.append(heap.stats().recovered)
    assert counts == [0, 1, 1]


EXAMPLES = SOURCE_TREE / "docs" / "examples"


def run(folder: Path, name: str, *arguments: str) -> Output:
    done = completed(sys.executable, EXAMPLES / name, *arguments, cwd=folder)
    assert done.stderr == ""
    return done


def test_the_workers_of_a_pool_share_one_array_and_consumers_leave_no_block(tmp_path: Path) -> None:
    shared = "the tasks say 2,500,000, and the array here 2,500,000\n"
    assert run(tmp_path, "pool.py").stdout == shared
    assert run(tmp_path, "consumers.py").stdout == "300 messages, sum 14850, 0 blocks left\n"


def test_a_cache_survives_a_kill_and_a_restart(tmp_path: Path) -> None:
    killed = run(tmp_path, "cache.py", "cache.heap", "kill")
    assert killed.returncode == -signal.SIGKILL
    for known in (10, 20):
        done = run(tmp_path, "cache.py", "cache.heap")
        assert done.stdout == f"{known} were known, 20 are now\n"


def test_every_example_is_named_on_a_page() -> None:
    pages = [(EXAMPLES.parent / name).read_text("utf-8") for name in ("shared.md", "kv_cache.md")]
    for example in EXAMPLES.glob("*.py"):
        assert f"(examples/{example.name})" in "".join(pages)
