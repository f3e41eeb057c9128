"""One heap used by many threads at the same time."""

from __future__ import annotations

import random
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

import glassheap
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


def run_in_threads(work: Callable[[int], None], count: int = THREADS) -> None:
    """Run work(0), work(1), ... at the same time; raise the first exception of any thread."""
    errors: list[BaseException] = []
    start = threading.Barrier(count)

    def run(number: int) -> None:
        start.wait()
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001  (raised below, in the testing thread)
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


# --- One heap from many threads. ------------------------------------------------------------------


class Owner:
    """The blocks of one thread, each filled with its stamp, which no other thread overwrites."""

    def __init__(self, heap: glassheap.Heap, number: int) -> None:
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
        size = self.blocks.pop(address)
        with self.heap.view(address) as view:
            assert view == self.stamp * size
        return address

    def allocate(self) -> None:
        sizes = [self.rng.randrange(200) for _ in range(self.rng.randrange(1, 5))]
        for address, size in zip(self.heap.malloc_many(sizes), sizes, strict=True):
            self.adopt(address, size)
        self.adopt(self.heap.malloc(33, align=64), 33)

    def free(self) -> None:
        self.heap.free(self.give_up())
        if len(self.blocks) > 2:
            self.heap.free_many([self.give_up(), self.give_up()])

    def move(self) -> None:
        address = self.heap.realloc(self.give_up(), size := self.rng.randrange(300))
        self.adopt(address, size)

    def borrow(self) -> None:
        with self.heap.alloc(50) as block, memoryview(block) as view:
            view[:] = self.stamp * 50
            assert self.heap.check() == []
            assert view == self.stamp * 50

    def step(self) -> None:
        if len(self.blocks) > 20:
            self.free()
        else:
            needs_a_block = [self.free, self.move] if self.blocks else []
            self.rng.choice([self.allocate, self.borrow, *needs_a_block])()


@pytest.mark.parametrize("policy", [policy.name for policy in glassheap.policies()])
def test_blocks_of_many_threads_never_overlap(policy: str) -> None:
    """Other policies run fewer steps: checking their lists takes long."""
    heap = glassheap.Heap(1 << 18, policy=policy)
    fresh = heap.free_list()

    def work(number: int) -> None:
        owner = Owner(heap, number)
        for _ in range(1500 if policy == "first_fit" else 150):
            owner.step()
        while owner.blocks:
            heap.free(owner.give_up())

    run_in_threads(work)
    assert heap.free_list() == fresh
    assert heap.stats().mallocs == heap.stats().frees
    assert_sound(heap)


def assert_snapshots_are_consistent(heap: glassheap.Heap) -> None:
    """Assert that the result of each query is a snapshot of one moment."""
    assert_covers_region(heap, heap.walk())
    stats = heap.stats()
    taken = stats.requested + stats.overhead
    assert stats.available + 16 * stats.free_blocks + taken == stats.size
    free = heap.free_list()
    assert free == sorted(free)
    assert heap.check() == []


def test_queries_return_consistent_snapshots_while_other_threads_work() -> None:
    heap = glassheap.Heap(1 << 16)
    finished = threading.Event()

    def query_often() -> None:
        try:
            for _ in range(200):
                assert_snapshots_are_consistent(heap)
        finally:
            finished.set()

    def work(number: int) -> None:
        if number == 0:
            query_often()
        owner = Owner(heap, number)
        while not finished.is_set():
            owner.step()

    run_in_threads(work)
    assert_sound(heap)


def test_of_many_threads_that_free_the_same_block_exactly_one_succeeds() -> None:
    heap = glassheap.Heap(1 << 16)
    freed: list[int] = []
    addresses = heap.malloc_many([100] * 300)

    def work(number: int) -> None:
        for address in addresses:
            try:
                heap.free(address)
            except glassheap.DoubleFree:
                continue
            freed.append(address)

    run_in_threads(work)
    assert sorted(freed) == [*addresses]
    assert heap.stats().frees == 300
    assert_sound(heap)


def use(heap: glassheap.Heap) -> None:
    """Make calls of every kind and free all of their blocks."""
    block = heap.alloc(100)
    address = heap.realloc(heap.malloc(50), 70)
    heap.free_many(heap.malloc_many([50] * 20))
    heap.walk()
    heap.check()
    block.free()
    heap.free(address)


def test_a_heap_can_be_reset_while_other_threads_work() -> None:
    """The other threads raise only InvalidPointer, for freed addresses and stale handles."""
    heap = glassheap.Heap(1 << 16)

    def work(number: int) -> None:
        for _ in range(200):
            with suppress(glassheap.InvalidPointer, glassheap.OutOfMemory):
                if number == 0:
                    heap.reset()
                use(heap)

    run_in_threads(work)
    assert_sound(heap)


def close_between_views(heap: glassheap.Heap) -> None:
    while not heap.closed:
        with suppress(BufferError):  # another thread has a view at the moment
            heap.close()


@pytest.mark.parametrize("attempt", range(10))
def test_a_heap_can_be_closed_while_other_threads_work(attempt: int) -> None:
    """Only a view delays close(); the calls of other threads then raise HeapClosed."""
    heap = glassheap.Heap(1 << 18)

    def work(number: int) -> None:
        if number == 0:
            time.sleep(0.001 * attempt)
            close_between_views(heap)
        with suppress(glassheap.HeapClosed):
            while True:
                use(heap)
                with heap.alloc(10) as block:
                    memoryview(block).release()

    run_in_threads(work)
    assert heap.closed


LONG_CALLS: dict[str, Callable[[glassheap.Heap], object]] = {
    "malloc_many": lambda heap: heap.malloc_many(bytes(400_000)),
    "free_many": lambda heap: heap.free_many([*heap]),
    "check": lambda heap: heap.check(),
}


@contextmanager
def counting_thread() -> Iterator[list[int]]:
    """A thread that counts its steps and releases the GIL after each."""
    steps = [0]
    ended = threading.Event()

    def step() -> None:
        while not ended.is_set():
            steps[0] += 1
            time.sleep(0)

    thread = threading.Thread(target=step)
    thread.start()
    yield steps
    ended.set()
    thread.join()


@pytest.mark.parametrize("name", LONG_CALLS)
def test_other_threads_run_during_a_long_call(name: str) -> None:
    """With a switch interval of 60 s, they can run only because the call releases the GIL."""
    sys.setswitchinterval(60)

    def others_run(steps: list[int]) -> bool:
        heap = glassheap.Heap(1 << 24)
        if name != "malloc_many":
            heap.malloc_many(bytes(400_000))
        before = steps[0]
        LONG_CALLS[name](heap)
        return steps[0] > before

    with counting_thread() as steps:
        progress = any(others_run(steps) for _ in range(20))
    assert progress
