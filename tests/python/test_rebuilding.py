"""`glassheap fsck --rebuild` and the processes that attach to the file at the same time."""

from __future__ import annotations

import mmap
import os
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

import glassheap
from command_helpers import assert_mistake, run
from glassheap import SharedHeap, _core
from glassheap.images import rebuilding
from image_helpers import header_at, image, overwrite
from process_helpers import NEEDS_SHARED_MEMORY, in_fork

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = NEEDS_SHARED_MEMORY


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a heap whose second live block has a broken header."""
    path = tmp_path / "heap"
    addresses = image(path)
    overwrite(path, header_at(path, addresses[1]) + 8, b"XXXX")
    return path


def attach_in_vain(path: Path) -> str:
    with pytest.raises(glassheap.LockTimeout) as caught:
        SharedHeap.attach(path=path, timeout=0.05)
    return str(caught.value)


def test_nobody_attaches_between_the_copy_and_the_write(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A heap that is overwritten under its user has lost all that the user allocated."""
    late: list[SharedHeap] = []
    waiting = threading.Thread(target=lambda: late.append(SharedHeap.attach(path=path)))
    original = rebuilding.keep_original

    def attach_meanwhile(file: Path) -> Path:
        in_fork(attach_in_vain, path)
        waiting.start()
        return original(file)

    monkeypatch.setattr(rebuilding, "keep_original", attach_meanwhile)
    assert run("fsck", "--rebuild", str(path)).returncode == 0
    waiting.join(60)
    with closing(late[0]) as heap:
        assert (len(heap), heap.check()) == (3, [])


def test_the_file_is_let_go_when_nothing_can_be_written(path: Path) -> None:
    path.with_name("heap.bak").touch()
    assert_mistake(run("fsck", "--rebuild", str(path)), "is not overwritten")
    hold = _core._hold_unused(os.fsencode(path))
    assert hold is not None
    assert _core._hold_unused(os.fsencode(path)) is None
    assert_mistake(run("fsck", "--rebuild", str(path)), "in use", "it is unchanged")
    del hold
    assert _core._hold_unused(os.fsencode(path)) is not None


def test_a_heap_that_was_made_in_a_buffer_is_not_rebuilt_under_its_users(tmp_path: Path) -> None:
    """They are seen by their stand-in."""
    path = tmp_path / "buffer"
    path.write_bytes(bytes(1 << 18))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        with SharedHeap.create(buffer=memory, checks="debug") as heap:
            free = memory.rfind(b"\xdd" * 16)
            memory[free : free + 4] = b"late"
            assert heap.check()
            assert_mistake(run("fsck", "--rebuild", str(path)), "in use", "it is unchanged")
        assert run("fsck", "--rebuild", str(path)).returncode == 0
