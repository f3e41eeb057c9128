"""SharedOffsetHeap: offsets that several processes hand out, their data in one segment."""

from __future__ import annotations

import json
import mmap
import os
import pickle
import signal
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import glassheap
from command_helpers import run
from glassheap import OffsetHeap, SharedHeap, SharedOffsetHeap
from heap_probes import assert_sentences
from process_helpers import NEEDS_SHARED_MEMORY, allocate_in, forked, in_child, in_fork, kill

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = NEEDS_SHARED_MEMORY

GRANULE = 4096
SIZE = 1 << 30
POLICIES = [policy.name for policy in glassheap.policies()]


@pytest.fixture
def heap() -> Iterator[SharedOffsetHeap]:
    """A fresh heap of 1 GiB of memory that is not there."""
    with SharedOffsetHeap.create(size=SIZE, granule=GRANULE) as heap:
        yield heap
        assert heap.check() == []


def test_it_is_both_an_offset_heap_and_a_shared_one(heap: SharedOffsetHeap) -> None:
    assert isinstance(heap, OffsetHeap)
    assert isinstance(heap, SharedHeap)
    assert type(heap) is SharedOffsetHeap
    assert (heap.size, heap.granule, heap.base, heap.headers) == (SIZE, GRANULE, 0, False)
    start = (
        f"<SharedOffsetHeap of {SIZE} bytes, granule 4096, in shared memory '{heap.name}', first"
    )
    assert repr(heap).startswith(start)
    with pytest.raises(TypeError, match=r"is made by SharedOffsetHeap\.create"):
        SharedOffsetHeap()


@pytest.mark.parametrize("policy", POLICIES)
def test_it_places_blocks_as_a_private_one_does(policy: str) -> None:
    private = OffsetHeap(1 << 22, granule=512, policy=policy)
    with SharedOffsetHeap.create(size=1 << 22, granule=512, policy=policy) as heap:
        for each in (private, heap):
            made = each.malloc_many([n * 100 % 7000 for n in range(200)])
            each.free_many(made[::3])
            each.malloc(4000, align=1 << 16)
            each.realloc(made[1], 9000, move=lambda old, new, size: None)
        assert heap.walk() == private.walk()
        assert heap.free_list() == private.free_list()


def test_another_attachment_sees_the_same_offsets(heap: SharedOffsetHeap) -> None:
    first, second = heap.malloc(10), heap.malloc(GRANULE + 1)
    assert (first, second) == (0, GRANULE)
    with SharedOffsetHeap.attach(heap.name) as other:
        assert (other.size, other.granule, other.policy) == (SIZE, GRANULE, "first_fit")
        assert [*other] == [0, GRANULE]
        other.free(0)
        assert other.realloc(second, 3 * GRANULE) == second
        with pytest.raises(glassheap.MustMove):
            other.realloc(second, SIZE)
    with pytest.raises(glassheap.DoubleFree):
        heap.free(0)
    assert in_fork(heap.malloc, 5) == 0
    assert 0 in heap


def test_an_align_holds_wherever_a_process_maps_the_segment(heap: SharedOffsetHeap) -> None:
    """Alignments count from the memory's first byte, and not from where the data lies."""
    heap.malloc(1)
    with SharedOffsetHeap.attach(heap.name) as other:
        for each in (heap, other):
            assert each.malloc(1, align=1 << 28) % (1 << 28) == 0
    with pytest.raises(glassheap.InvalidAlignment, match=f"up to {1 << 28}, a quarter"):
        heap.malloc(1, align=1 << 29)


def test_blocks_travel_and_count_their_references(heap: SharedOffsetHeap) -> None:
    block = heap.alloc(10).share()
    again = pickle.loads(pickle.dumps(block))
    assert (again.heap, again.address) == (heap, block.address)
    (owner,) = heap.owners()
    assert (owner.address, owner.size, owner.pid) == (block.address, GRANULE, os.getpid())
    assert owner.holders == 2
    block.free()
    assert 0 in heap
    again.free()
    assert 0 not in heap
    assert in_child(allocate_in, heap, 10, how="spawn") == 0
    assert pickle.loads(pickle.dumps(heap)) is heap


def hold_and_wait(heap: SharedOffsetHeap) -> None:
    block = heap.alloc(5 * GRANULE).share()
    while block.live:
        time.sleep(1)


def test_what_a_killed_process_held_is_reaped(heap: SharedOffsetHeap) -> None:
    with forked(hold_and_wait, heap) as child:
        while not (heap.owners() and heap.owners()[0].holders):
            time.sleep(0.01)
        kill(child)
        assert (heap.owners()[0].pid, heap.owners()[0].alive) == (child, False)
        assert heap.reap() == 1
    assert len(heap) == 0


def churn(name: str) -> None:
    with SharedOffsetHeap.attach(name) as heap:
        live: list[int] = []
        while True:
            live += heap.malloc_many([100, 9000])
            heap.free(live.pop(0))
            live.append(heap.realloc(live.pop(), 50_000, move=lambda old, new, size: None))
            if len(live) > 50:
                heap.reset()
                live.clear()


def test_a_death_at_any_moment_leaves_a_sound_heap(heap: SharedOffsetHeap) -> None:
    """A death at every single store is in tests/cpp/killed_test.cpp."""
    for pause in (0.01, 0.02, 0.03, 0.05):
        with forked(churn, str(heap.name)) as child:
            time.sleep(pause)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            assert heap.check() == []
            assert sum(info.extent for info in heap.walk()) == SIZE
    heap.reset()


