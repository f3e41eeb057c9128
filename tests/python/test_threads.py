"""One heap used by many threads at the same time.

tests/cpp/threads_test.cpp has every policy. What is added here are the bindings: threads are
switched inside of their code, and a long call lets the others run.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

import glassheap
from glassheap import Heap
from heap_probes import assert_covers_region, assert_sound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

THREADS = 4


@pytest.fixture(autouse=True)
def eager_switching() -> Iterator[None]:
    """Make the interpreter switch threads a thousand times more often than usual."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(interval)


def run_in_threads(work: Callable[[int], None]) -> None:
    """Run work(0), work(1), ... at the same time; raise the first exception of any thread."""
    start = threading.Barrier(THREADS)

    def run(number: int) -> None:
        start.wait()
        work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(run, number) for number in range(THREADS)]:
            done.result()


class Owner:
    """The blocks of one thread, each filled with its stamp, which no other thread overwrites."""

    def __init__(self, heap: Heap, number: int) -> None:
        self.heap = heap
        self.rng = random.Random(number)
        self.stamp = bytes([number + 1])
        self.blocks: dict[int, int] = {}

    def adopt(self, address: int, size: int) -> None:
        assert address not in self.blocks
        self.blocks[address] = size
        with self.heap.view(address) as view:
            view[:] = self.stamp * size

    def give_up(self) -> int:
        address = self.rng.choice([*self.blocks])
        with self.heap.view(address) as view:
            assert view == self.stamp * self.blocks.pop(address)
        return address

    def step(self) -> None:
        """Allocate six blocks, move one, borrow one meanwhile, and free all but twenty."""
        sizes = [self.rng.randrange(200) for _ in range(5)]
        for address, size in zip(self.heap.malloc_many(sizes), sizes, strict=True):
            self.adopt(address, size)
        self.adopt(self.heap.malloc(33, align=64), 33)
        with self.heap.alloc(50) as block:
            block[:] = self.stamp * 50
            self.adopt(self.heap.realloc(self.give_up(), sizes[0] + 50), sizes[0] + 50)
            assert self.heap.check() == []
            assert bytes(block) == self.stamp * 50
        self.heap.free(self.give_up())
        self.give_up_to(20)

    def give_up_to(self, count: int) -> None:
        self.heap.free_many([self.give_up() for _ in range(len(self.blocks) - count)])


def assert_snapshots_are_consistent(heap: Heap) -> None:
    """Assert that the result of each query is a snapshot of one moment."""
    assert_covers_region(heap, heap.walk())
    stats = heap.stats()
    taken = stats.requested + stats.overhead
    assert stats.available + 16 * stats.free_blocks + taken == stats.size
    free = heap.free_list()
    assert free == sorted(free)
    assert heap.check() == []


def test_blocks_never_overlap_and_queries_are_snapshots_while_threads_work() -> None:
    heap = Heap(1 << 18)
    fresh = heap.free_list()

    def work(number: int) -> None:
        owner = Owner(heap, number)
        for _ in range(300):
            owner.step()
            if number == 0:
                assert_snapshots_are_consistent(heap)
        owner.give_up_to(0)

    run_in_threads(work)
    assert heap.free_list() == fresh
    assert heap.stats().mallocs == heap.stats().frees
    assert_sound(heap)


def test_of_many_threads_that_free_the_same_block_exactly_one_succeeds() -> None:
    heap = Heap(1 << 16)
    freed: list[int] = []
    addresses = heap.malloc_many([100] * 300)

    def work(number: int) -> None:
        for address in addresses:
            with suppress(glassheap.DoubleFree):
                heap.free(address)
                freed.append(address)

    run_in_threads(work)
    assert sorted(freed) == [*addresses]
    assert heap.stats().frees == 300
    assert_sound(heap)


# --- Calls that end the blocks of all threads. ----------------------------------------------------


def use(heap: Heap) -> None:
    """Make calls of every kind and free all of their blocks."""
    block = heap.alloc(100)
    memoryview(block).release()
    address = heap.realloc(heap.malloc(50), 70)
    heap.free_many(heap.malloc_many([50] * 20))
    heap.walk()
    heap.check()
    block.free()
    heap.free(address)


def test_a_heap_can_be_reset_while_other_threads_work() -> None:
    """The other threads raise only InvalidPointer, for freed addresses and stale handles."""
    heap = Heap(1 << 16)

    def work(number: int) -> None:
        for _ in range(200):
            with suppress(glassheap.InvalidPointer, glassheap.OutOfMemory, BufferError):
                if number == 0:
                    heap.reset()
                use(heap)

    run_in_threads(work)
    assert_sound(heap)


@pytest.mark.parametrize("attempt", range(10))
def test_a_heap_can_be_closed_while_other_threads_work(attempt: int) -> None:
    """Only a view delays close(); the calls of other threads then raise HeapClosed."""
    heap = Heap(1 << 18)

    def work(number: int) -> None:
        if number == 0:
            time.sleep(0.001 * attempt)
            while not heap.closed:
                with suppress(BufferError):  # another thread has a view at the moment
                    heap.close()
        with suppress(glassheap.HeapClosed):
            while True:
                use(heap)

    run_in_threads(work)
    assert heap.closed


# --- The GIL. -------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["malloc_many(bytes(400_000))", "free_many([*heap])", "check()"])
def test_other_threads_run_during_a_long_call(call: str) -> None:
    """With a switch interval of 60 s, they can run only because the call releases the GIL."""
    sys.setswitchinterval(60)
    steps = 0
    ended = threading.Event()

    def count() -> None:
        nonlocal steps
        while not ended.is_set():
            steps += 1
            time.sleep(0)  # releases the GIL

    def others_run() -> bool:
        heap = Heap(1 << 24)
        if "malloc" not in call:
            heap.malloc_many(bytes(400_000))
        before = steps
        eval(f"heap.{call}", {"heap": heap})
        return steps > before

    with ThreadPoolExecutor(1) as pool:
        pool.submit(count)
        try:
            assert any(others_run() for _ in range(20))
        finally:
            ended.set()
