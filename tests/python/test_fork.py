"""What a child inherits by fork is its parent's: nothing that ends there gives it back.

A child may use the heap by itself, and then is a process like any other.
"""

from __future__ import annotations

import gc
import mmap
import os
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from command_helpers import output_of
from glassheap import Block, SharedHeap
from process_helpers import NEEDS_SHARED_MEMORY, fork, forked, in_fork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = NEEDS_SHARED_MEMORY


@pytest.fixture(params=["segment", "file", "buffer"])
def heap(request: pytest.FixtureRequest, tmp_path: Path, segment_name: str) -> Iterator[SharedHeap]:
    """A heap that is shared by fork, in each kind of place."""
    if request.param == "segment":
        made = SharedHeap.create(segment_name, 1 << 16)
    elif request.param == "file":
        made = SharedHeap.create(path=tmp_path / "heap", size=1 << 16)
    else:
        made = SharedHeap.create(buffer=mmap.mmap(-1, 1 << 18))
    yield made
    gc.collect()
    made.close()


def let_go(owned: dict[str, Any]) -> None:
    """As at the end of an interpreter, and before: the last reference to each object goes."""
    owned.clear()
    gc.collect()


def enter_and_let_go(heap: SharedHeap, owned: dict[str, Any]) -> None:
    heap.free(heap.malloc(64))
    let_go(owned)


def assert_kept(heap: SharedHeap, owned: dict[str, Any], count: int) -> None:
    """Assert that a child that lets go of these objects leaves all `count` blocks to its parent."""
    in_fork(let_go, owned)
    in_fork(enter_and_let_go, heap, owned)
    in_fork(lambda: in_fork(let_go, owned))
    assert len(heap) == count
    assert heap.check() == []
    let_go(owned)
    assert len(heap) == 0, "here they are given back"


def test_a_block_that_ends_in_a_child_is_its_parents(heap: SharedHeap) -> None:
    owned: dict[str, Any] = {"block": heap.alloc(64), "shared": heap.alloc(64).share()}
    assert_kept(heap, owned, 2)


def test_a_view_that_ends_in_a_child_pins_in_its_parent(heap: SharedHeap) -> None:
    block = heap.alloc(64)
    owned: dict[str, Any] = {"block": block, "view": memoryview(block)}
    in_fork(let_go, owned)
    with pytest.raises(BufferError):
        block.free()
    del block
    assert_kept(heap, owned, 1)


def test_an_array_that_ends_in_a_child_is_its_parents(heap: SharedHeap) -> None:
    numpy = pytest.importorskip("numpy")
    array = heap.array(64, "u1")
    array[:] = 80
    owned: dict[str, Any] = {"array": array}
    in_fork(let_go, owned)
    others = [heap.malloc(64) for _ in range(20)]
    for address in others:
        heap.view(address)[:] = b"x" * 64
    assert numpy.all(array == 80)
    heap.free_many(others)
    del array
    assert_kept(heap, owned, 1)


def test_numpys_own_memory_that_ends_in_a_child_is_its_parents(heap: SharedHeap) -> None:
    numpy = pytest.importorskip("numpy")
    from glassheap.numpy import use

    def resize_and_end(owned: dict[str, Any]) -> list[int]:
        array = owned.pop("array")
        array.resize(2000, refcheck=False)
        resized: list[int] = array[[0, 99, 1999]].tolist()
        del array
        with use(heap):
            numpy.ones(10)  # made and freed here
        return resized

    with use(heap):
        owned: dict[str, Any] = {"array": numpy.full(100, 7)}
    assert in_fork(resize_and_end, owned) == [7, 7, 0]
    assert numpy.all(owned["array"] == 7)
    assert_kept(heap, owned, 1)


def test_a_with_statement_that_ends_in_a_child_frees_nothing(heap: SharedHeap) -> None:
    def leave(block: Block) -> None:
        block.__exit__(None, None, None)

    with heap.alloc(64) as block:
        in_fork(leave, block)
        assert block.live


