"""Heap(record=path) that is refused: an earlier recording stays as it was, and no heap remains.

tests/cpp/earlier_recording_test.cpp has the files that may be replaced.
"""

from __future__ import annotations

import errno
import mmap
import os
import signal
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import glassheap
from glassheap import Heap, OffsetHeap, SharedHeap, SharedOffsetHeap
from glassheap.traces import read
from image_helpers import image, map_at, overwrite
from process_helpers import NEEDS_FORK, forked, in_fork, segments
from trace_helpers import recorded

if TYPE_CHECKING:
    from collections.abc import Callable

REFUSALS = (glassheap.HeapError, MemoryError, OSError, ValueError)
LARGE = 1 << 32


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    path = tmp_path / "app.trace"
    path.write_bytes(recorded())
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def require_refused(opener: Callable[[], Any], record: Path) -> None:
    """No file beside the recording comes or goes, and each has the bytes that it had."""
    before = files(record.parent), record.stat().st_ino, segments()
    with pytest.raises(REFUSALS):
        opener()
    assert (files(record.parent), record.stat().st_ino, segments()) == before
    with Heap(4096, record=record):  # it may be replaced as before
        assert len(read(record)) == 0


# --- Memory is refused. ---------------------------------------------------------------------------


def limit_memory(more: int) -> None:
    """This process may take so many bytes of address space more."""
    import resource

    taken = int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE
    resource.setrlimit(resource.RLIMIT_AS, (taken + more, taken + more))


def refused_without_memory(opener: Callable[[], Any], record: Path) -> None:
    limit_memory(48 << 20)
    require_refused(opener, record)


@NEEDS_FORK
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs the size of a process")
@pytest.mark.parametrize(
    "opener",
    [
        pytest.param(partial(Heap, LARGE), id="Heap"),
        pytest.param(partial(OffsetHeap, LARGE, granule=1), id="OffsetHeap"),
        pytest.param(partial(SharedHeap.create, size=64 << 20), id="SharedHeap"),
        pytest.param(partial(SharedOffsetHeap.create, size=LARGE >> 2), id="SharedOffsetHeap"),
    ],
)
def test_an_earlier_recording_outlives_a_heap_without_memory(
    earlier: Path, opener: Callable[..., Heap]
) -> None:
    in_fork(refused_without_memory, partial(opener, record=earlier), earlier)


@NEEDS_FORK
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs the size of a process")
def test_an_earlier_recording_outlives_a_heap_over_memory_without_room_for_its_index(
    earlier: Path,
) -> None:
    with mmap.mmap(-1, LARGE) as memory:
        in_fork(refused_without_memory, partial(Heap.over, memory, record=earlier), earlier)
        assert memory[:4096] == bytes(4096)


# --- Memory or a segment that is no place for the heap. -------------------------------------------


def test_an_earlier_recording_outlives_a_heap_over_memory_in_use(earlier: Path) -> None:
    with mmap.mmap(-1, 1 << 18) as memory:
        with Heap.over(memory):
            require_refused(partial(Heap.over, memory, record=earlier), earlier)
        with SharedHeap.create(buffer=memory):
            opener = partial(SharedHeap.create, buffer=memory, record=earlier)
            require_refused(opener, earlier)


@pytest.mark.parametrize(
    "options", [{"policy": "none"}, {"thread_cache": True}, {"size": 1}, {"base": 8}]
)
def test_an_earlier_recording_outlives_options_that_are_refused(
    earlier: Path, options: dict[str, Any]
) -> None:
    require_refused(partial(Heap, **{"size": 4096, **options}, record=earlier), earlier)


@pytest.mark.parametrize("type_", [SharedHeap, SharedOffsetHeap])
def test_an_earlier_recording_outlives_a_segment_that_cannot_be_made(
    earlier: Path, type_: type[SharedHeap]
) -> None:
    place = earlier.with_name("heap")
    for where in (place / "missing", earlier.parent):
        require_refused(partial(type_.create, size=4096, path=where, record=earlier), earlier)
    with type_.create(size=4096, path=place):
        require_refused(partial(type_.create, size=4096, path=place, record=earlier), earlier)


def refused_without_disk(opener: Callable[[], Any], record: Path) -> None:
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    require_refused(opener, record)


@NEEDS_FORK
def test_an_earlier_recording_outlives_a_segment_without_room(earlier: Path) -> None:
    path = earlier.with_name("heap")
    opener = partial(SharedHeap.create, size=1 << 22, path=path, record=earlier)
    in_fork(refused_without_disk, opener, earlier)


