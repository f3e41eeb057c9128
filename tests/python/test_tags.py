"""Tags: who holds the memory, and since when, told by by_tag() and oldest().

A dictionary kept beside the heap says what by_tag() must tell, whatever was called.
"""

from __future__ import annotations

import asyncio
import contextvars
import mmap
import threading
import time
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import glassheap
from glassheap import Heap, SharedHeap
from heap_probes import fingerprint

SIZES = st.one_of(st.integers(0, 80), st.integers(0, 700))
TAGS = st.sampled_from([None, "a", "b", "request-17", "Größe", "x" * 200])
NUMBERS = st.integers(0, 1000)
OPERATIONS = st.one_of(
    st.tuples(st.sampled_from(["malloc", "calloc", "alloc", "inside"]), SIZES, TAGS),
    st.tuples(st.just("realloc"), NUMBERS, SIZES, TAGS),
    st.tuples(st.just("batch"), st.lists(SIZES, max_size=5), TAGS),
    st.tuples(st.sampled_from(["free", "free", "free_many"]), NUMBERS),
    st.tuples(st.just("reset")),
)
POLICIES = [policy.name for policy in glassheap.policies()]
KINDS: dict[str, dict[str, Any]] = {
    "headers": {},
    "no headers": {"headers": False},
    "thread cache": {"thread_cache": True},
    "no headers, from 0": {"headers": False, "base": 0},
    "debug, quarantine": {"checks": "debug", "quarantine": 2000},
}


class Owned(NamedTuple):
    size: int
    tag: str | None


class Witness:
    """A heap, and its live blocks with their sizes and tags."""

    def __init__(self, **options: Any) -> None:
        self.heap = Heap(8192, **options)
        self.owned: dict[int, Owned] = {}

    def note(self, address: int, size: int, tag: str | None) -> None:
        exact = self.heap.headers or self.heap.checks == "debug"
        self.owned[address] = Owned(size if exact else self.heap.usable_size(address), tag)

    def chosen(self, number: int) -> int | None:
        return [*self.owned][number % len(self.owned)] if self.owned else None

    def malloc(self, size: int, tag: str | None) -> None:
        self.note(self.heap.malloc(size, tag=tag), size, tag)

    def calloc(self, size: int, tag: str | None) -> None:
        self.note(self.heap.calloc(1, size, tag=tag), size, tag)

    def alloc(self, size: int, tag: str | None) -> None:
        with self.heap.alloc(size, tag=tag):
            pass
        self.note(self.heap.malloc(size), size, None)  # where a block with a tag has just been

    def inside(self, size: int, tag: str | None) -> None:
        with self.heap.tagged(tag or "outer"):
            self.note(self.heap.malloc(size), size, tag or "outer")

    def realloc(self, number: int, size: int, tag: str | None) -> None:
        address = self.chosen(number)
        if address is None:
            return
        before = self.owned[address].tag
        with self.heap.tagged("not for a block that is there"):
            moved = self.heap.realloc(address, size, tag=tag)
        del self.owned[address]
        self.note(moved, size, tag or before)

    def batch(self, sizes: list[int], tag: str | None) -> None:
        for address, size in zip(self.heap.malloc_many(sizes, tag=tag), sizes, strict=True):
            self.note(address, size, tag)

    def free(self, number: int) -> None:
        address = self.chosen(number)
        self.heap.free(address)
        self.owned.pop(address or 0, None)

    def free_many(self, number: int) -> None:
        some = [*self.owned][: number % 4]
        self.heap.free_many(some)
        for address in some:
            del self.owned[address]

    def reset(self) -> None:
        self.heap.reset()
        self.owned.clear()

    def usage(self) -> dict[str | None, tuple[int, int]]:
        """The number of blocks and bytes by tag."""
        sums: dict[str | None, tuple[int, int]] = {}
        for size, tag in self.owned.values():
            blocks, total = sums.get(tag, (0, 0))
            sums[tag] = blocks + 1, total + size
        return sums


@pytest.mark.any_interpreter
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=15)
@given(operations=st.lists(OPERATIONS, max_size=40), at_once=st.booleans())
def test_by_tag_is_what_a_dictionary_beside_the_heap_says(
    policy: str, kind: str, operations: list[tuple[Any, ...]], at_once: bool
) -> None:
    witness = Witness(policy=policy, tags=at_once, **KINDS[kind])
    for name, *arguments in operations:
        with suppress(glassheap.OutOfMemory):
            getattr(witness, name)(*arguments)
    heap, usages = witness.heap, witness.heap.by_tag()
    assert {it.tag: (it.blocks, it.bytes) for it in usages} == witness.usage()
    assert all(one.bytes >= two.bytes for one, two in pairwise(usages))
    assert all(0 <= it.newest <= it.oldest < 60 for it in usages)
    blocks = heap.oldest(10**6)
    assert {it.address: Owned(it.size, it.tag) for it in blocks} == witness.owned
    assert all(one.age >= two.age for one, two in pairwise(blocks))
    assert heap.check() == []


