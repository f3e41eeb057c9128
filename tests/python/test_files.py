"""The files of shared heaps: their names, their types, their space, and how long they live."""

from __future__ import annotations

import errno
import json
import mmap
import os
import pickle
import resource
import shutil
import socket
import struct
import sys
import time
from contextlib import closing, suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import glassheap
from command_helpers import completed, printed
from glassheap import SharedHeap, _core
from glassheap.images.segments import clean, segments
from image_helpers import fsck, image, overwrite
from process_helpers import NEEDS_SHARED_MEMORY, SHM, forked, in_fork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
        file.write(data[: 1 << 17])
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


# --- Leftovers in shared memory. ------------------------------------------------------------------


def leave_segment(name: str) -> None:
    SharedHeap.create(name, 1 << 16, policy="tlsf").malloc(10)
    os._exit(0)


@pytest.fixture
def left(segment_name: str) -> Iterator[str]:
    """The segment of a dead process, beside one that is in use, and one that is no heap."""
    in_use, other = SHM / f"{segment_name}-used", SHM / f"{segment_name}-other"
    other.write_bytes(bytes(1 << 17))
    with forked(leave_segment, segment_name) as child, SharedHeap.create(in_use.name, 4096):
        os.waitpid(child, 0)
        yield segment_name
        assert (in_use.exists(), other.read_bytes()) == (True, bytes(1 << 17))
    other.unlink()


def test_the_segments_of_the_machine_are_listed_with_their_users(left: str) -> None:
    listed = {segment.name: segment for segment in segments()}
    assert (listed[left].policy, listed[left].users, listed[left].recovered) == ("tlsf", [], 0)
    assert listed[left].bytes == (SHM / left).stat().st_size
    assert 0 <= listed[left].age < 600
    assert listed[f"{left}-used"].users == [os.getpid()]
    assert f"{left}-other" not in listed
    text = printed("inspect")
    assert f"{left}: {listed[left].bytes:,} bytes, tlsf, " in text
    assert f" old, used by process {os.getpid()}, recovered 0 times\n" in text
    figures = {one["name"]: one for one in json.loads(printed("inspect", "--json"))}
    assert figures[left]["policy"] == "tlsf"


def test_the_segments_that_nobody_uses_are_removed(left: str) -> None:
    """Only these are named here: others on the machine may belong to another test."""
    assert f"would remove {left}: " in printed("clean", "--dry-run")
    assert (SHM / left).exists()
    text = printed("clean", left, f"{left}-used", f"{left}-other")
    assert text.startswith(f"removed {left}: ")
    assert text.count("\n") == 1
    assert not (SHM / left).exists()


def test_a_heap_that_another_library_keeps_under_a_name_is_left_alone(segment_name: str) -> None:
    """As multiprocessing.shared_memory does, whose users are not known here."""
    place = SHM / segment_name
    with SharedHeap.create(path=place, size=4096):
        pass
    copy = place.read_bytes()
    place.unlink()
    place.write_bytes(b"")  # keeps the inode of the first one from being used again
    other = SHM / f"{segment_name}-copy"
    other.write_bytes(copy)
    assert segment_name not in {segment.name for segment in [*segments(), *clean(dry_run=True)]}
    assert other.name not in {segment.name for segment in segments()}
    other.unlink()


def attach_and_leave(name: str) -> None:
    while True:
        with suppress(FileNotFoundError), SharedHeap.attach(name) as heap:
            assert (SHM / name).exists(), "a segment in use was removed"
            assert heap.check() == []


def test_a_segment_is_not_removed_under_a_process_that_attaches(segment_name: str) -> None:
    with forked(attach_and_leave, segment_name) as child:
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            with suppress(FileExistsError):
                SharedHeap.create(segment_name, 4096).close()
            _core._remove_unused_segment(os.fsencode(segment_name))
        assert os.waitpid(child, os.WNOHANG) == (0, 0)


# --- Durability. ----------------------------------------------------------------------------------


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
    assert refused(path).field == "flushed"
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
