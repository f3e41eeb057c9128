"""The errors of SharedHeap: create, attach, and blocks that cannot be opened or sent.

Wrong options are in test_options.py.
"""

from __future__ import annotations

import errno
import mmap
import os
import pickle
import re
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

import glassheap
from glassheap import SharedHeap
from process_helpers import NEEDS_SHARED_MEMORY, SECONDS, SHM, forked, segments

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = NEEDS_SHARED_MEMORY


def raised(
    error: type[BaseException], text: str, call: Callable[[], object], **attributes: object
) -> None:
    """Assert that `call` raises exactly this class with a sentence that contains `text`."""
    with pytest.raises(error, match=re.escape(text)) as caught:
        call()
    assert caught.type is error
    assert str(caught.value).endswith((".", "'"))
    assert {name: getattr(caught.value, name) for name in attributes} == attributes


def test_an_existing_name_is_refused_and_its_segment_unchanged(segment_name: str) -> None:
    with SharedHeap.create(segment_name, 1 << 16) as heap:
        heap.malloc(10)
        before = (SHM / segment_name).read_bytes()
        raised(
            FileExistsError,
            f"there is a shared heap '{segment_name}' already: attach to it, or unlink it first.",
            lambda: SharedHeap.create(segment_name, 4096),
            errno=errno.EEXIST,
        )
        assert (SHM / segment_name).read_bytes() == before


def test_attaching_to_a_missing_segment_or_file_is_an_error(
    segment_name: str, tmp_path: Path
) -> None:
    SharedHeap.create(segment_name, 4096).unlink()
    for call in (
        lambda: SharedHeap.attach(segment_name),
        lambda: SharedHeap.attach(path=tmp_path / "none"),
        lambda: SharedHeap.create(size=4096, path=tmp_path / "no" / "x"),
    ):
        raised(FileNotFoundError, "it was never made, or has been unlinked.", call)


@pytest.mark.skipif(os.geteuid() == 0, reason="root has every permission")
def test_attaching_without_permission_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "heap"
    SharedHeap.create(size=4096, path=path).close()
    path.chmod(0)
    raised(PermissionError, "there is no permission", lambda: SharedHeap.attach(path=path))


def test_a_failed_creation_for_lack_of_room_leaves_no_segment(segment_name: str) -> None:
    room = os.statvfs(SHM)
    too_much = room.f_blocks * room.f_frsize + (1 << 30)
    if too_much > 32 << 30:
        pytest.skip("the file system has more than a heap may have")
    create = partial(SharedHeap.create, segment_name, too_much)
    raised(OSError, "there is no room for", create, errno=errno.ENOSPC)
    assert not (SHM / segment_name).exists()


def test_a_segment_with_another_policy_than_requested_is_a_bad_image(segment_name: str) -> None:
    with SharedHeap.create(segment_name, 1 << 16, policy="tlsf"):
        SharedHeap.attach(segment_name, policy="tlsf").close()
        attach = partial(SharedHeap.attach, segment_name, policy="buddy")
        raised(glassheap.BadImage, "policy", attach, field="policy")


def test_waiting_for_an_unfinished_heap_in_a_buffer_ends_with_attach_timeout() -> None:
    """Its creator was killed before it finished."""
    with mmap.mmap(-1, 1 << 18) as memory:
        began = time.monotonic()
        raised(
            glassheap.AttachTimeout, "time", lambda: SharedHeap.attach(buffer=memory, timeout=0.2)
        )
        assert 0.2 <= time.monotonic() - began < 2


def create_late(memory: mmap.mmap) -> None:
    time.sleep(0.2)
    SharedHeap.create(buffer=memory)
    time.sleep(SECONDS)


def test_attach_waits_until_the_heap_in_a_buffer_is_finished() -> None:
    with (
        mmap.mmap(-1, 1 << 18) as memory,
        forked(create_late, memory),
        SharedHeap.attach(buffer=memory, timeout=20) as heap,
    ):
        assert heap.check() == []


def test_opening_a_block_of_a_missing_or_another_heap_is_an_error(segment_name: str) -> None:
    heap = SharedHeap.create(segment_name, 1 << 16)
    sent = pickle.dumps(heap.alloc(10))
    heap.unlink()
    heap.close()
    text = f"the shared heap '{segment_name}' cannot be attached to"
    raised(glassheap.AttachError, text, lambda: pickle.loads(sent))
    with SharedHeap.create(segment_name, 1 << 16):
        raised(glassheap.AttachError, "is another one", lambda: pickle.loads(sent))


def test_opening_a_block_of_an_unattached_buffer_is_an_error() -> None:
    with mmap.mmap(-1, 1 << 18) as memory:
        with SharedHeap.create(buffer=memory) as heap:
            sent = pickle.dumps(heap.alloc(10))
        raised(glassheap.AttachError, "this process has not attached", lambda: pickle.loads(sent))


def test_a_block_of_a_private_heap_cannot_be_sent_or_shared() -> None:
    block = glassheap.Heap(4096).alloc(10)
    raised(TypeError, "only one of a SharedHeap can travel", lambda: pickle.dumps(block))
    raised(TypeError, "only a block of a SharedHeap", block.share)


INVALID_CALLS: dict[str, tuple[type[BaseException], str]] = {
    "create(NAME, 1, path='b')": (TypeError, "give one of them"),
    "create(NAME)": (TypeError, "needs its size"),
    "create(size=4096, buffer=mmap.mmap(-1, 1 << 18))": (TypeError, "needs its size"),
    "create(NAME + '/b', 4096)": (ValueError, "slash"),
    "create(NAME + chr(0), 4096)": (ValueError, "zero"),
    "create('', 4096)": (ValueError, "1 to 200 bytes"),
    "create('é' * 101, 4096)": (ValueError, "1 to 200 bytes"),
    "create('..', 4096)": (ValueError, "neither '.' nor '..'"),
    "create(NAME.encode(), 4096)": (TypeError, "must be a string"),
    "create(size=0)": (glassheap.InvalidSize, "not 0."),
    "create(size=-1)": (glassheap.InvalidSize, "-1 is negative"),
    "create(size=2**64)": (glassheap.InvalidSize, "not 2^64 - 1 or more."),
    "create(size=1.5)": (TypeError, "not float"),
    "create(buffer=bytes(1 << 18))": (BufferError, "can be written"),
    "create(buffer=memoryview(bytearray(1 << 18))[::2])": (BufferError, "in one piece"),
    "create(buffer=memoryview(mmap.mmap(-1, 1 << 18))[8:])": (ValueError, "multiple of 64"),
    "create(size=4096, timeout=-1)": (ValueError, "timeout"),
    "attach()": (TypeError, "attach needs"),
    "attach(NAME, timeout='1')": (TypeError, "timeout"),
    "attach(NAME, timeout=float('nan'))": (ValueError, "timeout"),
}


@pytest.mark.parametrize("call", INVALID_CALLS)
def test_an_invalid_call_makes_no_segment(call: str) -> None:
    error, text = INVALID_CALLS[call]
    before = segments()
    names = {"SharedHeap": SharedHeap, "mmap": mmap, "NAME": f"glassheap-{os.getpid()}-wrong"}
    raised(error, text, lambda: eval(f"SharedHeap.{call}", names))
    assert segments() == before


def test_a_buffer_that_is_too_small_is_refused() -> None:
    for size in (1, 64, 4096, 70_000):
        with mmap.mmap(-1, size) as memory:
            with pytest.raises(glassheap.InvalidSize):
                SharedHeap.create(buffer=memory)
            with pytest.raises(glassheap.AttachError):
                SharedHeap.attach(buffer=memory, timeout=0.01)
