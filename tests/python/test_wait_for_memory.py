"""Requests that wait for memory: their order, their end, and what is left when they are given up.

Threads are known to wait by stats().waits, which counts those that lined up: so no test guesses
with a sleep who comes first.
"""

from __future__ import annotations

import asyncio
import math
import os
import signal
import threading
import time
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import pytest

from glassheap import Heap, HeapClosed, HeapDamaged, OutOfMemory, SharedHeap
from process_helpers import NEEDS_FORK, forked, in_fork

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

LONG = 30.0
"""A timeout that no test waits for."""
SOON = 10.0
"""Seconds in which a waiter that was called is served, on the slowest machine."""


def full_heap(*sizes: int, **options: Any) -> tuple[Heap, list[int]]:
    """A heap of blocks of these sizes and no other byte, and their addresses."""
    heap = Heap(sum(sizes), base=4096, headers=False, **options)
    return heap, [heap.malloc(size) for size in sizes]


def until(condition: Callable[[], object]) -> None:
    """Return when the condition holds."""
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


class Waiter(threading.Thread):
    """A thread that makes one request, and has lined up when it is constructed."""

    def __init__(self, heap: Heap, request: Callable[[], Any], log: SimpleQueue[Any]) -> None:
        super().__init__()
        self.request, self.log = request, log
        self.result: Any = None
        before = heap.stats().waits
        self.start()
        until(lambda: heap.stats().waits > before)

    def run(self) -> None:
        try:
            self.result = self.request()
        except Exception as error:  # noqa: BLE001  (the test looks at it)
            self.result = error
        self.log.put(self)


class Line:
    """Threads that wait for memory of one heap, one behind the other."""

    def __init__(self, heap: Heap) -> None:
        self.heap = heap
        self.served: SimpleQueue[Waiter] = SimpleQueue()
        self.waiters: list[Waiter] = []

    def add(self, size: int, timeout: float = LONG, **options: Any) -> Waiter:
        """One more thread that waits."""

        def request() -> int:
            return self.heap.malloc(size, timeout=timeout, **options)

        self.waiters.append(Waiter(self.heap, request, self.served))
        return self.waiters[-1]

    def next(self) -> Waiter:
        """The waiter that ends next."""
        return self.served.get(timeout=SOON)

    def is_quiet(self) -> bool:
        """True if nobody is served for a while."""
        time.sleep(0.05)
        return self.served.empty()


@contextmanager
def line_of(heap: Heap) -> Iterator[Line]:
    """A line whose threads have all ended behind the with statement."""
    line = Line(heap)
    try:
        yield line
    finally:
        for waiter in line.waiters:
            waiter.join(LONG)
            assert not waiter.is_alive()


# --- The order. -----------------------------------------------------------------------------------


def test_waiters_are_served_in_order_of_arrival() -> None:
    heap, addresses = full_heap(64, 64, 64, 64)
    with line_of(heap) as line:
        waiters = [line.add(64) for _ in addresses]
        for address, waiter in zip(addresses, waiters, strict=True):
            heap.free(address)
            assert line.next() is waiter
            assert waiter.result == address
    assert heap.stats().waits == 4


def test_one_free_serves_all_who_fit() -> None:
    heap, addresses = full_heap(256)
    with line_of(heap) as line:
        waiters = [line.add(64) for _ in range(4)]
        heap.free(addresses[0])
        assert [line.next() for _ in waiters] == waiters


def test_a_large_request_is_not_starved_by_small_ones_behind_it() -> None:
    heap, addresses = full_heap(64, 64, 64, 64)
    with line_of(heap) as line:
        large, small = line.add(256), line.add(16)
        for address in addresses[:3]:
            heap.free(address)
            assert line.is_quiet()
        heap.free(addresses[3])
        assert line.next() is large
        assert line.is_quiet()
        heap.free(large.result)
        assert line.next() is small


def test_a_call_without_timeout_does_not_wait_behind_the_line() -> None:
    heap, addresses = full_heap(64, 64)
    with line_of(heap) as line:
        large = line.add(128)
        heap.free(addresses[0])
        between = heap.malloc(16)
        heap.free(addresses[1])
        assert line.is_quiet()
        heap.free(between)
        assert line.next() is large


