"""What a file has after a flush, and backups of a heap that is in use."""

from __future__ import annotations

import mmap
import resource
import struct
from itertools import count
from typing import TYPE_CHECKING

import pytest

import glassheap
from glassheap import SharedHeap
from image_helpers import fsck
from process_helpers import NEEDS_SHARED_MEMORY, forked, in_fork

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = NEEDS_SHARED_MEMORY


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a heap, in a folder of its own."""
    return tmp_path / "heap"


def test_a_map_of_another_age_than_its_superblock_is_refused_and_mended(path: Path) -> None:
    """The pages of a flush and later ones, as a power failure leaves them."""
    with SharedHeap.create(path=path, size=1 << 16) as heap:
        kept = heap.malloc_many([100] * 20)
        heap.flush()
        flushed = path.read_bytes()
        heap.malloc_many([50] * 20)
        later = path.read_bytes()
    arrays, owners = struct.unpack_from("=QQ", flushed, 24)
    path = path.with_name("disk")  # the processes of the original do not use it
    path.write_bytes(flushed[:arrays] + later[arrays:owners] + flushed[owners:])
    with pytest.raises(glassheap.BadImage) as caught:
        SharedHeap.attach(path=path)
    assert caught.value.field == "flushed"
    assert fsck(path)[1]["bad"] == "flushed"
    assert fsck(path, "--rebuild")[0] == 0
    with SharedHeap.attach(path=path) as heap:
        assert set(kept) <= set(heap)
        assert heap.check() == []
        heap.flush()
    path = path.with_name("flushed")
    path.write_bytes(flushed)
    with SharedHeap.attach(path=path) as heap:
        assert list(heap) == list(kept)


def test_the_mark_of_a_flush_tells_nothing_after_a_later_call(path: Path) -> None:
    """A file that a process leaves without another flush, by its end or by a kill."""
    with SharedHeap.create(path=path, size=1 << 16) as heap:
        heap.flush()
        heap.malloc(10)
    for _ in range(2):
        with SharedHeap.attach(path=path) as heap:
            heap.flush()
        with SharedHeap.attach(path=path) as heap:
            assert len(heap) == 1


def keep_pairs(heap: SharedHeap) -> None:
    """Keep two blocks at a time with the same bytes, in calls that never end."""
    for number in count():
        blocks = heap.malloc_many([200, 300])
        for address in blocks:
            heap.view(address)[:] = bytes([number % 256]) * len(heap.view(address))
        heap.free_many(blocks)


def test_a_backup_is_a_heap_of_its_own_made_while_others_work(path: Path, tmp_path: Path) -> None:
    with SharedHeap.create(size=1 << 18, policy="tlsf") as heap:
        kept = heap.malloc(1000)
        heap.view(kept)[:] = b"k" * 1000
        with forked(keep_pairs, heap):
            for number in range(10):
                heap.backup(tmp_path / f"backup-{number}")
        heap.view(kept)[:] = b"l" * 1000
        for number in range(10):
            backup = tmp_path / f"backup-{number}"
            status, verdict = fsck(backup)
            assert (status, verdict["users"], verdict["in_flight"]) == (0, [], None)
            with SharedHeap.attach(path=backup) as copy:
                assert copy._identity != heap._identity
                assert bytes(copy.view(kept)) == b"k" * 1000
                assert (len(copy) in (1, 3), copy.check()) == (True, [])
                copy.free(kept)
        assert kept in heap


def test_a_backup_overwrites_nothing_and_is_complete_or_absent(path: Path, tmp_path: Path) -> None:
    with mmap.mmap(-1, 1 << 18) as memory, SharedHeap.create(buffer=memory) as heap:
        path.write_bytes(b"other")
        with pytest.raises(FileExistsError) as caught:
            heap.backup(path)
        assert (caught.value.filename, path.read_bytes()) == (str(path), b"other")
        with pytest.raises(ValueError, match="no zero byte"):
            heap.backup("a\0b")
        with pytest.raises(FileNotFoundError):
            heap.backup(tmp_path / "no" / "backup")
        in_fork(back_up_without_room, heap, tmp_path / "backup")
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(glassheap.HeapClosed):
        heap.backup(tmp_path / "backup")


def back_up_without_room(heap: SharedHeap, path: Path) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
    with pytest.raises(OSError, match="refuses"):
        heap.backup(path)