# --- Where the heap's own data lies. --------------------------------------------------------------


def test_a_buffer_holds_the_data_and_has_no_size_of_the_memory() -> None:
    with mmap.mmap(-1, 1 << 20) as memory:
        with pytest.raises(TypeError, match="needs the size of the memory, in bytes"):
            SharedOffsetHeap.create(buffer=memory)
        with pytest.raises(glassheap.InvalidSize, match="With a larger granule it may have more"):
            SharedOffsetHeap.create(size=SIZE, buffer=memory)
        with closing(SharedOffsetHeap.create(size=SIZE, granule=1 << 16, buffer=memory)) as heap:
            assert heap.size == SIZE
            assert heap.malloc(SIZE) == 0
            with closing(SharedOffsetHeap.attach(buffer=memory)) as other:
                assert [*other] == [0]


def test_a_file_outlives_its_processes(tmp_path: Path) -> None:
    path, copy = tmp_path / "offsets", tmp_path / "copy"
    with SharedOffsetHeap.create(path=path, size=SIZE, granule=1 << 20) as heap:
        heap.malloc(3 << 20)
        heap.malloc(1)
        heap.backup(copy)
        heap.free(0)
    for file, live in ((path, [3 << 20]), (copy, [0, 3 << 20])):
        with closing(SharedOffsetHeap.attach(path=file)) as heap:
            assert [*heap] == live
            assert heap.granule == 1 << 20


def test_its_own_memory_is_in_the_segment(heap: SharedOffsetHeap) -> None:
    granules = SIZE // GRANULE
    assert heap.own_memory() < 20 * granules
    assert Path("/dev/shm", str(heap.name)).stat().st_size < 20 * granules + (1 << 18)


# --- The other class. -----------------------------------------------------------------------------


def test_each_class_refuses_the_other_and_names_it(heap: SharedOffsetHeap) -> None:
    with pytest.raises(glassheap.BadImage, match="Attach to it with SharedOffsetHeap") as caught:
        SharedHeap.attach(heap.name)
    assert caught.value.field == "granule"
    assert_sentences(str(caught.value))
    with (
        SharedHeap.create(size=4096) as other,
        pytest.raises(glassheap.BadImage, match="Attach to it with SharedHeap"),
    ):
        SharedOffsetHeap.attach(other.name)


OPTIONS: dict[str, Any] = {
    "threads": False, "thread_cache": True, "align": 64, "headers": True, "base": 0,
    "checks": "debug", "zero_on_free": True, "magic": 1,
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_of_another_heap_is_refused(name: str) -> None:
    with pytest.raises(TypeError, match=f"there is no option '{name}' here"):
        SharedOffsetHeap.create(size=4096, **{name: OPTIONS[name]})


@pytest.mark.parametrize("size", [0, 1, -1, 2**63 + 1, 2**200, 2**40])
def test_a_size_out_of_range_is_refused(size: int) -> None:
    with pytest.raises(glassheap.InvalidSize):
        SharedOffsetHeap.create(size=size)


# --- The command line. ----------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A heap in a file, with two live blocks."""
    path = tmp_path / "offsets"
    with SharedOffsetHeap.create(path=path, size=SIZE, granule=GRANULE) as heap:
        heap.malloc(5 * GRANULE)
        heap.malloc(1)
    return path


def test_fsck_knows_granules(file: Path) -> None:
    shown = run("fsck", str(file)).stdout
    assert "layout        offsets, granule 4,096" in shown
    assert f"size          {SIZE:,} bytes" in shown
    assert f"blocks        2 live, {6 * GRANULE:,} bytes" in shown
    assert "verdict       clean" in shown


def test_inspect_knows_granules(file: Path) -> None:
    figures = json.loads(run("inspect", str(file), "--json").stdout)
    assert figures["granule"] == GRANULE
    assert figures["stats"]["size"] == SIZE
    (owner,) = figures["owners"]
    assert [(b["address"], b["size"]) for b in owner["blocks"]] == [
        (0, 5 * GRANULE),
        (5 * GRANULE, GRANULE),
    ]
    assert "granule                 4,096" in run("inspect", str(file)).stdout


# --- Damage. --------------------------------------------------------------------------------------


def test_damage_of_its_own_data_is_named_by_its_offset(tmp_path: Path) -> None:
    """A stray write to the segment hits a node, which lies beside the memory and not in it."""
    path = tmp_path / "offsets"
    granules = 256
    with SharedOffsetHeap.create(path=path, size=granules * GRANULE, granule=GRANULE) as heap:
        blocks = heap.malloc_many([GRANULE] * 10)
        heap.free(blocks[4])
        with path.open("r+b") as file:
            file.seek(-16 * granules + 16 * 4, os.SEEK_END)
            file.write(b"\xff" * 8)
        (finding,) = heap.check()
        assert (finding.fault, finding.offset) == ("FreeListCorrupted", 4 * GRANULE)
        assert f"at offset {4 * GRANULE} breaks the rule 'node size'" in str(finding)
        assert "Something wrote over the heap's own data." in str(finding)
        with pytest.raises(glassheap.HeapDamaged):
            heap.malloc(1)
        heap.reset()
        assert heap.malloc(1) == 0
