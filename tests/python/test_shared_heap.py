"""SharedHeap: the segment, file or buffer of a heap, its addresses, and its removal.

Processes are killed at random moments here; the C++ tests kill them at every store.
"""

from __future__ import annotations

import mmap
import os
import pickle
import random
import sys
import time
from typing import TYPE_CHECKING

import pytest

import glassheap
from command_helpers import output_of
from glassheap import SharedHeap
from process_helpers import (
    NEEDS_SHARED_MEMORY,
    SHM,
    START_METHODS,
    attach_and_allocate,
    forked,
    in_child,
    in_fork,
    kill,
    segments,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = NEEDS_SHARED_MEMORY


# --- Segments. ------------------------------------------------------------------------------------


def test_a_segment_exists_until_it_is_unlinked(segment_name: str) -> None:
    """It is accessible to its owner alone."""
    heap = SharedHeap.create(segment_name, 1 << 16)
    assert (heap.name, heap.path, heap.closed) == (segment_name, None, False)
    assert (SHM / segment_name).stat().st_mode & 0o777 == 0o600
    heap.unlink()
    assert not (SHM / segment_name).exists()
    heap.malloc(10)  # an attached process can still use the heap
    with pytest.raises(FileNotFoundError):
        heap.unlink()
    heap.close()
    heap.close()
    assert heap.closed
    with pytest.raises(glassheap.HeapClosed):
        heap.malloc(10)
    with pytest.raises(glassheap.HeapClosed), heap:
        pytest.fail("a closed heap was entered")


def test_a_segment_without_a_given_name_gets_a_unique_one() -> None:
    with SharedHeap.create(size=4096) as one, SharedHeap.create(size=4096) as other:
        assert one.name != other.name
        assert {one.name, other.name} <= segments()
    assert not {one.name, other.name} & segments()


def test_the_repr_of_a_shared_heap_says_where_it_is(segment_name: str, tmp_path: Path) -> None:
    path = str(tmp_path / "heap")
    places = {
        f"shared memory {segment_name!r}": SharedHeap.create(segment_name, 4096),
        f"the file {path!r}": SharedHeap.create(path=path, size=4096),
        "a buffer": SharedHeap.create(buffer=mmap.mmap(-1, 1 << 18)),
    }
    for place, heap in places.items():
        with heap:
            start = f"<SharedHeap of {heap.size} bytes in {place}, first_fit"
            free = heap.available_memory()
            assert repr(heap) == f"{start}: 0 live, 1 free, {free} bytes available>"
        assert repr(heap) == f"{start}, closed>"


def test_two_attachments_see_the_same_heap(segment_name: str) -> None:
    with SharedHeap.create(segment_name, 1 << 16, policy="best_fit", magic=7) as one:
        address = one.malloc(100)
        one.view(address)[:5] = b"hello"
        with SharedHeap.attach(segment_name) as other:
            assert (other.policy, other.magic, other.size) == ("best_fit", 7, 1 << 16)
            assert bytes(other.view(address)[:5]) == b"hello"
            assert other.walk() == one.walk()
            other.free(address)
        assert (SHM / segment_name).exists(), "only its creator removes it"
        assert address not in one
        assert one.stats().frees == 1


def test_a_name_need_not_be_utf_8(segment_name: str) -> None:
    name = segment_name + os.fsdecode(b"\xff")
    with SharedHeap.create(name, 4096) as heap:
        assert (heap.name, (SHM / name).exists()) == (name, True)
        assert pickle.loads(pickle.dumps(heap)) is heap
    with pytest.raises(FileNotFoundError) as caught:
        SharedHeap.attach(name)
    assert (caught.value.filename, repr(name) in str(caught.value)) == (name, True)


def test_a_million_blocks_need_one_segment_and_two_descriptors(segment_name: str) -> None:
    before = set(os.listdir("/proc/self/fd"))
    with SharedHeap.create(segment_name, 40 << 20) as heap:
        heap.malloc_many([16] * 1_000_000)
        assert len(heap) == 1_000_000
        assert len(set(os.listdir("/proc/self/fd")) - before) == 2
        assert in_fork(lambda: len(heap)) == 1_000_000
        assert heap.check() == []


# --- Files and buffers. ---------------------------------------------------------------------------


def test_a_heap_in_a_file_can_be_attached_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "heap"
    with SharedHeap.create(size=1 << 16, path=path) as heap:
        assert (heap.name, heap.path) == (None, str(path))
        address = heap.malloc(100)
        heap.view(address)[:] = bytes(range(100))
    with SharedHeap.attach(path=path) as heap:
        assert [*heap] == [address]
        assert bytes(heap.view(address)) == bytes(range(100))
        assert heap.check() == []
    assert path.exists()


def use_file_until_killed(path: Path, ready: int) -> None:
    heap = SharedHeap.create(size=1 << 16, path=path)
    for number, address in enumerate(heap.malloc_many([100] * 20)):
        heap.view(address)[:] = bytes([number]) * 100
    os.write(ready, b"!")
    while True:
        heap.free(heap.realloc(heap.malloc(300), 700))


def test_a_heap_in_a_file_can_be_attached_after_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "heap"
    ours, theirs = os.pipe()
    for _ in range(5):
        with forked(use_file_until_killed, path, theirs) as child:
            assert os.read(ours, 1) == b"!"
            time.sleep(random.uniform(0, 0.02))
            kill(child)
        heap = SharedHeap.attach(path=path)
        assert heap.check() == []
        assert len(heap) - 20 in (0, 1)
        for number, address in zip(range(20), heap, strict=False):
            assert bytes(heap.view(address)) == bytes([number]) * 100
        heap.unlink()
        heap.close()


def test_a_heap_in_an_anonymous_mapping_is_shared_by_fork() -> None:
    with mmap.mmap(-1, 1 << 18) as memory:
        heap = SharedHeap.create(buffer=memory)
        assert (heap.name, heap.path) == (None, None)
        with pytest.raises(BufferError):
            memory.close()
        address = in_fork(heap.malloc, 64)
        assert [*heap] == [address]
        with SharedHeap.attach(buffer=memory) as again:
            assert [*again] == [address]
        heap.close()


def test_the_heap_fills_its_buffer() -> None:
    for pages in range(30, 80):
        with mmap.mmap(-1, pages * 4096) as memory:
            try:
                heap = SharedHeap.create(buffer=memory)
            except glassheap.InvalidSize:
                assert pages < 48
                continue
            assert heap.size >= pages * 4096 - (190 << 10)
            assert heap.malloc(heap.largest_free())
            assert heap.check() == []
            heap.close()


@pytest.mark.parametrize("how", START_METHODS)
def test_addresses_are_the_same_in_every_process(how: str, segment_name: str) -> None:
    with SharedHeap.create(segment_name, 1 << 16) as heap:
        addresses = list(heap.malloc_many([10, 20, 30]))
        seen, more = in_child(attach_and_allocate, segment_name, how=how)
        assert seen == addresses
        assert list(heap) == [*addresses, more]
        assert (SHM / segment_name).exists(), "the end of that process does not remove it"


ATTACH_AND_EXIT = """
from multiprocessing import shared_memory  # starts a resource tracker
import glassheap
with glassheap.SharedHeap.attach({name!r}) as heap:
    heap.malloc(10)
"""


def test_only_the_creator_removes_the_segment(segment_name: str) -> None:
    """Other processes close the heap, or end, or have a resource tracker; the segment stays."""
    with SharedHeap.create(segment_name, 1 << 16) as heap:
        output_of(sys.executable, "-c", ATTACH_AND_EXIT.format(name=segment_name))
        in_fork(heap.__exit__, None, None, None)
        assert (SHM / segment_name).exists()
        assert len(heap) == 1
    assert not (SHM / segment_name).exists()


def test_closing_after_an_unlink_by_another_process_is_no_error(segment_name: str) -> None:
    with SharedHeap.create(segment_name, 1 << 16):
        (SHM / segment_name).unlink()
        with SharedHeap.create(segment_name, 1 << 16):
            pass
