"""Heap(record=path): the file has the calls that were made, whatever happens to the program.

tests/cpp/recorded_heap_test.cpp compares every policy and layout with an oracle, and replays them.
"""

from __future__ import annotations

import asyncio
import errno
import mmap
import os
import signal
import stat
import threading
import time
from contextlib import suppress
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

import glassheap
from glassheap import Heap, OffsetHeap, OutOfMemory, SharedHeap, SharedOffsetHeap
from glassheap.traces import read
from process_helpers import NEEDS_FORK, allocate_in, forked, in_child, in_fork
from recorded_calls import Made, Recorded
from trace_helpers import recorded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.trace"


def calls(path: Path) -> list[Made]:
    return Recorded(path).calls


def tags(path: Path) -> list[tuple[str, str]]:
    """The requests and their tags."""
    return [(call.kind, call.tag) for call in calls(path) if call.kind != "free"]


def make_each_call(heap: Heap) -> list[tuple[str, int, int]]:
    """Every call in Python that allocates, resizes or frees, and what a recording must have."""
    first, second = heap.malloc(10), heap.malloc(20, align=64)
    grown = heap.realloc(first, 300)
    block = heap.alloc(40)
    many = heap.malloc_many([1, 2])
    heap.free(second)
    heap.free_many(many)
    block.free()
    with suppress(OutOfMemory):
        heap.malloc(2**40)
    with suppress(OutOfMemory):
        heap.realloc(grown, 2**41)
    with suppress(OutOfMemory):
        heap.malloc_many([7, 2**42, 9])
    heap.free(heap.realloc(None, 50))
    kept = heap.alloc(60)
    place = kept.address
    del kept
    return [
        ("malloc", first, 10),
        ("malloc", second, 20),
        ("realloc", grown, 300),
        ("malloc", block.address, 40),
        ("malloc", many[0], 1),
        ("malloc", many[1], 2),
        ("free", second, 0),
        *(("free", address, 0) for address in sorted(many, reverse=True)),
        ("free", block.address, 0),
        ("failed malloc", 0, 2**40),
        ("failed realloc", grown, 2**41),
        ("failed part", 0, 7),
        ("failed malloc", 0, 2**42),
        ("malloc", place, 50),
        ("free", place, 0),
        ("malloc", place, 60),
        ("free", place, 0),
    ]


# --- The calls. -----------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [policy.name for policy in glassheap.policies()])
def test_each_call_is_recorded_by_each_policy(path: Path, policy: str) -> None:
    with Heap(65536, policy=policy, record=path) as heap:
        expected = make_each_call(heap)
    found = [call.brief() for call in calls(path)]
    assert found[:-4] == expected[:-4]
    assert [(kind, size) for kind, _, size in found[-4:]] == [(k, n) for k, _, n in expected[-4:]]
    assert Recorded(path).facts["policy"] == policy


def test_what_only_bytes_have_is_recorded(path: Path) -> None:
    heap = Heap(65536, record=path, base=0)
    cleared = heap.calloc(3, 7)
    with heap.alloc(30) as block:
        place = block.address
    heap.reset()
    heap.malloc(1)
    heap.close()
    found = Recorded(path)
    assert found.brief()[:3] == [
        ("malloc", cleared, 21),
        ("malloc", place, 30),
        ("free", place, 0),
    ]
    assert found.resets == [3]
    trace = read(path)
    assert trace.peak_live == 51
    assert "recorder=heap" in trace.facts


def test_an_alignment_is_recorded_if_it_is_not_the_default(path: Path) -> None:
    with Heap(65536, record=path) as heap:
        heap.realloc(heap.malloc(1, align=64), 5, align=128)
        heap.malloc(1, align=16)
    assert [call.align for call in calls(path)] == [64, 128, 0]
    path.unlink()
    with OffsetHeap(65536, granule=1, align=32, record=path) as offsets:
        offsets.malloc(1)
        offsets.malloc(1, align=1)
    assert [call.align for call in calls(path)] == [0, 1]


def test_a_move_of_an_offset_heap_is_one_realloc(path: Path) -> None:
    with OffsetHeap(4096, granule=1, record=path) as heap:
        first = heap.malloc(10)
        heap.malloc(10)
        with suppress(glassheap.MustMove):
            heap.realloc(first, 20)
        moved = heap.realloc(first, 20, move=lambda _old, _new, _size: None)
        with suppress(OutOfMemory):
            heap.realloc(moved, 5000, move=lambda _old, _new, _size: None)
    assert Recorded(path).brief() == [
        ("malloc", 0, 10),
        ("malloc", 10, 10),
        ("realloc", moved, 20),
        ("failed realloc", moved, 5000),
    ]


