"""The files of shared heaps: their names, their types, their space, and how long they live."""

from __future__ import annotations

import errno
import os
import pickle
import shutil
import socket
import sys
import time
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import glassheap
from command_helpers import completed, printed
from glassheap import SharedHeap
from image_helpers import image, overwrite
from process_helpers import NEEDS_SHARED_MEMORY, SHM, forked

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = NEEDS_SHARED_MEMORY


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a heap, in a folder of its own."""
    return tmp_path / "heap"


# --- Types and names. -----------------------------------------------------------------------------


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


OTHER_FILES: dict[str, Callable[[Path], object]] = {
    "a FIFO": os.mkfifo,
    "a folder": os.mkdir,
    "a socket": make_socket,
    "a device": lambda path: path.symlink_to("/dev/null"),
    "an empty file": Path.touch,
}


@pytest.mark.parametrize("kind", OTHER_FILES)
def test_a_file_of_another_type_is_refused_at_once_by_its_type(path: Path, kind: str) -> None:
    OTHER_FILES[kind](path)
    with pytest.raises(glassheap.BadImage, match=f"no glassheap image.* {kind}") as caught:
        SharedHeap.attach(path=path, timeout=1000)
    assert caught.value.field == ("size" if kind == "an empty file" else "type")
    with pytest.raises(FileExistsError):
        SharedHeap.create(path=path, size=4096)
    if kind in {"a FIFO", "a folder", "a socket"}:
        with pytest.raises(FileExistsError, match=f"exists, and is {kind}, no shared heap"):
            SharedHeap.create(path=path, size=4096)


@pytest.mark.parametrize("call", [SharedHeap.attach, partial(SharedHeap.create, size=4096)])
def test_a_path_that_no_file_can_have_is_refused(call: Callable[..., Any], path: Path) -> None:
    for wrong in (f"{path}\0x", os.fsencode(path) + b"\0", ""):
        with pytest.raises(ValueError, match="and no zero byte"):
            call(path=wrong)
    assert not path.exists()


def test_a_path_need_not_be_utf_8_anywhere(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/heap-\xff"
    path = os.fsdecode(raw)
    with SharedHeap.create(path=raw, size=4096) as heap:
        assert heap.path == path
        assert repr(path) in repr(heap)
        sent = pickle.dumps(heap.alloc(10))
    with closing(SharedHeap.attach(path=raw)) as heap:
        assert pickle.loads(sent).heap is heap
    assert "4,096 bytes" in printed("fsck", path)
    assert "first_fit" in printed("inspect", path)
    with pytest.raises(FileExistsError) as caught:
        SharedHeap.create(path=raw, size=4096)
    assert (caught.value.filename, repr(path) in str(caught.value)) == (path, True)


# --- Bad images. ----------------------------------------------------------------------------------


def refused(path: Path) -> glassheap.BadImage:
    with pytest.raises(glassheap.BadImage) as caught:
        SharedHeap.attach(path=path)
    return caught.value


def test_other_bytes_a_wrong_front_and_damaged_blocks_are_told_apart(path: Path) -> None:
    _, address, *_ = image(path)
    sound = path.read_bytes()
    overwrite(path, len(sound) - 4096 + address - 8, b"XXXX")
    error = refused(path)
    assert (error.field, error.offset) == ("magic", address - 16)
    assert (error.expected, error.found) == (0xDEADBEEF, int.from_bytes(b"XXXX", "little"))
    assert "the blocks of this glassheap image are damaged: 'magic'" in str(error)
    path.write_bytes(sound[:8] + b"\x09" + sound[9:])
    error = refused(path)
    assert (error.field, error.offset, error.found) == ("version", None, 9)
    assert f"its field 'version' is 0x9 instead of {error.expected:#x}" in str(error)
    path.write_bytes(b"#!/bin/sh" * 100_000)
    error = refused(path)
    assert (error.field, error.offset) == ("magic", None)
    assert "the first 8 bytes, is '#!/bin/s', and that of an image is 'glssheap'" in str(error)


# --- Space. ---------------------------------------------------------------------------------------


def make_sparse(path: Path) -> None:
    """Punch a hole where the heap is free, as a copy by `cp --sparse` has one."""
    data = path.read_bytes()
    with path.open("wb") as file:
        file.write(data[: 1 << 18])
        file.truncate(len(data))


@pytest.mark.parametrize("folder", [SHM, None])
def test_attaching_reserves_the_space_of_a_sparse_file(
    folder: Path | None, segment_name: str, path: Path
) -> None:
    """A page that has no room ends the process that writes to it, by SIGBUS."""
    path = path if folder is None else folder / segment_name
    with SharedHeap.create(path=path, size=1 << 20):
        pass
    make_sparse(path)
    assert path.stat().st_blocks * 512 < 1 << 20
    with SharedHeap.attach(path=path) as heap:
        assert path.stat().st_blocks * 512 >= path.stat().st_size > heap.size
    path.unlink()


ON_A_FULL_DISK = """
import sys, glassheap
folder = sys.argv[1]
try:
    glassheap.SharedHeap.attach(path=folder + "/heap")
except OSError as error:
    print(error.errno, error)
"""


def test_a_sparse_file_on_a_full_disk_is_refused(path: Path, tmp_path: Path) -> None:
    with SharedHeap.create(path=path, size=4 << 20):
        pass
    disk = tmp_path / "disk"
    disk.mkdir()
    script = (
        'mount -t tmpfs -o size=1m none "$0" && cp --sparse=always "$1" "$0/heap" '
        '&& shift && exec "$@"'
    )
    if not shutil.which("unshare"):
        pytest.skip("needs unshare")
    arguments = (disk, path, sys.executable, "-c", ON_A_FULL_DISK, disk)
    done = completed("unshare", "-rm", "sh", "-c", script, *arguments)
    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip("this machine lets no user mount a file system")
    assert done.stdout.startswith(f"{errno.ENOSPC} "), done
    assert "there is no room for" in done.stdout


# --- How long a file lives. -----------------------------------------------------------------------


def create_for_ever(path: Path) -> None:
    while True:
        with closing(SharedHeap.create(path=path, size=4096)) as heap:
            time.sleep(0.002)
            heap.unlink()


def test_no_process_finds_a_file_before_its_heap_is_whole(path: Path) -> None:
    """So that attaching waits for no creator."""
    attached = 0
    with forked(create_for_ever, path):
        until = time.monotonic() + 20
        while attached < 20 and time.monotonic() < until:
            with suppress(FileNotFoundError), SharedHeap.attach(path=path, timeout=0) as heap:
                attached += heap.check() == []
    assert attached == 20
    assert len([*path.parent.iterdir()]) <= 1


def test_a_file_outlives_the_with_block_in_which_it_was_made(path: Path) -> None:
    """The shared memory of a name goes with its creator; nobody else would remove it."""
    with SharedHeap.create(path=path, size=4096) as heap:
        address = heap.malloc(10)
    with SharedHeap.attach(path=path) as heap:
        assert list(heap) == [address]
    with SharedHeap.create(size=4096) as heap:
        name = heap.name
    assert name
    assert not (SHM / name).exists()