# --- The tag of a call, and of a context. ---------------------------------------------------------


def tags(heap: Heap) -> list[str | None]:
    """The tags of the live blocks, by address."""
    return [it.tag for it in sorted(heap.oldest(1000))]


def test_the_innermost_tag_counts_and_an_argument_before_it() -> None:
    heap, other = Heap(), Heap()
    with heap.tagged("outer") as entered:
        assert entered is heap
        heap.malloc(1)
        with heap.tagged("inner"), other.tagged("other"):
            heap.malloc(1)
            heap.malloc(1, tag="mine")
            heap.malloc(1, tag=None)
            heap.realloc(None, 1)
            heap.realloc(0, 1)
            other.malloc(1)
        heap.malloc_many([1, 1])
        heap.calloc(1, 1)
        kept = heap.alloc(1)
    heap.malloc(1)
    inner = ["inner", "mine", "inner", "inner", "inner"]
    assert tags(heap) == ["outer", *inner, "outer", "outer", "outer", "outer", None]
    assert tags(other) == ["other"]
    kept.free()


def test_the_tag_is_restored_after_an_exception_and_may_decorate_a_function() -> None:
    heap = Heap()
    with pytest.raises(KeyError), heap.tagged("inside"):
        raise KeyError

    @heap.tagged("decorated")  # type: ignore[operator]
    def allocate() -> None:
        heap.malloc(1)

    heap.malloc(1)
    allocate()
    assert tags(heap) == [None, "decorated"]


def test_each_asyncio_task_has_its_own_tag() -> None:
    heap = Heap(1 << 16)

    async def request(number: int) -> None:
        with heap.tagged(f"request-{number}"):
            for _ in range(5):
                heap.malloc(16)
                await asyncio.sleep(0)
            await asyncio.gather(*(child() for _ in range(2)))

    async def child() -> None:
        await asyncio.sleep(0)
        heap.malloc(16)  # a task inherits the tag of the task that makes it

    async def serve() -> None:
        await asyncio.gather(*(request(number) for number in range(20)))
        heap.malloc(16)

    asyncio.run(serve())
    usage = {it.tag: it.blocks for it in heap.by_tag()}
    assert usage.pop(None) == 1
    assert usage == {f"request-{number}": 7 for number in range(20)}


@pytest.mark.parametrize("cached", [False, True])
def test_each_thread_has_its_own_tag(cached: bool) -> None:
    heap = Heap(1 << 20, thread_cache=cached)
    barrier = threading.Barrier(4)

    def work(number: int) -> None:
        barrier.wait()
        with heap.tagged(f"thread-{number}"):
            for _ in range(200):
                heap.free(heap.malloc(64))
                heap.malloc(64)

    threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    usage = {it.tag: it.blocks for it in heap.by_tag()}
    assert usage == {f"thread-{number}": 200 for number in range(4)}


def test_a_context_that_was_copied_keeps_its_tag_alive() -> None:
    """However many other tags come and go meanwhile."""
    heap = Heap(1 << 16)
    with heap.tagged("kept"):
        inside = contextvars.copy_context()
    for number in range(5000):
        heap.free(heap.malloc(1, tag=f"passing-{number}"))
    inside.run(heap.malloc, 1)
    assert tags(heap) == ["kept"]


WRONG_TAGS = [
    ("", ValueError, "a tag has from 1 to 200 bytes of UTF-8, and this one has 0."),
    ("x" * 201, ValueError, "a tag has from 1 to 200 bytes of UTF-8, and this one has 201."),
    ("ä" * 101, ValueError, "a tag has from 1 to 200 bytes of UTF-8, and this one has 202."),
    ("\ud800", ValueError, "a tag must be text, and this string has half a character."),
    (b"a", TypeError, "tag must be a string, not bytes."),
    (17, TypeError, "tag must be a string, not int."),
]


@pytest.mark.parametrize(("tag", "error", "sentence"), WRONG_TAGS)
def test_a_wrong_tag_is_refused_and_nothing_has_changed(
    tag: Any, error: type[Exception], sentence: str
) -> None:
    heap = Heap()
    address = heap.malloc(100, tag="before")
    before = fingerprint(heap)
    calls = (
        lambda: heap.malloc(1, tag=tag),
        lambda: heap.calloc(1, 1, tag=tag),
        lambda: heap.realloc(address, 1, tag=tag),
        lambda: heap.alloc(1, tag=tag),
        lambda: heap.malloc_many([1], tag=tag),
        lambda: heap.tagged(tag),
    )
    for call in calls:
        with pytest.raises(error) as caught:
            call()
        assert str(caught.value) == sentence
    assert fingerprint(heap) == before
    assert tags(heap) == ["before"]


