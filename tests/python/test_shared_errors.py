"""The errors of SharedHeap: create, attach, and blocks that cannot be opened or sent."""

from __future__ import annotations

import errno
import mmap
import os
import pickle
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

import glassheap
from glassheap import SharedHeap
from process_helpers import NEEDS_SHARED_MEMORY, SHM, forked, segments

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = NEEDS_SHARED_MEMORY


def raised(error: type[BaseException], text: str, call: Callable[[], object]) -> BaseException:
    """Assert that `call` raises exactly this class with a sentence that contains `text`."""
    with pytest.raises(error, match=re.escape(text)) as caught:
        call()
    assert caught.type is error
    assert str(caught.value).endswith((".", "'"))
    return caught.value


def test_an_existing_name_is_refused_and_its_segment_unchanged(segment_name: str) -> None:
    with SharedHeap.create(segment_name, 1 << 16) as heap:
        heap.malloc(10)
        before = (SHM / segment_name).read_bytes()
        error = raised(
            FileExistsError,
            f"there is a shared heap '{segment_name}' already: attach to it, or unlink it first.",
            lambda: SharedHeap.create(segment_name, 4096),
        )
        assert isinstance(error, OSError)
        assert error.errno == errno.EEXIST
        assert (SHM / segment_name).read_bytes() == before


def test_attaching_to_a_missing_segment_or_file_is_an_error(
    segment_name: str, tmp_path: Path
) -> None:
    text = "it was never made, or has been unlinked."
    raised(FileNotFoundError, text, lambda: SharedHeap.attach(segment_name))
    raised(FileNotFoundError, text, lambda: SharedHeap.attach(path=tmp_path / "none"))
    raised(
        FileNotFoundError, text, lambda: SharedHeap.create(size=4096, path=tmp_path / "no" / "x")
    )
    heap = SharedHeap.create(segment_name, 4096)
    heap.unlink()
    raised(FileNotFoundError, text, lambda: SharedHeap.attach(segment_name))
    heap.close()


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
    before = segments()
    error = raised(
        OSError, "there is no room for", lambda: SharedHeap.create(segment_name, too_much)
    )
    assert isinstance(error, OSError)
    assert error.errno == errno.ENOSPC
    assert segments() == before


def test_a_truncated_file_is_a_bad_image(tmp_path: Path) -> None:
    path = tmp_path / "heap"
    SharedHeap.create(size=1 << 16, path=path).close()
    os.truncate(path, path.stat().st_size - 4096)
    error = raised(glassheap.BadImage, "size", lambda: SharedHeap.attach(path=path))
    assert isinstance(error, glassheap.BadImage)
    assert error.field == "size"


def test_a_segment_with_another_policy_than_requested_is_a_bad_image(segment_name: str) -> None:
    with SharedHeap.create(segment_name, 1 << 16, policy="tlsf"):
        SharedHeap.attach(segment_name, policy="tlsf").close()
        error = raised(
            glassheap.BadImage, "policy", lambda: SharedHeap.attach(segment_name, policy="buddy")
        )
        assert isinstance(error, glassheap.BadImage)
        assert error.field == "policy"


@pytest.mark.parametrize("size", [0, 1 << 17])
def test_waiting_for_an_unfinished_segment_ends_with_attach_timeout(
    size: int, segment_name: str, tmp_path: Path
) -> None:
    """A creator killed before it made the heap leaves such a segment or file."""
    path = tmp_path / "heap"
    for place in (SHM / segment_name, path):
        place.write_bytes(bytes(size))
    for attach in (
        lambda: SharedHeap.attach(segment_name, timeout=0.2),
        lambda: SharedHeap.attach(path=path, timeout=0.2),
    ):
        began = time.monotonic()
        raised(glassheap.AttachTimeout, "time", attach)
        assert 0.2 <= time.monotonic() - began < 2


def create_late(name: str) -> None:
    time.sleep(0.2)
    SharedHeap.create(name + "-made", 4096).close()
    (SHM / (name + "-made")).rename(SHM / name)


def test_attach_waits_until_the_segment_is_finished(segment_name: str) -> None:
    (SHM / segment_name).write_bytes(b"")
    with forked(create_late, segment_name), SharedHeap.attach(segment_name, timeout=20) as heap:
        assert heap.size == 4096


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


