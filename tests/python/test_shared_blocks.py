"""Blocks of a SharedHeap: sending them to another process, references to them, and their owners."""

from __future__ import annotations

import os
import pickle
import signal
from typing import TYPE_CHECKING, Any

import pytest

import glassheap
from glassheap import SharedHeap
from process_helpers import (
    NEEDS_SHARED_MEMORY,
    START_METHODS,
    forked,
    in_child,
    in_fork,
    kill,
    to_upper,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = NEEDS_SHARED_MEMORY


@pytest.fixture
def heap() -> Iterator[SharedHeap]:
    """A fresh heap in shared memory."""
    with SharedHeap.create(size=1 << 16) as heap:
        yield heap
        assert heap.check() == []


# --- Sending blocks. ------------------------------------------------------------------------------


@pytest.mark.parametrize("how", START_METHODS)
def test_a_sent_block_is_opened_in_the_other_process(heap: SharedHeap, how: str) -> None:
    with heap.alloc(5) as block:
        block[:] = b"hello"
        assert in_child(to_upper, block, how=how) == b"HELLO"
        assert bytes(block) == b"HELLO"
        assert block.live, "the other process does not free it"


def test_a_pickled_block_is_small_whatever_its_size(heap: SharedHeap) -> None:
    sizes = [len(pickle.dumps(heap.alloc(size))) for size in (1, 60_000)]
    assert max(sizes) < 400
    assert sizes[1] - sizes[0] < 10


def test_a_sent_block_that_was_freed_meanwhile_is_stale(heap: SharedHeap) -> None:
    block = heap.alloc(10)
    sent = pickle.dumps(block)
    block.free()
    assert heap.alloc(10).address == block.address
    with pytest.raises(glassheap.StaleHandle):
        memoryview(pickle.loads(sent))


def test_a_block_unpickled_in_its_process_has_the_same_heap(heap: SharedHeap) -> None:
    block = heap.alloc(10)
    again = pickle.loads(pickle.dumps(block))
    assert again.heap is heap
    assert again.address == block.address


# --- Holders and owners. --------------------------------------------------------------------------


def test_the_last_holder_frees_the_block(heap: SharedHeap) -> None:
    block = heap.alloc(10).share()
    assert block.shared
    copy = pickle.loads(pickle.dumps(block))
    assert heap.owners()[0].holders == 2
    block.free()
    assert copy.live
    copy.free()
    assert len(heap) == 0


def test_a_reference_is_dropped_once(heap: SharedHeap) -> None:
    """A second free of a Block is refused: the reference that is left is another process's."""
    block = heap.alloc(10).share()
    copy = pickle.loads(pickle.dumps(block))
    block.free()
    for free in (block.free, lambda: heap.free(block)):
        with pytest.raises(glassheap.StaleHandle, match=f"{block.address:#x}") as info:
            free()
        assert info.value.address == block.address
    assert [one.holders for one in heap.owners()] == [1]
    copy.free()
    assert len(heap) == 0


def test_the_last_holder_cannot_free_the_block_under_a_view(heap: SharedHeap) -> None:
    block = heap.alloc(100).share()
    with memoryview(block), pytest.raises(BufferError, match="a view of the block at 0x10"):
        block.free()
    assert [(owned.address, owned.holders) for owned in heap.owners()] == [(16, 1)]
    block.free()
    assert len(heap) == 0


def test_a_block_freed_by_its_address_is_stale_for_its_holder(heap: SharedHeap) -> None:
    heap.malloc(8)
    block = heap.alloc(100).share()
    heap.free(block.address)
    for use in (block.free, block._send):
        with pytest.raises(glassheap.StaleHandle, match=f"{block.address:#x}") as info:
            use()
        assert info.value.address == block.address


def test_each_opening_of_one_pickle_is_a_holder_of_its_own(heap: SharedHeap) -> None:
    """The second one does not take the sender's reference."""
    block = heap.alloc(10).share()
    sent = pickle.dumps(block)
    copies = [pickle.loads(sent) for _ in range(3)]
    assert [one.holders for one in heap.owners()] == [4]
    for copy in copies:
        copy.free()
        assert block.live
    block.free()
    with pytest.raises(glassheap.StaleHandle):
        pickle.loads(sent)
    assert len(heap) == 0


def test_a_pickle_that_is_opened_in_two_processes_frees_nothing(heap: SharedHeap) -> None:
    block = heap.alloc(5).share()
    block[:] = b"hello"
    sent = pickle.dumps(block)
    assert [in_fork(lambda: bytes(pickle.loads(sent))) for _ in range(2)] == [b"hello"] * 2
    heap.reap()
    assert (bytes(block), [one.holders for one in heap.owners()]) == (b"hello", [1])


def test_a_pickle_that_nobody_opens_does_not_hold_for_ever(heap: SharedHeap) -> None:
    block = heap.alloc(10).share()
    sent = pickle.dumps(block)
    assert (heap.reap(unopened=60), [one.holders for one in heap.owners()]) == (0, [2])
    assert (heap.reap(unopened=0), [one.holders for one in heap.owners()]) == (0, [1])
    late = pickle.loads(sent)
    block.free()
    assert late.live
    late.free()
    block = heap.alloc(10).share()
    pickle.dumps(block)
    block.free()
    assert (len(heap), heap.reap(), heap.reap(unopened=0), len(heap)) == (1, 0, 1, 0)


def test_a_pickle_of_a_dead_process_goes_with_it(heap: SharedHeap) -> None:
    sent = in_fork(lambda: pickle.dumps(heap.alloc(10).share()))
    assert len(heap) == 1
    block = pickle.loads(sent)
    assert (heap.reap(), block.live) == (0, True)
    block.free()
    in_fork(lambda: pickle.dumps(heap.alloc(10).share()))
    assert (heap.reap(), len(heap)) == (1, 0)


def share_many(heap: SharedHeap, count: int) -> list[glassheap.Block]:
    return [heap.block(p).share() for p in heap.malloc_many([0] * count)]


def share_many_and_die(heap: SharedHeap, count: int) -> None:
    blocks = share_many(heap, count)
    os.kill(os.getpid(), signal.SIGKILL)
    del blocks


def test_a_full_table_of_references_names_its_limit_and_the_dead() -> None:
    with SharedHeap.create(size=1 << 17) as heap:
        with forked(share_many_and_die, heap, 96) as child:
            os.waitpid(child, 0)
        ours = share_many(heap, 4000)
        block = heap.alloc(10)
        for refused in (block.share, ours[0]._send):
            with pytest.raises(glassheap.TooManyReferences, match=r"4096 .* 96 of them by dead"):
                refused()
        assert not block.shared
        assert heap.reap() == 96
        assert block.share().shared


@pytest.mark.parametrize(
    ("unopened", "error"), [(-1, ValueError), (float("nan"), ValueError), ("1", TypeError)]
)
def test_the_age_of_unopened_pickles_is_a_number(
    heap: SharedHeap, unopened: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"^unopened "):
        heap.reap(unopened=unopened)


def hold_until_killed(sent: bytes, ready: int) -> None:
    block = pickle.loads(sent)
    os.write(ready, block.address.to_bytes(1, "little"))
    signal.pause()


def test_reap_releases_the_blocks_of_a_killed_process(heap: SharedHeap) -> None:
    """Not those of a living one, nor one under a view of this process."""
    block = heap.alloc(10).share()
    ours, theirs = os.pipe()
    with forked(hold_until_killed, pickle.dumps(block), theirs) as child:
        assert os.read(ours, 1)[0] == block.address
        block.free()
        assert heap.reap() == 0, "a live process has a reference"
        assert len(heap) == 1
        kill(child)
    with heap.view(block.address):
        assert (heap.reap(), len(heap)) == (0, 1)
    assert (heap.reap(), len(heap)) == (1, 0)


def test_owners_lists_the_process_of_each_block(heap: SharedHeap) -> None:
    mine = heap.malloc(10)
    pid, theirs = in_fork(lambda: (os.getpid(), heap.malloc(20)))
    assert heap.owners() == [(mine, 10, os.getpid(), True, 0), (theirs, 20, pid, False, 0)]


def test_a_reset_removes_every_holder(heap: SharedHeap) -> None:
    """A new block at the address of a shared one has no references."""
    heap.alloc(10).share()
    old = heap.alloc(10).share()
    heap.reset()
    heap.malloc(10)
    assert [one.holders for one in heap.owners()] == [0]
    del old
    with heap.alloc(10).share():
        assert [one.holders for one in heap.owners()] == [0, 1]
    assert len(heap) == 1


def hold_and_die(heap: SharedHeap, address: int) -> None:
    block = heap.block(address).share()
    assert block.shared
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.any_interpreter
def test_the_number_of_a_dead_process_is_not_reused_while_it_holds_a_block(
    heap: SharedHeap,
) -> None:
    """References of dead processes stay until they are reaped."""
    address = heap.malloc(10)
    for _ in range(260):
        with forked(hold_and_die, heap, address) as child:
            os.waitpid(child, 0)
    assert heap.owners()[0].holders == 260
    assert heap.reap() == 1
