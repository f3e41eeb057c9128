"""What a backup costs the other threads and processes: no wait for a disk, only for a copy."""

from __future__ import annotations

import errno
import os
import resource
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest

from glassheap import SharedHeap
from process_helpers import NEEDS_SHARED_MEMORY, in_fork

pytestmark = NEEDS_SHARED_MEMORY

BYTES = 64 << 20


def longest_pause_in_a_backup(heap: SharedHeap, path: Path, ticks: list[float]) -> float:
    """The longest time without a tick during a backup, as a part of the time that it takes."""
    start = time.monotonic()
    heap.backup(path)
    end = time.monotonic()
    path.unlink()
    moments = [start, *(tick for tick in ticks if start < tick < end), end]
    return max(after - before for before, after in pairwise(moments)) / (end - start)


def test_other_threads_run_during_a_backup(tmp_path: Path) -> None:
    ticks, done = [0.0], threading.Event()

    def tick() -> None:
        while not done.wait(0.001):
            ticks.append(time.monotonic())

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        with SharedHeap.create(size=BYTES) as heap:
            attempts = (longest_pause_in_a_backup(heap, tmp_path / "b", ticks) for _ in range(20))
            assert any(part < 0.5 for part in attempts)
    finally:
        done.set()
        thread.join()


def back_up_with_little_memory(heap: SharedHeap, path: Path) -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + BYTES * 3 // 2
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    with pytest.raises(OSError, match="refuses") as caught:
        heap.backup(path)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOMEM, str(path))


def test_the_lock_is_held_for_a_copy_in_memory_alone(tmp_path: Path) -> None:
    """A store to a page of the new file may wait for the disk; one to own memory does not.

    So a backup needs own memory for all bytes, and is refused without it.
    """
    with SharedHeap.create(size=BYTES) as heap:
        in_fork(back_up_with_little_memory, heap, tmp_path / "backup")
        assert list(tmp_path.iterdir()) == []
        heap.backup(tmp_path / "backup")