INVALID_CALLS: dict[str, tuple[type[BaseException], str, Callable[[], object]]] = {
    "two places": (TypeError, "give one of them", lambda: SharedHeap.create("a", 1, path="b")),
    "no size": (TypeError, "needs its size", lambda: SharedHeap.create("a")),
    "no place": (TypeError, "attach needs", SharedHeap.attach),
    "a slash": (ValueError, "slash", lambda: SharedHeap.create("a/b", 4096)),
    "a zero": (ValueError, "zero", lambda: SharedHeap.create("a\0b", 4096)),
    "no letter": (ValueError, "1 to 200 bytes", lambda: SharedHeap.create("", 4096)),
    "a long name": (ValueError, "1 to 200 bytes", lambda: SharedHeap.create("é" * 101, 4096)),
    "bytes": (TypeError, "must be a string", lambda: SharedHeap.create(b"a", 4096)),  # type: ignore[arg-type]
    "size 0": (glassheap.InvalidSize, "", lambda: SharedHeap.create(size=0)),
    "size -1": (glassheap.InvalidSize, "", lambda: SharedHeap.create(size=-1)),
    "size 2^64": (glassheap.InvalidSize, "", lambda: SharedHeap.create(size=2**64)),
    "a float": (TypeError, "", lambda: SharedHeap.create(size=1.5)),  # type: ignore[arg-type]
    "a policy": (ValueError, "no policy", lambda: SharedHeap.create(size=4096, policy="worse")),
    "base": (TypeError, "no option 'base'", lambda: SharedHeap.create(size=4096, base=0)),  # type: ignore[call-arg]
    "a fit": (ValueError, "", lambda: SharedHeap.create(size=4096, fit="best")),
    "timeout": (ValueError, "timeout", lambda: SharedHeap.create(size=4096, timeout=-1)),
    "no number": (TypeError, "timeout", lambda: SharedHeap.attach("a", timeout="1")),  # type: ignore[arg-type]
    "nan": (ValueError, "timeout", lambda: SharedHeap.attach("a", timeout=float("nan"))),
    "dots": (ValueError, "neither '.' nor '..'", lambda: SharedHeap.create("..", 4096)),
}


@pytest.mark.parametrize("call", INVALID_CALLS)
def test_an_invalid_call_makes_no_segment(call: str) -> None:
    error, text, make = INVALID_CALLS[call]
    before = segments()
    with pytest.raises(error, match=re.escape(text) if text else None):
        make()
    assert segments() == before


INVALID_BUFFER_OPTIONS: dict[str, tuple[type[BaseException], dict[str, Any]]] = {
    "a policy": (ValueError, {"policy": "worse"}),
    "a fit": (ValueError, {"fit": "best"}),
    "a size": (TypeError, {"size": 4096}),
    "an order": (ValueError, {"policy": "tlsf", "order": "size+"}),
}


@pytest.mark.parametrize("case", INVALID_BUFFER_OPTIONS)
def test_invalid_options_leave_the_buffer_unchanged(case: str) -> None:
    error, options = INVALID_BUFFER_OPTIONS[case]
    with mmap.mmap(-1, 1 << 18) as memory:
        with pytest.raises(error):
            SharedHeap.create(buffer=memory, **options)
        assert memory[:] == bytes(1 << 18)


def test_an_unsuitable_buffer_is_refused() -> None:
    for buffer in (bytes(1 << 18), memoryview(bytearray(1 << 18))[::2]):
        with pytest.raises((BufferError, ValueError)):
            SharedHeap.create(buffer=buffer)
    with mmap.mmap(-1, 1 << 18) as memory, memoryview(memory)[8:] as unaligned:
        raised(ValueError, "multiple of 64", lambda: SharedHeap.create(buffer=unaligned))
    for size in (1, 64, 4096, 70_000):
        with mmap.mmap(-1, size) as memory:
            with pytest.raises(glassheap.InvalidSize):
                SharedHeap.create(buffer=memory)
            with pytest.raises(glassheap.AttachError):
                SharedHeap.attach(buffer=memory, timeout=0.01)