ENDS = """
import os, sys, gc
from glassheap import SharedHeap
heap = SharedHeap.create(size=1 << 16)
heap.unlink()
array, block, view = heap.alloc(64), heap.alloc(64).share(), heap.view(heap.malloc(64))
view[:] = b"P" * 64
child = os.fork()
if child == 0:
    sys.exit(0)
os.waitpid(child, 0)
for _ in range(100):
    heap.view(heap.malloc(64))[:] = b"x" * 64
print(len(heap), bytes(view) == b"P" * 64, array.live, block.live, heap.check())
"""


def test_a_child_that_exits_frees_nothing() -> None:
    assert output_of(sys.executable, "-c", ENDS) == "103 True True True []\n"


def test_an_explicit_free_in_a_child_frees(heap: SharedHeap) -> None:
    """The child is another process that uses the heap: it may free any block."""
    block, address = heap.alloc(64), heap.malloc(64)
    in_fork(heap.free, address)
    assert [*heap] == [block.address]
    in_fork(block.free)
    assert len(heap) == 0
    assert not block.live


def test_a_child_is_a_process_of_its_own(heap: SharedHeap) -> None:
    heap.malloc(1)
    child = in_fork(lambda: (heap.malloc(2), os.getpid(), heap._number))[1:]
    owners = [(one.size, one.pid, one.alive) for one in heap.owners()]
    assert owners == [(1, os.getpid(), True), (2, child[0], False)]
    assert child[1] != heap._number


def test_a_child_drops_no_reference_of_its_parent(heap: SharedHeap) -> None:
    block = heap.alloc(64).share()
    in_fork(block.free)  # this child has none to drop
    assert block.live
    assert [one.holders for one in heap.owners()] == [1]
    block.free()
    assert len(heap) == 0


def test_a_child_may_take_a_reference_of_its_own(heap: SharedHeap) -> None:
    owned: dict[str, Any] = {"block": heap.alloc(64).share()}

    def share_and_let_go() -> list[int]:
        owned["block"].share()
        counts = [one.holders for one in heap.owners()]
        let_go(owned)
        return counts + [one.holders for one in heap.owners()]

    assert in_fork(share_and_let_go) == [2, 1]
    assert_kept(heap, owned, 1)


def test_a_child_outlives_its_parent_and_uses_the_heap(heap: SharedHeap) -> None:
    """It neither keeps its dead parent alive, nor waits for it."""
    ours, theirs = os.pipe()

    def parent() -> None:
        heap.malloc(3)
        with forked(grandchild):
            os.kill(os.getpid(), signal.SIGKILL)

    def grandchild() -> None:
        while os.getppid() != 1 and os.getppid() == parent_pid:
            time.sleep(0.001)
        owners = [(one.size, one.alive) for one in heap.owners()]
        heap.malloc(4)
        os.write(theirs, repr(owners).encode())
        time.sleep(0.2)

    child = fork()
    if child == 0:
        parent_pid = os.getpid()
        with suppress(BaseException):
            parent()
        os._exit(1)
    os.close(theirs)
    os.waitpid(child, 0)
    assert os.read(ours, 100) == b"[(3, False)]"
    assert [(one.size, one.alive) for one in heap.owners()] == [(3, False), (4, True)]
    os.close(ours)
    until = time.monotonic() + 20
    while heap.owners()[1].alive and time.monotonic() < until:
        time.sleep(0.01)
    assert not heap.owners()[1].alive, "after the end of the grandchild"


def test_closing_an_inherited_heap_closes_no_file_of_the_program() -> None:
    """A daemon closes all descriptors first, and a file of its own gets their numbers."""
    with SharedHeap.create(size=1 << 16) as heap:

        def close_as_a_daemon() -> bool:
            os.closerange(3, 200)
            files = [os.open(os.devnull, os.O_RDONLY) for _ in range(100)]
            heap.close()
            return all(os.fstat(file) for file in files)

        assert in_own_descriptors(close_as_a_daemon)


def in_own_descriptors(work: Callable[[], bool]) -> bool:
    """The result of `work()` in a forked child, which may close every descriptor."""
    child = fork()
    if child == 0:
        with suppress(BaseException):
            os._exit(0 if work() else 1)
        os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