def test_refused_pointers_are_no_calls(path: Path) -> None:
    with Heap(4096, record=path) as heap:
        address = heap.malloc(10)
        heap.free(address)
        for misuse in (heap.free, heap.usable_size, partial(heap.realloc, size=5)):
            with pytest.raises(glassheap.HeapError):
                misuse(address)
        with pytest.raises(glassheap.InvalidAlignment):
            heap.malloc(5, align=3)
    assert [call.kind for call in calls(path)] == ["malloc", "free"]


def test_a_failure_that_an_eviction_mends_is_none(path: Path) -> None:
    with Heap(4096, headers=False, record=path) as heap:
        old = heap.malloc(4000, tag="old")
        new = heap.malloc(3000, tag="new", evict=lambda _: heap.free(old))
        with pytest.raises(OutOfMemory):
            heap.malloc(3000, tag="none", evict=lambda _: heap.malloc(16))
        with pytest.raises(OutOfMemory):
            heap.malloc(3000, tag="late", timeout=0.01)
    assert [(call.kind, call.tag) for call in calls(path)] == [
        ("malloc", "old"),
        ("free", ""),
        ("malloc", "new"),
        ("malloc", ""),
        ("failed malloc", "none"),
        ("failed malloc", "late"),
    ]
    assert calls(path)[2].address == new


def test_a_coroutine_that_waited_in_vain_is_one_failure(path: Path) -> None:
    async def wait(heap: Heap) -> None:
        with heap.tagged("request"), pytest.raises(OutOfMemory):
            await heap.amalloc(3000, timeout=0.02)

    with Heap(4096, record=path) as heap:
        heap.malloc(3000)
        asyncio.run(wait(heap))
    assert tags(path) == [("malloc", ""), ("failed malloc", "request")]


# --- Tags. ----------------------------------------------------------------------------------------


def test_tags_are_recorded_also_of_failures(path: Path) -> None:
    with Heap(65536, record=path) as heap, Heap(65536) as other:
        tagged = heap.malloc(1, tag="a")
        heap.realloc(tagged, 20000)
        heap.realloc(tagged, 30, tag="b")
        heap.malloc_many([1, 2], tag="many")
        heap.calloc(1, 2, tag="zeros")
        with suppress(OutOfMemory):
            heap.malloc(2**30, tag="too much")
        with heap.tagged("context"), other.tagged("other"):
            heap.malloc(1)
            heap.malloc(1, tag="nearer")
            heap.realloc(tagged, 40)  # the block has a tag
            heap.realloc(None, 1)
            heap.malloc_many([1])
            with suppress(OutOfMemory):
                heap.malloc(2**30)
            with pytest.raises(glassheap.InvalidAlignment):
                heap.malloc(1, align=3)
        heap.malloc(1)
    assert tags(path) == [
        ("malloc", "a"),
        ("realloc", "a"),
        ("realloc", "b"),
        ("malloc", "many"),
        ("malloc", "many"),
        ("malloc", "zeros"),
        ("failed malloc", "too much"),
        ("malloc", "context"),
        ("malloc", "nearer"),
        ("realloc", "b"),
        ("malloc", "context"),
        ("malloc", "context"),
        ("failed malloc", "context"),
        ("malloc", ""),
    ]


def test_a_heap_that_is_not_recorded_keeps_its_tags(path: Path) -> None:
    with Heap(4096, record=path) as recorded, Heap(4096) as heap, recorded.tagged("a"):
        heap.malloc(1, tag="b")
        recorded.malloc(1)
        assert [usage.tag for usage in heap.by_tag()] == ["b"]
        assert [usage.tag for usage in recorded.by_tag()] == ["a"]
    assert tags(path) == [("malloc", "a")]


# --- Threads and processes. -----------------------------------------------------------------------