def test_a_request_that_fits_waits_behind_others() -> None:
    heap, addresses = full_heap(64, 64)
    with line_of(heap) as line:
        large = line.add(128)
        heap.free(addresses[0])
        small = line.add(16)
        assert line.is_quiet()
        heap.free(addresses[1])
        assert line.next() is large
        heap.free(large.result)
        assert line.next() is small


WAYS: dict[str, Callable[[Heap, int], object]] = {
    "free": lambda heap, address: heap.free(address),
    "free_many": lambda heap, address: heap.free_many([address]),
    "realloc": lambda heap, address: heap.realloc(address, 0),
    "reset": lambda heap, _: heap.reset(),
}
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "cached": {"thread_cache": True},
    "debug": {"checks": "debug"},
    "quarantine": {"checks": "debug", "quarantine": 4096},
    "buddy": {"policy": "buddy"},
    "one thread": {"threads": False},
    "quick fit": {"policy": "quick_fit"},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS)
def test_whatever_frees_memory_serves(kind: str, way: str) -> None:
    heap = Heap(4096, base=4096, **KINDS[kind])
    addresses: list[int] = []
    with suppress(OutOfMemory):
        while True:
            addresses.append(heap.malloc(300))
    while left := heap.largest_free():
        heap.malloc(left)
    with line_of(heap) as line:
        waiter = line.add(200)
        WAYS[way](heap, addresses[0])
        assert line.next() is waiter
        assert waiter.result in heap
    assert heap.check() == []


@pytest.mark.parametrize("kind", ["plain", "cached", "shared"])
def test_a_free_wakes_a_thread_at_once(kind: str) -> None:
    """Not only when the thread looks again, a tenth of a second later."""
    heap = SharedHeap.create(size=4096) if kind == "shared" else Heap(4096, **KINDS[kind])
    delays = []
    for _ in range(5):
        heap.reset()
        address = heap.malloc(500)
        heap.malloc(heap.largest_free())
        with line_of(heap) as line:
            waiter = line.add(400)
            begin = time.monotonic()
            heap.free(address)
            assert line.next() is waiter
            delays.append(time.monotonic() - begin)
    assert min(delays) < 0.02
    if isinstance(heap, SharedHeap):
        heap.unlink()
    heap.close()


def test_a_block_that_frees_itself_serves() -> None:
    heap = Heap(4096)
    block = heap.alloc(heap.largest_free())
    with line_of(heap) as line:
        waiter = line.add(100)
        block.free()
        assert line.next() is waiter


def test_alloc_waits_too() -> None:
    heap, addresses = full_heap(128)
    served: SimpleQueue[Waiter] = SimpleQueue()
    waiter = Waiter(heap, lambda: heap.alloc(32, timeout=LONG, align=32), served)
    heap.free(addresses[0])
    assert served.get(timeout=SOON) is waiter
    assert waiter.result.size == 32
    waiter.result.free()
    waiter.join()
    assert len(heap) == 0


# --- The end of a wait. ---------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["malloc", "alloc"])
def test_a_timeout_ends_in_out_of_memory(call: str) -> None:
    heap, addresses = full_heap(64)
    begin = time.monotonic()
    with pytest.raises(
        OutOfMemory, match=r"It waited 0\.\d\d seconds for others to free enough\.$"
    ):
        getattr(heap, call)(16, timeout=0.05)
    assert 0.05 <= time.monotonic() - begin < SOON
    stats = heap.stats()
    assert (stats.waits, stats.failures) == (1, 1)
    assert 0.05 <= stats.waited < SOON
    assert [*heap] == addresses


def test_who_gives_up_lets_the_next_one_try() -> None:
    heap, addresses = full_heap(64, 64)
    with line_of(heap) as line:
        large, small = line.add(128, timeout=0.3), line.add(16)
        heap.free(addresses[0])
        assert line.next() is large
        assert isinstance(large.result, OutOfMemory)
        assert line.next() is small


def test_no_timeout_and_no_time_do_not_wait() -> None:
    heap, _ = full_heap(64)
    for timeout in (None, 0, 0.0):
        with pytest.raises(OutOfMemory):
            heap.malloc(16, timeout=timeout)
    assert heap.stats().waited < SOON