@pytest.mark.parametrize(
    ("type_", "options"),
    [
        (SharedHeap, {"policy": "buddy"}),
        (SharedOffsetHeap, {}),
    ],
)
def test_an_earlier_recording_outlives_an_attachment_with_other_options(
    earlier: Path, type_: type[SharedHeap], options: dict[str, Any]
) -> None:
    place = earlier.with_name("heap")
    with SharedHeap.create(size=4096, path=place):
        require_refused(partial(type_.attach, path=place, record=earlier, **options), earlier)


def test_an_earlier_recording_outlives_an_attachment_to_a_damaged_heap(earlier: Path) -> None:
    """The damage is found after the recording was begun, when the heap is recovered."""
    place = earlier.with_name("heap")
    image(place)
    overwrite(place, map_at(place.read_bytes()), bytes(64))
    with pytest.raises(glassheap.BadImage):
        SharedHeap.attach(path=place, record=earlier)
    assert earlier.read_bytes() == recorded()
    assert {*files(earlier.parent)} == {"app.trace", "heap"}


@pytest.mark.any_interpreter
def test_an_earlier_recording_outlives_an_attachment_that_is_one_too_many(earlier: Path) -> None:
    place = earlier.with_name("heap")
    with ExitStack() as stack:
        stack.enter_context(SharedHeap.create(size=1 << 20, path=place))
        for _ in range(4094):
            with SharedHeap.attach(path=place) as heap:
                heap.malloc(16)  # keeps the number
        with pytest.raises(glassheap.TooManyProcesses):
            SharedHeap.attach(path=place, record=earlier)
    assert earlier.read_bytes() == recorded()
    assert {*files(earlier.parent)} == {"app.trace", "heap"}


# --- The recording is refused. --------------------------------------------------------------------


@pytest.fixture(params=["no folder", "no recording"])
def impossible(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The path of a recording that cannot be made."""
    if request.param == "no folder":
        return tmp_path / "missing" / "app.trace"
    thesis = tmp_path / "thesis.txt"
    thesis.write_text("years of work")
    return thesis


@pytest.mark.parametrize("type_", [SharedHeap, SharedOffsetHeap])
def test_no_segment_remains_without_its_recording(
    tmp_path: Path, impossible: Path, type_: type[SharedHeap]
) -> None:
    before = segments(), files(tmp_path)
    for opener in (type_.create, partial(type_.create, path=tmp_path / "heap")):
        with pytest.raises(OSError, match="recording"):
            opener(size=4096, record=impossible)
    assert (segments(), files(tmp_path)) == before


@pytest.mark.parametrize(
    "opener",
    [Heap.over, lambda memory, **options: SharedHeap.create(buffer=memory, **options)],
)
def test_memory_stays_as_it_was_without_the_recording(
    impossible: Path, opener: Callable[..., Heap]
) -> None:
    with mmap.mmap(-1, 1 << 18) as memory:
        memory[:] = b"?" * len(memory)
        with pytest.raises(OSError, match="recording"):
            opener(memory, record=impossible)
        assert memory[:] == b"?" * len(memory)
        opener(memory).close()  # and nothing claims it


def test_a_shared_heap_stays_as_it_was_without_the_recording(
    tmp_path: Path, impossible: Path
) -> None:
    place = tmp_path / "heap"
    image(place)
    before = place.read_bytes()
    with pytest.raises(OSError, match="recording"):
        SharedHeap.attach(path=place, record=impossible)
    assert place.read_bytes() == before


# --- A recording of the interpreter. --------------------------------------------------------------


def start_without_disk(record: Path) -> None:
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 12, 1 << 12))
    with suppress(OSError), glassheap.record(record):
        os._exit(1)  # it was not refused


@NEEDS_FORK
def test_an_earlier_recording_outlives_one_without_room(earlier: Path) -> None:
    in_fork(start_without_disk, earlier)
    assert files(earlier.parent) == {"app.trace": recorded()}


# --- Processes that begin at the same moment. -----------------------------------------------------


def record_once(path: Path) -> None:
    """Record to a file that others want too: it is this process's alone, or refused as busy."""
    try:
        heap = Heap(4096, record=path)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return
    with heap:
        heap.malloc(1)
        assert str(path) in open_files()


def record_again_and_again(path: Path) -> None:
    for _ in range(300):
        record_once(path)


def open_files() -> set[str]:
    names = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    return {os.readlink(name) for name in names if os.path.lexists(name)}


@NEEDS_FORK
def test_each_of_many_openings_at_once_has_a_file_of_its_own_or_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "app.trace"
    with ExitStack() as stack:
        work = partial(record_again_and_again, path)
        children = [stack.enter_context(forked(work)) for _ in range(3)]
        ended = [os.waitpid(child, 0)[1] for child in children]
    assert ended == [0, 0, 0]
    assert {len(read(file)) for file in tmp_path.iterdir()} <= {1}
