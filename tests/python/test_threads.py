"""One heap used by many threads at the same time: the bindings, and the GIL.

tests/cpp/threads_test.cpp has the heap itself, in every policy.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
import sysconfig
import threading
import time
from array import array
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

import glassheap
from glassheap import Heap, SharedHeap
from glassheap._core import Player
from heap_probes import assert_sound
from process_helpers import SHM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

THREADS = 4
NEEDS_SHM = pytest.mark.skipif(not SHM.is_dir(), reason="needs shared memory")


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


def use(heap: Heap, stamp: bytes) -> None:
    """Make calls of every kind; no other thread overwrites the blocks."""
    first, *others = heap.malloc_many([50] * 20)
    for address in others:
        with heap.view(address) as view:
            view[:] = stamp * 50
    with heap.alloc(50, align=64) as block:
        block[:] = stamp * 50
        heap.free(heap.realloc(first, 300))
        assert heap.check() == []
        assert sum(info.extent for info in heap.walk()) == heap.size
        assert bytes(block) == stamp * 50
    for address in others:
        with heap.view(address) as view:
            assert view == stamp * 50
    heap.free_many(others)


def free_in_threads(blocks: list[glassheap.Block]) -> None:
    """Let each thread free every block: one of them must succeed, and the others be refused."""
    freed: list[int] = []

    def work(number: int) -> None:
        for block in blocks:
            with suppress(glassheap.StaleHandle):
                block.free()
                freed.append(block.address)

    run_in_threads(work)
    assert sorted(freed) == [block.address for block in blocks]


def test_a_block_is_freed_by_one_of_many_threads() -> None:
    heap = Heap(1 << 16)
    blocks = [heap.alloc(100) for _ in range(300)]
    free_in_threads(blocks)
    assert heap.stats().frees == 300
    assert_sound(heap)


@NEEDS_SHM
def test_a_reference_is_dropped_by_one_of_many_threads() -> None:
    """The others are refused, and the reference of another Block stays."""
    with SharedHeap.create(size=1 << 16) as heap:
        blocks = [heap.alloc(100).share() for _ in range(100)]
        copies = [pickle.loads(pickle.dumps(block)) for block in blocks]
        free_in_threads(blocks)
        assert [one.holders for one in heap.owners()] == [1] * len(blocks)
        for copy in copies:
            copy.free()
        assert_sound(heap)


@NEEDS_SHM
def test_many_threads_share_one_block() -> None:
    """It has one reference afterwards, whichever thread was first."""
    with SharedHeap.create(size=1 << 16) as heap:
        blocks = [heap.alloc(100) for _ in range(100)]

        def work(number: int) -> None:
            for block in blocks:
                block.share()

        run_in_threads(work)
        assert [one.holders for one in heap.owners()] == [1] * len(blocks)
        for block in blocks:
            block.free()
        assert len(heap) == 0


def test_a_heap_that_many_threads_initialise_is_one_heap() -> None:
    """The first region stays: no address of another one was handed out."""
    for _ in range(30):
        heap = Heap.__new__(Heap)

        def work(number: int, heap: Heap = heap) -> None:
            Heap.__init__(heap, 1 << 12)
            heap.free(heap.malloc(100))

        run_in_threads(work)
        assert heap.stats().mallocs == heap.stats().frees == THREADS


def test_many_threads_run_one_player() -> None:
    """Each operation is done as often as it was asked for, and every failure is counted."""
    heap = Heap(1 << 16)
    player = Player(heap, 100)
    kinds, sizes = array("B", [0, 2] * 100 + [0]), array("Q", [50] * 200 + [1 << 20])
    ids = array("I", [place // 2 for place in range(200)] + [0])

    def work(number: int) -> None:
        for _ in range(50):
            assert player.play(kinds, ids, sizes, 0, len(kinds)) == len(kinds)

    run_in_threads(work)
    assert player.failures == 50 * THREADS
    assert player.first_failure == len(kinds) - 1
    assert len(heap) == 0
    assert_sound(heap)


def test_a_trace_that_changes_while_it_is_played_is_refused() -> None:
    """Its columns were valid when the call began, and are not when the operation is reached."""
    sys.setswitchinterval(60)  # with a GIL, the other thread runs when the call releases it
    count = 1_000_000
    kinds, ids, sizes = array("B", bytes(count)), array("I", bytes(4 * count)), array("Q")
    kinds[1::2] = array("B", [2]) * (count // 2)
    sizes.frombytes(bytes(8 * count))
    begins = threading.Event()

    def play() -> None:
        player = Player(Heap(4096), 1)
        for _ in range(1000):  # on a busy machine the other thread starts late
            player.play(kinds, ids, sizes, 0, count)

    def spoil() -> None:
        begins.wait()
        ids[count - 1] = 0xFFFFFFFF

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(spoil)
        begins.set()
        with pytest.raises(ValueError, match=f"operation {count - 1} has no such kind, id"):
            play()
        done.result()


@pytest.mark.skipif(
    not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this CPython is not free-threaded"
)
def test_importing_the_package_leaves_the_gil_disabled() -> None:
    """A module that does not declare that it needs no GIL would enable it, with a warning."""
    program = "import sys, glassheap.shared; sys.exit(sys._is_gil_enabled())"
    subprocess.run([sys.executable, "-E", "-W", "error", "-c", program], check=True)


def test_a_heap_can_be_reset_while_other_threads_work() -> None:
    """The other threads raise only InvalidPointer, for freed addresses and stale handles."""
    heap = Heap(1 << 16)

    def work(number: int) -> None:
        for _ in range(300):
            with suppress(glassheap.InvalidPointer, glassheap.OutOfMemory):
                if number == 0:
                    heap.reset()
                block = heap.alloc(100)
                heap.free_many([heap.realloc(heap.malloc(50), 70), *heap.malloc_many([50] * 20)])
                heap.check()
                block.free()

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
                use(heap, bytes([number]))

    run_in_threads(work)
    assert heap.closed


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