def test_what_is_served_at_once_does_not_wait(any_heap: Heap) -> None:
    assert any_heap.malloc(100, timeout=LONG) in any_heap
    assert any_heap.malloc(100, align=64, timeout=math.inf) % 64 == 0
    assert any_heap.stats().waits == 0


@pytest.mark.parametrize("timeout", [-1, math.nan, -math.inf])
def test_a_timeout_is_not_negative(heap: Heap, timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout is a number of seconds from 0 upwards"):
        heap.malloc(16, timeout=timeout)
    with pytest.raises(TypeError, match="timeout must be a number"):
        heap.malloc(16, timeout="1")  # type: ignore[arg-type]


def test_eviction_comes_before_the_wait() -> None:
    heap, addresses = full_heap(64, 64)
    assert heap.malloc(64, evict=lambda b: heap.free(b[0].address), timeout=LONG) == addresses[0]
    with pytest.raises(OutOfMemory, match=r"freed none of them\. It waited 0\.0\d seconds"):
        heap.malloc(64, evict=lambda _: None, timeout=0.02)


def test_ctrl_c_ends_a_wait() -> None:
    heap, addresses = full_heap(64)
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        until(lambda: heap.stats().waits)
        signal.pthread_kill(main, signal.SIGINT)

    interrupter = threading.Thread(target=interrupt)
    interrupter.start()
    with pytest.raises(KeyboardInterrupt):
        heap.malloc(16, timeout=LONG)
    interrupter.join()
    heap.free(addresses[0])
    assert heap.malloc(64, timeout=LONG) == addresses[0]


def test_a_closed_heap_refuses_who_waits() -> None:
    heap, _ = full_heap(64)
    with line_of(heap) as line:
        waiters = [line.add(16), line.add(16)]
        heap.close()
        assert {line.next(), line.next()} == {*waiters}
    assert all(isinstance(waiter.result, HeapClosed) for waiter in waiters)


def test_a_damaged_heap_refuses_who_waits() -> None:
    buffer = bytearray(4096)
    heap = Heap.over(buffer, base=0)
    first = heap.malloc(16)
    heap.malloc(heap.largest_free())
    with line_of(heap) as line:
        waiter = line.add(16)
        offset = heap.address - Heap.over(bytearray(64)).address  # the region begins in the buffer
        del offset
        start = buffer.index((0xDEADBEEF).to_bytes(4, "little")) - 8
        buffer[start : start + 16] = bytes(16)
        with suppress(Exception):
            heap.free(first)
        assert line.next() is waiter
    assert isinstance(waiter.result, HeapDamaged)


# --- Fork. ----------------------------------------------------------------------------------------


@NEEDS_FORK
def test_a_child_does_not_serve_the_threads_of_its_parent() -> None:
    heap, addresses = full_heap(64, 64)

    def in_child() -> tuple[bool, int]:
        heap.free(addresses[0])
        return heap.malloc(64, timeout=SOON) == addresses[0], len(heap)

    with line_of(heap) as line:
        waiter = line.add(64)
        assert in_fork(in_child) == (True, 2)
        assert line.is_quiet()
        heap.free(addresses[1])
        assert line.next() is waiter


# --- Event loops. ---------------------------------------------------------------------------------


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine, in a loop of its own, within a bounded time."""

    async def bounded() -> Any:
        return await asyncio.wait_for(coroutine, LONG)

    return asyncio.run(bounded())


async def lined_up(heap: Heap, request: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """A task that waits."""
    before = heap.stats().waits
    task = asyncio.create_task(request)
    while heap.stats().waits == before:
        await asyncio.sleep(0)
    return task


def test_amalloc_is_served_at_once_if_there_is_room(any_heap: Heap) -> None:
    assert run(any_heap.amalloc(100)) in any_heap
    assert run(any_heap.amalloc(100, align=64, timeout=1)) % 64 == 0
    assert any_heap.stats().waits == 0


def test_amalloc_waits_without_blocking_the_loop() -> None:
    heap, addresses = full_heap(64)

    async def main() -> int:
        task = await lined_up(heap, heap.amalloc(32))
        await asyncio.sleep(0.01)
        heap.free(addresses[0])
        return int(await task)

    assert run(main()) == addresses[0]
    assert heap.stats().failures == 0


def test_a_thread_wakes_a_loop_at_once() -> None:
    """By its bell, not by looking again."""
    heap, addresses = full_heap(64)

    async def main() -> float:
        task = await lined_up(heap, heap.amalloc(64))
        await asyncio.sleep(0.01)
        freed: list[float] = []

        def free() -> None:
            freed.append(time.monotonic())
            heap.free(addresses[0])

        threading.Thread(target=free).start()
        await task
        return time.monotonic() - freed[0]

    delays = []
    for _ in range(5):
        delays.append(run(main()))
        addresses[:] = [*heap]
    assert min(delays) < 0.05


def test_coroutines_and_threads_are_in_one_line() -> None:
    heap, addresses = full_heap(64, 64, 64)

    async def main(line: Line) -> None:
        first = await lined_up(heap, heap.amalloc(64))
        second = line.add(64)
        third = await lined_up(heap, heap.amalloc(64))
        heap.free(addresses[0])
        assert await first == addresses[0]
        assert line.is_quiet()
        heap.free(addresses[1])
        assert line.next() is second
        assert not third.done()
        heap.free(addresses[2])
        assert await third == addresses[2]

    with line_of(heap) as line:
        run(main(line))


def test_amalloc_ends_with_its_timeout() -> None:
    heap, _ = full_heap(64)
    with pytest.raises(OutOfMemory, match=r"It waited 0\.02 seconds for others to free enough\.$"):
        run(heap.amalloc(16, timeout=0.02))
    assert heap.stats().failures == 1
    with pytest.raises(ValueError, match="timeout is a number of seconds"):
        run(heap.amalloc(16, timeout=math.nan))


def test_a_cancelled_coroutine_leaves_the_line() -> None:
    heap, addresses = full_heap(64)

    async def main() -> None:
        first = await lined_up(heap, heap.amalloc(64))
        second = await lined_up(heap, heap.amalloc(64))
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        heap.free(addresses[0])
        assert await second == addresses[0]
        assert len(heap) == 1

    run(main())


@pytest.mark.parametrize("pauses", range(4))
def test_a_coroutine_that_is_cancelled_when_it_is_called_leaks_nothing(pauses: int) -> None:
    """In each turn of the loop between the free and the end of the task."""
    heap, addresses = full_heap(64)

    async def main() -> None:
        first = await lined_up(heap, heap.amalloc(64))
        second = await lined_up(heap, heap.amalloc(64))
        heap.free(addresses[0])
        for _ in range(pauses):
            await asyncio.sleep(0)
        first.cancel()
        with suppress(asyncio.CancelledError):
            heap.free(await first)
        assert await second == addresses[0]
        assert len(heap) == 1

    run(main())


def test_a_loop_leaves_no_socket_behind() -> None:
    from glassheap import waiting

    heap, _ = full_heap(64)
    with suppress(OutOfMemory):
        run(heap.amalloc(64, timeout=0.01))
    assert waiting._listeners == {}


def test_a_closed_heap_refuses_a_coroutine_that_waits() -> None:
    heap, _ = full_heap(64)

    async def main() -> None:
        task = await lined_up(heap, heap.amalloc(64))
        heap.close()
        with pytest.raises(HeapClosed):
            await task

    run(main())


# --- Processes. -----------------------------------------------------------------------------------


@pytest.fixture(name="shared")
def full_shared_heap() -> Iterator[tuple[SharedHeap, list[int]]]:
    """A shared heap of four blocks of 1,024 bytes and no other byte."""
    with SharedHeap.create(size=4096, headers=False) as heap:
        first = [heap.malloc(1024 - 16 * (i == 0)) for i in range(4)]
        assert heap.largest_free() == 0
        yield heap, first


def wait_and_hold(name: str, size: int) -> None:
    SharedHeap.attach(name).malloc(size, timeout=LONG)
    time.sleep(LONG)


def waits(heap: SharedHeap, count: int) -> Callable[[], bool]:
    return lambda: heap.stats().waits == count


@NEEDS_FORK
def test_processes_wait_in_one_line(shared: tuple[SharedHeap, list[int]]) -> None:
    heap, blocks = shared
    with forked(wait_and_hold, heap.name, 1024) as child, line_of(heap) as line:
        until(waits(heap, 1))
        ours = line.add(1024)
        heap.free(blocks[1])
        until(lambda: blocks[1] in heap)
        assert [block.pid for block in heap.owners() if block.address == blocks[1]] == [child]
        assert line.is_quiet()
        heap.free(blocks[2])
        assert line.next() is ours


@NEEDS_FORK
def test_another_process_wakes_a_thread_and_a_loop(shared: tuple[SharedHeap, list[int]]) -> None:
    heap, blocks = shared
    ours, theirs = os.pipe()

    def free_when_told(name: str) -> None:
        other = SharedHeap.attach(name)
        for block in blocks[1:3]:
            assert os.read(ours, 1) == b"f"
            other.free(block)
        time.sleep(LONG)

    async def main() -> int:
        task = await lined_up(heap, heap.amalloc(1024))
        os.write(theirs, b"f")
        return int(await task)

    with forked(free_when_told, heap.name), line_of(heap) as line:
        waiter = line.add(1024)
        os.write(theirs, b"f")
        assert line.next() is waiter
        assert waiter.result == blocks[1]
        assert run(main()) == blocks[2]
    os.close(ours)
    os.close(theirs)


@NEEDS_FORK
def test_a_killed_waiter_does_not_block_the_line(shared: tuple[SharedHeap, list[int]]) -> None:
    heap, blocks = shared
    with line_of(heap) as line:
        with forked(wait_and_hold, heap.name, 4096) as child:
            until(waits(heap, 1))
            ours = line.add(1024)
            os.kill(child, signal.SIGKILL)
        heap.free(blocks[1])
        assert line.next() is ours
    assert heap.check() == []


@NEEDS_FORK
def test_a_waiter_that_is_killed_when_nothing_is_freed_any_more_lets_others_in(
    shared: tuple[SharedHeap, list[int]],
) -> None:
    """The next one looks again by itself."""
    heap, blocks = shared
    with line_of(heap) as line:
        with forked(wait_and_hold, heap.name, 4096) as child:
            until(waits(heap, 1))
            ours = line.add(1024)
            heap.free(blocks[1])
            assert line.is_quiet()
            os.kill(child, signal.SIGKILL)
        assert line.next() is ours


def test_close_ends_the_waits_of_this_attachment_alone(
    shared: tuple[SharedHeap, list[int]],
) -> None:
    heap, blocks = shared
    other = SharedHeap.attach(heap.name)
    with line_of(other) as theirs, line_of(heap) as line:
        refused = theirs.add(1024)
        served = line.add(1024)
        other.close()
        assert theirs.next() is refused
        assert isinstance(refused.result, HeapClosed)
        heap.free(blocks[1])
        assert line.next() is served


# --- All at once. ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["plain", "cached", "shared"])
def test_many_threads_share_little_memory(kind: str) -> None:
    """Eight threads, each of which wants up to a half of the heap, and waits for it."""
    heap = SharedHeap.create(size=2048) if kind == "shared" else Heap(2048, **KINDS[kind])
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            for i in range(100):
                heap.free(heap.malloc(16 + (seed * 131 + i * 71) % 900, timeout=LONG))
        except BaseException as error:  # noqa: BLE001  (shown below)
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert failures == []
    assert len(heap) == 0
    assert heap.check() == []
    if isinstance(heap, SharedHeap):
        heap.unlink()
    heap.close()


def test_a_copy_of_a_heap_has_nobody_in_its_line(
    shared: tuple[SharedHeap, list[int]], tmp_path: Path
) -> None:
    heap, blocks = shared
    with line_of(heap) as line:
        waiter = line.add(1024)
        heap.backup(tmp_path / "copy")
        with SharedHeap.attach(path=tmp_path / "copy") as copy:
            copy.free(blocks[1])
            assert copy.malloc(1024, timeout=LONG) == blocks[1]
        assert line.is_quiet()
        heap.free(blocks[2])
        assert line.next() is waiter
    heap.close()
    heap.close()