def test_threads_and_times_are_recorded(path: Path) -> None:
    numbers: list[int] = []
    handed_over: list[int] = []

    def work(heap: Heap) -> None:
        numbers.append(threading.get_native_id())
        for i in range(300):
            handed_over.append(heap.malloc(i))
            with suppress(IndexError):
                heap.free(handed_over.pop(0))

    with Heap(1 << 20, record=path) as heap:
        handed_over.append(heap.malloc(1))
        threads = [threading.Thread(target=work, args=(heap,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        heap.free_many(handed_over)
        stats = heap.stats()
    found = calls(path)
    assert {call.thread for call in found} == {*numbers, threading.get_native_id()}
    assert all(a.time <= b.time for a, b in pairwise(found))
    assert len(found) == stats.mallocs + stats.frees == 2402
    trace = read(path)
    assert trace.skipped == ()  # no address is used twice: the order is that of the heap
    assert len(trace.kinds) == 2402


def test_times_are_those_of_the_clock(path: Path) -> None:
    with Heap(4096, record=path) as heap:
        heap.malloc(1)
        began = time.monotonic()
        time.sleep(0.02)
        heap.malloc(1)
        passed = time.monotonic() - began
    first, second = (call.time for call in calls(path))
    assert 0.02 <= (second - first) * 1e-6 <= passed + 0.01


@NEEDS_FORK
def test_a_forked_child_records_nothing(path: Path) -> None:
    def work() -> None:
        heap.free(address)
        heap.malloc(77)
        with Heap(4096, record=path.with_suffix(".child")) as own:
            own.malloc(1)

    heap = Heap(4096, record=path)
    address = heap.malloc(10)
    in_fork(work)
    heap.malloc(20)
    heap.close()
    assert Recorded(path).brief()[1:] == [("malloc", calls(path)[1].address, 20)]
    (child,) = calls(path.with_suffix(".child"))
    assert child.thread not in (0, threading.get_native_id())


@NEEDS_FORK
def test_a_forked_child_does_not_keep_the_file(path: Path) -> None:
    ours, theirs = os.pipe()

    def work() -> None:
        os.write(theirs, b".")
        signal.pause()

    with Heap(4096, record=path) as heap, forked(work):
        os.read(ours, 1)  # the child runs
        heap.close()
        Heap(4096, record=path).close()
    os.close(ours)
    os.close(theirs)


@NEEDS_FORK
@pytest.mark.any_interpreter
def test_a_killed_program_leaves_each_call(path: Path) -> None:
    ours, theirs = os.pipe()

    def work() -> None:
        heap = Heap(1 << 20, record=path)
        for i in range(10**9):
            heap.free(heap.malloc(i % 500))
            os.write(theirs, b".")  # only then is the pair complete

    with forked(work) as child:
        os.close(theirs)
        seen = sum(len(os.read(ours, 4096)) for _ in range(3000))
        os.kill(child, signal.SIGKILL)
        while more := os.read(ours, 4096):
            seen += len(more)
    os.close(ours)
    trace = read(path)
    assert len(trace.kinds) - 2 * seen in (0, 1, 2)
    assert trace.sizes[0:2000:2].tolist() == [i % 500 for i in range(1000)]


@pytest.mark.parametrize("type_", [SharedHeap, SharedOffsetHeap])
def test_a_shared_heap_records_the_calls_of_its_process(
    tmp_path: Path, type_: type[SharedHeap]
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    with (
        type_.create(size=65536, path=tmp_path / "heap", record=here) as heap,
        type_.attach(path=tmp_path / "heap", record=there) as attached,
    ):
        address = heap.malloc(100)
        attached.free(address)
        own = attached.malloc(50, tag="own")
    assert Recorded(here).brief() == [("malloc", address, 100)]
    assert Recorded(there).brief() == [("free", address, 0), ("malloc", own, 50)]
    assert Recorded(here).facts["heap"] == type_.__name__
    assert read(there).tag_names[1:] == ("own",)
    assert read(there).skipped[0].lines == 1  # the free of a block of another process


def test_a_heap_over_a_buffer_is_recorded(path: Path) -> None:
    with Heap.over(bytearray(4096), base=0, record=os.fsencode(path)) as heap:
        heap.malloc(10)
        assert Recorded(path).facts["size"] == str(heap.size)
    assert len(calls(path)) == 1


def test_the_recorder_is_memory_of_the_heap(path: Path) -> None:
    with Heap(4096) as heap, Heap(4096, record=path) as recorded:
        assert 16384 < recorded.own_memory() - heap.own_memory() < 65536


def test_a_collected_heap_has_ended_its_recording(path: Path) -> None:
    heap = Heap(4096, record=path)
    heap.malloc(1)
    del heap
    with Heap(4096, record=path):
        assert calls(path) == []


@pytest.mark.any_interpreter
def test_a_shared_heap_that_was_sent_does_not_record(tmp_path: Path) -> None:
    record = tmp_path / "app.trace"
    with SharedHeap.create(size=65536, path=tmp_path / "heap", record=record) as heap:
        heap.malloc(1)
        heap.free(in_child(allocate_in, heap, 77, how="spawn"))
    assert [call.kind for call in calls(record)] == ["malloc", "free"]


# --- What cannot be recorded. ---------------------------------------------------------------------


def limited(limit: int, path: Path) -> tuple[int, str, int]:
    """In a child whose files have a limit: the live blocks at the end, stderr, and the calls."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    messages, stderr = os.pipe()
    os.dup2(stderr, 2)
    os.close(stderr)
    heap = Heap(1 << 20, record=path)
    for i in range(20000):
        heap.free(heap.malloc(i * 7919 % 50000))
    heap.malloc(1)
    os.close(2)
    with open(messages) as pipe:
        return heap.stats().live_blocks, pipe.read(), len(read(path).kinds)


@NEEDS_FORK
def test_a_full_disk_ends_the_recording_and_not_the_program(path: Path) -> None:
    live, message, recorded = in_fork(limited, 40000, path)
    assert live == 1
    assert message == (
        f"glassheap: cannot write to {path}: {os.strerror(errno.EFBIG)}; "
        "the recording ends here, and the program runs on\n"
    )
    assert 1000 < recorded < 40000


def test_a_file_that_is_no_recording_is_kept(tmp_path: Path) -> None:
    thesis = tmp_path / "thesis.txt"
    thesis.write_text("years of work")
    with pytest.raises(FileExistsError, match="is a file, and no earlier recording"):
        Heap(4096, record=thesis)
    assert thesis.read_text() == "years of work"
    for replaced in (b"", recorded()):
        thesis.write_bytes(replaced)
        Heap(4096, record=thesis).close()
        assert len(read(thesis)) == 0


@pytest.mark.parametrize(
    ("prepare", "error", "words"),
    [
        (lambda path: path / "missing" / "file", FileNotFoundError, "there is no folder"),
        (lambda path: path, FileExistsError, "is a folder, and no earlier recording"),
        (lambda path: str(path) + "/" + "x" * 300, OSError, "cannot be made"),
        (lambda _path: "", FileNotFoundError, "there is no folder"),
    ],
)
@pytest.mark.parametrize(
    "opener",
    [
        partial(Heap, 4096),
        partial(OffsetHeap, 4096),
        lambda **options: Heap.over(bytearray(4096), **options),
        lambda **options: SharedHeap.create(size=4096, **options),
        lambda **options: SharedOffsetHeap.create(size=4096, **options),
    ],
)
def test_a_path_that_is_no_place_for_a_file_is_refused(
    tmp_path: Path,
    opener: Callable[..., Heap],
    prepare: Callable[[Path], Any],
    error: type[OSError],
    words: str,
) -> None:
    record = prepare(tmp_path)
    with pytest.raises(error, match=words) as refused:
        opener(record=record)
    assert refused.value.filename == str(record)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(PermissionError, match="no permission to write the recording"):
        Heap(4096, record=tmp_path / "file")


def test_a_file_has_one_recorder(path: Path) -> None:
    with Heap(4096, record=path) as heap:
        heap.malloc(1)
        with pytest.raises(OSError, match="another recorder is writing to") as refused:
            Heap(4096, record=path)
        assert refused.value.errno == errno.EBUSY
        heap.malloc(2)
    assert len(calls(path)) == 2
    with Heap(4096, record=path):  # an earlier recording is replaced
        assert calls(path) == []


@pytest.mark.parametrize("record", ["a\0b", b"a\0b"])
def test_a_path_with_a_nul_is_a_value_error(record: str | bytes) -> None:
    with pytest.raises(ValueError, match="null"):
        Heap(4096, record=record)


@pytest.mark.parametrize("record", [5, True, ["file"], 1.5])
def test_what_is_no_path_is_a_type_error(record: Any) -> None:
    with pytest.raises(TypeError):
        Heap(4096, record=record)


@pytest.mark.parametrize(
    "options", [{"policy": "none"}, {"thread_cache": True}, {"size": 1}, {"granule": 16}]
)
def test_a_heap_that_is_refused_leaves_no_file(path: Path, options: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError, glassheap.HeapError)):
        Heap(**options, record=path)
    assert not path.exists()


def test_a_shared_heap_that_is_refused_leaves_no_file(path: Path, tmp_path: Path) -> None:
    place = tmp_path / "heap"
    place.touch()
    with pytest.raises(FileExistsError):
        SharedHeap.create(size=4096, path=place, record=path)
    with pytest.raises(glassheap.BadImage):
        SharedHeap.attach(path=place, record=path)
    assert not path.exists()


def test_a_buffer_of_a_shared_heap_stays_as_it_was(tmp_path: Path) -> None:
    with mmap.mmap(-1, 1 << 18) as memory:
        with pytest.raises(FileNotFoundError):
            SharedHeap.create(buffer=memory, record=tmp_path / "missing" / "file")
        assert memory[:] == bytes(1 << 18)
