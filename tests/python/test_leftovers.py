"""The segments in shared memory that dead processes left: which they are, and their removal."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from command_helpers import printed
from glassheap import SharedHeap, _core
from glassheap.images.segments import clean, segments
from process_helpers import NEEDS_SHARED_MEMORY, SHM, forked

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = NEEDS_SHARED_MEMORY


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
    assert f" old, used by process {os.getpid()}, recovered after 0 deaths inside a call\n" in text
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