def test_a_closed_heap_has_no_tags() -> None:
    heap = Heap(tags=True)
    heap.close()
    for call in (heap.by_tag, heap.oldest, heap.report, partial(heap.tagged, "a")):
        with pytest.raises(glassheap.HeapClosed):
            call()
    with pytest.raises(glassheap.HeapClosed):
        heap.malloc(1, tag="a")


def test_the_oldest_are_counted_from_0_upwards() -> None:
    heap = Heap()
    heap.malloc_many([1, 2, 3])
    assert [it.size for it in heap.oldest(2)] == [1, 2]
    assert len(heap.oldest()) == 3
    assert heap.oldest(0) == []
    with pytest.raises(glassheap.InvalidSize):
        heap.oldest(-1)


@pytest.mark.skipif(find_spec("numpy") is None, reason="needs NumPy")
def test_arrays_have_the_tag_that_is_passed_or_set() -> None:
    heap = Heap(1 << 16)
    passed = heap.array(10, tag="passed")
    with heap.tagged("set"):
        arrays = [heap.array(10), heap.copy(passed), heap.copy(passed.T[::-1], tag="passed")]
    assert tags(heap) == ["passed", "set", "set", "passed"]
    assert len(arrays) == 3


@pytest.mark.skipif(find_spec("numpy") is None, reason="needs NumPy")
def test_memory_that_numpy_takes_has_the_tag_of_the_context() -> None:
    import numpy as np

    heap = Heap(1 << 16)
    with glassheap.numpy.use(heap), heap.tagged("inside"):
        one = np.ones(100)
    with glassheap.numpy.use(heap):
        two = np.ones(100)
    assert {it.tag: it.bytes for it in heap.by_tag()} == {"inside": 800, None: 800}
    assert (one == two).all()


# --- Time. ----------------------------------------------------------------------------------------


def test_ages_are_in_seconds_and_a_block_keeps_its_own() -> None:
    heap = Heap(tags=True)
    first = heap.malloc(16, tag="first")
    heap.malloc(16)
    time.sleep(0.25)
    heap.malloc(16, tag="second")
    heap.realloc(first, 500)  # it moves
    ages = {it.tag: it.age for it in heap.oldest()}
    assert 0.2 < ages["first"] < 60
    assert 0.2 < ages[None] < 60
    assert 0 <= ages["second"] < ages["first"] - 0.1
    assert heap.oldest()[2].tag == "second"


def test_a_block_from_before_the_tags_is_as_old_as_they_are_at_least() -> None:
    heap = Heap()
    heap.malloc(16)
    assert heap.by_tag() == [(None, 1, 16, 0.0, 0.0)]
    heap.malloc(16, tag="first")
    time.sleep(0.15)
    before, first = sorted(heap.oldest())
    assert before.tag is None
    assert before.age >= first.age > 0.1


# --- Memory. --------------------------------------------------------------------------------------


def test_a_heap_without_tags_has_no_ledger() -> None:
    off, on = Heap(1 << 20), Heap(1 << 20, tags=True)
    assert on.own_memory() - off.own_memory() >= (1 << 20) // 2
    before = off.own_memory()
    off.free(off.malloc(16))
    assert off.own_memory() == before
    with off.tagged("a"):
        assert off.own_memory() > before + (1 << 19)


STATM = Path("/proc/self/statm")


@pytest.mark.skipif(not STATM.exists(), reason="needs Linux's /proc")
def test_the_ledger_takes_memory_only_where_blocks_begin() -> None:
    """Of a region of 8 GiB it would be 4 GiB."""
    pages = int(STATM.read_text("ascii").split()[1])
    with Heap(8 << 30, headers=False, tags=True) as heap:
        heap.malloc_many([1 << 20] * 1000, tag="a")
        taken = (int(STATM.read_text("ascii").split()[1]) - pages) * mmap.PAGESIZE
    assert taken < 32 << 20


def test_tags_that_no_block_has_are_dropped() -> None:
    """A program with a tag for each request does not grow."""
    heap = Heap(1 << 16, tags=True)
    kept = [heap.malloc(16, tag=f"kept-{number}") for number in range(10)]
    before = heap.own_memory()
    for number in range(30_000):
        heap.free(heap.malloc(16, tag=f"request-{number}"))
    assert heap.own_memory() - before < 500_000
    assert len(kept) == len({it.tag for it in heap.by_tag()}) == 10


# --- Shared heaps. --------------------------------------------------------------------------------


def test_a_shared_heap_has_the_tags_of_this_attachment_alone(segment_name: str) -> None:
    with SharedHeap.create(segment_name, 1 << 16) as mine:
        other = SharedHeap.attach(segment_name)
        place = mine.malloc(64, tag="mine")
        mine.free(place)
        assert other.malloc(64, tag="theirs") == place
        mine.malloc(64, tag="mine")
        assert {it.tag: it.blocks for it in mine.by_tag()} == {None: 1, "mine": 1}
        assert {it.tag: it.blocks for it in other.by_tag()} == {None: 1, "theirs": 1}
        other.close()
