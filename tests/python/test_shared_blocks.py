"""Blocks of a SharedHeap: sending them to another process, their holders and their owners."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
from typing import TYPE_CHECKING

import pytest

import glassheap
from glassheap import SharedHeap
from process_helpers import NEEDS_SHARED_MEMORY, START_METHODS, forked, in_child, kill, to_upper

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

pytestmark = NEEDS_SHARED_MEMORY


# --- Sending blocks. ------------------------------------------------------------------------------


@pytest.mark.parametrize("how", START_METHODS)
def test_a_sent_block_is_opened_in_the_other_process(how: str) -> None:
    with SharedHeap.create(size=1 << 16) as heap, heap.alloc(5) as block:
        memoryview(block)[:] = b"hello"
        assert in_child(to_upper, block, how=how) == b"HELLO"
        assert bytes(block) == b"HELLO"
        assert block.live, "the other process does not free it"


def test_a_pickled_block_is_small_whatever_its_size() -> None:
    with SharedHeap.create(size=1 << 20) as heap:
        small, large = heap.alloc(1), heap.alloc(900_000)
        sizes = [len(pickle.dumps(block)) for block in (small, large)]
        assert max(sizes) < 400
        assert sizes[1] - sizes[0] < 10


def test_a_sent_block_that_was_freed_meanwhile_is_stale() -> None:
    with SharedHeap.create(size=1 << 16) as heap:
        block = heap.alloc(10)
        sent = pickle.dumps(block)
        block.free()
        again = heap.alloc(10)
        assert again.address == block.address
        with pytest.raises(glassheap.StaleHandle):
            memoryview(pickle.loads(sent))


def test_a_block_unpickled_in_its_process_has_the_same_heap() -> None:
    with SharedHeap.create(size=1 << 16) as heap:
        block = heap.alloc(10)
        again = pickle.loads(pickle.dumps(block))
        assert again.heap is heap
        assert again.address == block.address


# --- Holders and owners. --------------------------------------------------------------------------


def test_the_last_holder_frees_the_block() -> None:
    with SharedHeap.create(size=1 << 16) as heap:
        block = heap.alloc(10).share()
        assert block.shared
        copy = pickle.loads(pickle.dumps(block))
        assert heap.owners()[0].holders == 2
        block.free()
        assert copy.live
        copy.free()
        assert len(heap) == 0


def hold_until_killed(sent: bytes, pipe: Connection) -> None:
    block = pickle.loads(sent)
    pipe.send(block.address)
    signal.pause()


def test_reap_releases_the_blocks_of_a_killed_process() -> None:
    with SharedHeap.create(size=1 << 16) as heap:
        block = heap.alloc(10).share()
        ours, theirs = multiprocessing.Pipe()
        with forked(hold_until_killed, pickle.dumps(block), theirs) as child:
            assert ours.recv() == block.address
            block.free()
            assert heap.reap() == 0, "a live process holds the block"
            assert len(heap) == 1
            kill(child)
        assert len(heap) == 1
        assert heap.reap() == 1
        assert len(heap) == 0
        assert heap.check() == []


def test_owners_lists_the_process_of_each_block() -> None:
    with SharedHeap.create(size=1 << 16) as heap:
        mine = heap.malloc(10)
        pid, theirs = in_child(lambda: (os.getpid(), heap.malloc(20)))
        mine_owned, theirs_owned = heap.owners()
        assert mine_owned == (mine, 10, os.getpid(), True, 0)
        assert theirs_owned == (theirs, 20, pid, False, 0)


def test_a_reset_removes_every_holder() -> None:
    """A new block at the address of a shared one has no holders."""
    with SharedHeap.create(size=1 << 16) as heap:
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


def test_the_number_of_a_dead_process_is_not_reused_while_it_holds_a_block() -> None:
    """There are 255 numbers; blocks of dead processes have their holders until they are reaped."""
    with SharedHeap.create(size=1 << 16) as heap:
        address = heap.malloc(10)
        for _ in range(260):
            with forked(hold_and_die, heap, address) as child:
                os.waitpid(child, 0)
        holders = heap.owners()[0].holders
        assert holders == 254
        assert heap.reap() == 1
        assert heap.check() == []
