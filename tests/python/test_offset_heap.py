"""OffsetHeap: offsets in memory that is never touched, in granules of any power of two.

The oracle is a heap with bytes and without headers: with 16 of its bytes for each granule it must
hand out the same places, refuse the same calls, and show the same blocks, whatever the policy.
"""

from __future__ import annotations

import ctypes
import gc
import gzip
import mmap
import pickle
import random
import threading
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import glassheap
from glassheap import MustMove, OffsetHeap, OutOfMemory
from glassheap._core import Player
from heap_probes import assert_sentences
from trace_helpers import read_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from glassheap.traces import Trace

POLICIES = [policy.name for policy in glassheap.policies()]
GRANULES = [1, 2, 16, 4096, 2 << 20, 1 << 40]
SEQUENTIAL: list[dict[str, Any]] = [
    {"policy": "sequential_fit", "fit": "best", "order": "size+"},
    {"policy": "sequential_fit", "fit": "worst", "order": "back"},
    {"policy": "sequential_fit", "order": "front", "coalesce": False},
]
KINDS: list[dict[str, Any]] = [*({"policy": name} for name in POLICIES), *SEQUENTIAL]
BASE = 1 << 44
"""A base of the heap with bytes for which its alignments hold as for offsets from 0."""


def with_bytes(granules: int, **options: Any) -> glassheap.Heap:
    """The oracle: a heap of so many granules of 16 bytes."""
    return glassheap.Heap(granules * 16, headers=False, base=BASE, **options)


def no_move(old: int, new: int, size: int) -> None:
    """Copy nothing."""


BOUNDED = settings(max_examples=8, stateful_step_count=30, report_multiple_bugs=False)
SHIPPED = gzip.decompress((files("glassheap") / "data/sqlite3.script.gz").read_bytes()).decode()

# --- The same places as in a heap with bytes. -----------------------------------------------------

sizes = st.one_of(
    st.integers(0, 5), st.integers(0, 40), st.sampled_from([63, 64, 65, 500, 1 << 60])
)
"""In granules and a fraction of one."""
numbers = st.integers(0, 1000)


def answer(call: Callable[[], Any]) -> Any:
    """The result of a call, or the class of its error."""
    try:
        return call()
    except glassheap.HeapError as error:
        return type(error)


class Lockstep(RuleBasedStateMachine):
    """An offset heap, and a heap with bytes on which each call is made in its own units."""

    granule: int
    options: dict[str, Any]

    @initialize(granules=st.sampled_from([1, 7, 128, 1000]))
    def open(self, granules: int) -> None:
        self.heap = OffsetHeap(granules * self.granule, granule=self.granule, **self.options)
        self.oracle = with_bytes(granules, **self.options)
        self.live: list[int] = []

    def both(self, name: str, given: tuple[Any, ...], scaled: tuple[Any, ...], **named: Any) -> Any:
        """Make the call on both; the answers must be the same."""
        mine = answer(lambda: getattr(self.heap, name)(*given, **named))
        if "align" in named:
            named["align"] = max(16, named["align"] * 16 // self.granule)
        named.pop("move", None)
        its = answer(lambda: getattr(self.oracle, name)(*scaled, **named))
        assert mine == (self.offset(its) if isinstance(its, int) else its)
        return mine

    def offset(self, address: int) -> int:
        return (address - BASE) // 16 * self.granule

    def address(self, offset: int) -> int:
        assert offset % self.granule == 0
        return BASE + offset // self.granule * 16

    def size(self, granules: int, less: int) -> int:
        """Bytes that take so many granules; `less` is below a granule."""
        return max(granules * self.granule - less % self.granule, granules and 1)

    def pick(self, number: int) -> int:
        return self.live[number % len(self.live)]

    @rule(granules=sizes, less=numbers, align=st.sampled_from([0, 0, 0, 1, 2, 4, 7]))
    def malloc(self, granules: int, less: int, align: int) -> None:
        named = {"align": self.granule << align} if align else {}
        size = self.size(granules, less)
        made = self.both("malloc", (size,), (granules * 16,), **named)
        if isinstance(made, int):
            assert made % (self.granule << align) == 0
            self.live.append(made)

    @precondition(lambda self: self.live)
    @rule(number=numbers)
    def free(self, number: int) -> None:
        freed = self.pick(number)
        self.live.remove(freed)
        self.both("free", (freed,), (self.address(freed),))

    @precondition(lambda self: self.live)
    @rule(number=numbers, granules=sizes, less=numbers)
    def realloc(self, number: int, granules: int, less: int) -> None:
        old, moves = self.pick(number), []
        given = (old, self.size(granules, less))
        move: Any = lambda *call: moves.append(call)  # noqa: E731
        held = self.heap.usable_size(old)
        now = self.both("realloc", given, (self.address(old), granules * 16), move=move)
        if isinstance(now, int):
            self.live[self.live.index(old)] = now
            assert moves == ([] if now == old else [(old, now, min(held, given[1]))])

    @rule(asked=st.lists(sizes, max_size=5))
    def malloc_many(self, asked: list[int]) -> None:
        mine = answer(lambda: self.heap.malloc_many([n * self.granule for n in asked]))
        its = answer(lambda: self.oracle.malloc_many([n * 16 for n in asked]))
        if isinstance(mine, type):
            assert mine is its
            return
        assert [*mine] == [self.offset(address) for address in its]
        self.live += mine

    @rule(chosen=st.lists(numbers, max_size=4))
    def free_many(self, chosen: list[int]) -> None:
        freed = [self.pick(number) for number in chosen if self.live]
        given: list[int | None] = [*freed, None]
        answer = self.both("free_many", (given,), ([self.address(at) for at in freed],))
        if answer is None:
            self.live = [at for at in self.live if at not in freed]

    @rule(granule=st.integers(-1, 1001), byte=st.sampled_from([0, 0, 1, 3, 4095]))
    def use_a_bad_offset(self, granule: int, byte: int) -> None:
        offset = granule * self.granule + byte % self.granule
        if offset in self.live:
            return
        off = 8 if byte % self.granule else 0
        address = BASE + granule * 16 + off
        assert offset not in self.heap
        for name in ("usable_size", "free"):
            self.both(name, (offset,), (address,))

    def teardown(self) -> None:
        self.both("free_many", (self.live,), ([self.address(at) for at in self.live],))

    @invariant()
    def both_show_the_same(self) -> None:
        blocks = [
            (self.offset(b.start), self.offset(b.address), b.extent // 16 * self.granule, b.live)
            for b in self.oracle.walk()
        ]
        assert [(b.start, b.address, b.extent, b.live) for b in self.heap.walk()] == blocks
        assert all(b.size == b.extent for b in self.heap.walk())
        listed = [(self.offset(at), n // 16 * self.granule) for at, n in self.oracle.free_list()]
        assert self.heap.free_list() == listed
        assert [*self.heap] == sorted(self.live)
        assert len(self.heap) == len(self.live)
        assert self.heap.check() == []

    @invariant()
    def both_count_the_same(self) -> None:
        mine, its = self.heap.stats(), self.oracle.stats()
        for name in ("size", "requested", "used", "available", "largest_free", "overhead"):
            assert getattr(mine, name) == getattr(its, name) // 16 * self.granule, name
        assert mine.live_blocks == its.live_blocks
        assert mine.free_blocks == its.free_blocks
        assert mine.external_fragmentation == its.external_fragmentation
        assert self.heap.available_memory() == mine.available
        assert self.heap.largest_free() == mine.largest_free


@pytest.mark.any_interpreter
@pytest.mark.parametrize("granule", [1, 16, 4096])
@pytest.mark.parametrize("options", KINDS, ids=lambda kind: ", ".join(map(str, kind.values())))
def test_an_offset_heap_agrees_with_a_heap_with_bytes(
    options: dict[str, Any], granule: int
) -> None:
    name = f"Lockstep of {options} at {granule}"
    machine = type(name, (Lockstep,), {"granule": granule, "options": options})
    run_state_machine_as_test(machine, settings=BOUNDED)  # type: ignore[no-untyped-call]


def blocks_of(heap: glassheap.Heap) -> list[tuple[int, int, bool]]:
    return [(b.start - heap.base, b.extent, b.live) for b in heap.walk()]


def play(trace: Trace, heap: glassheap.Heap, operations: int) -> None:
    player = Player(heap, trace.id_count)
    player.play(trace.kinds, trace.ids, trace.sizes, 0, operations)


@pytest.mark.any_interpreter
@pytest.mark.parametrize("policy", POLICIES)
def test_the_shipped_trace_is_placed_as_in_a_heap_with_bytes(policy: str) -> None:
    """sequential_fit walks its list: a part of the trace must do."""
    trace = read_text(SHIPPED)
    size, operations = 1 << 22, 5000 if policy == "sequential_fit" else len(trace)
    offsets, oracle = OffsetHeap(size, policy=policy), with_bytes(size // 16, policy=policy)
    play(trace, offsets, operations)
    play(trace, oracle, operations)
    assert blocks_of(offsets) == blocks_of(oracle)
    assert len(offsets) > 0


# --- Granules. ------------------------------------------------------------------------------------


@pytest.mark.parametrize("granule", GRANULES)
def test_every_number_is_in_the_callers_bytes(granule: int) -> None:
    heap = OffsetHeap(100 * granule + granule - 1, granule=granule)
    assert (heap.size, heap.granule, heap.align, heap.base) == (100 * granule, granule, granule, 0)
    first, second = heap.malloc(1), heap.malloc(granule + 1)
    assert (first, second) == (0, granule)
    assert [heap.usable_size(p) for p in (first, second)] == [granule, 2 * granule]
    heap.free(first)
    assert heap.free_list() == [(0, granule), (3 * granule, 97 * granule)]
    stats = heap.stats()
    assert (stats.requested, stats.used, stats.overhead) == (2 * granule, 3 * granule, 0)
    assert (stats.available, stats.largest_free) == (98 * granule, 97 * granule)
    assert str(100 * granule) in repr(heap)
    assert f"granule {granule}," in repr(heap)


@pytest.mark.parametrize("policy", POLICIES)
def test_no_hole_is_left_that_no_request_could_use(policy: str) -> None:
    heap = OffsetHeap(1 << 28, granule=4096, policy=policy)
    rng = random.Random(7)
    live: list[int] = []
    for _ in range(3000):
        if live and rng.random() < 0.45:
            heap.free(live.pop(rng.randrange(len(live))))
        else:
            live.append(heap.malloc(rng.randrange(1, 100_000)))
    holes = [block.size for block in heap.free_list()]
    assert len(holes) > 10
    assert all(size >= 4096 and size % 4096 == 0 for size in holes)
    assert heap.check() == []


def test_the_whole_memory_can_be_handed_out() -> None:
    for granule in GRANULES:
        heap = OffsetHeap(64 * granule, granule=granule)
        assert [*heap.malloc_many([granule] * 64)] == [n * granule for n in range(64)]
        with pytest.raises(OutOfMemory):
            heap.malloc(0)
        heap.reset()
        assert heap.malloc(64 * granule) == 0


def test_own_memory_is_that_of_the_granules_alone() -> None:
    heap = OffsetHeap(80 << 30, granule=2 << 20)
    heap.malloc_many([2 << 20] * 40960)
    heap.free_many([*heap][::2])
    assert heap.own_memory() < 2 << 20


def test_the_largest_heap_has_two_to_the_63_bytes() -> None:
    heap = OffsetHeap(2**63, granule=1 << 40)
    last = [*heap.malloc_many([2**61] * 4)][-1]
    assert last == 3 * 2**61
    heap.free(last)
    assert heap.malloc(1, align=2**61) == last


def test_memory_without_access_is_never_touched() -> None:
    """A read or a write of one byte there would end the process."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    size, none, private_anonymous = 1 << 20, 0, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    at = libc.mmap(None, size, none, private_anonymous, -1, 0)
    heap = OffsetHeap(size)
    pointers = [at + heap.malloc(100) for _ in range(1000)]
    for pointer in pointers[::2]:
        heap.free(pointer - at)
    heap.realloc(pointers[1] - at, 5000, move=no_move)
    assert heap.check() == []
    heap.reset()
    heap.close()
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    assert libc.munmap(at, size) == 0


@pytest.mark.parametrize("granule", [1, 16, 512])
def test_the_default_align_is_that_of_every_block(granule: int) -> None:
    heap = OffsetHeap(1 << 20, granule=granule, align=4096)
    assert heap.align == 4096
    with heap.alloc(10) as block:
        made = [heap.malloc(10), heap.realloc(None, 10), *heap.malloc_many([1, 5000, 1])]
        assert not any(offset % 4096 for offset in (*made, block.address))
    assert heap.malloc(10, align=1) not in made
    assert heap.malloc(10, align=16) % 16 == 0
    before = heap.walk()
    with pytest.raises(OutOfMemory):
        heap.malloc_many([100] * 10_000)
    assert heap.walk() == before


def test_an_explicit_align_holds_whatever_the_granule() -> None:
    for granule in (1, 4, 16, 64):
        heap = OffsetHeap(1 << 16, granule=granule)
        heap.malloc(1)
        for align in (1, 2, 4, 8, 16, 32, 1024):
            assert heap.malloc(1, align=align) % align == 0
        assert heap.malloc(1) % granule == 0


# --- 0 is an offset like any other. ---------------------------------------------------------------


@pytest.mark.parametrize("threads", [True, False])
@pytest.mark.parametrize("cache", [True, False])
def test_zero_is_a_payload(threads: bool, cache: bool) -> None:
    heap = OffsetHeap(4096, threads=threads, thread_cache=cache)
    for _ in range(3):
        assert heap.malloc(100) == 0
        assert 0 in heap
        assert [*heap] == [0]
        heap.free(None)
        assert heap.realloc(0, 200) == 0
        assert heap.realloc(0, 100) == 0
        heap.free(0)
        with pytest.raises(glassheap.DoubleFree):
            heap.free(0)
    heap.reset()
    assert heap.alloc(8).address == 0
    gc.collect()
    heap.reset()
    assert [*heap.malloc_many([8, 8])] == [0, 16]
    heap.free_many([None, 0, None, 16])
    assert len(heap) == 0
    assert heap.realloc(None, 10) == 0
    with pytest.raises(glassheap.DoubleFree) as caught:
        heap.free_many([None, 0, None, 32])
    assert caught.value.address == 32
    with pytest.raises(TypeError, match="must be a whole number, not NoneType"):
        heap.usable_size(None)  # type: ignore[arg-type]


def test_a_full_heap_refuses_and_does_not_return_zero() -> None:
    heap = OffsetHeap(64)
    heap.malloc(64)
    for call in (lambda: heap.malloc(1), lambda: heap.alloc(1), lambda: heap.malloc_many([1])):
        with pytest.raises(OutOfMemory):
            call()


# --- Pointers that are none. ----------------------------------------------------------------------


@pytest.mark.parametrize("granule", GRANULES)
def test_every_bad_pointer_has_its_class(granule: int) -> None:
    heap = OffsetHeap(100 * granule, granule=granule)
    first, second, third = (heap.malloc(5 * granule) for _ in range(3))
    heap.free(second)
    end = heap.size
    rows = [
        (glassheap.DoubleFree, [second, second + granule, end - granule, 15 * granule]),
        (glassheap.InteriorPointer, [first + granule, third + 4 * granule]),
        (glassheap.ForeignPointer, [end, end + granule, -granule, -1, 2**64 - 1, 2**64, 2**200]),
        (glassheap.ForeignPointer, [2**63, 2**64 - granule, 2**64 - 16, 2**64 - 17]),
    ]
    if granule > 1:
        odd = [first + 1, first + granule - 1, second + granule // 2, end - 1]
        rows.append((glassheap.MisalignedPointer, odd))
        rows.append((glassheap.ForeignPointer, [end + 1, 2**63 + 1]))
    before = heap.walk(), heap.stats()
    for error, pointers in rows:
        for pointer in pointers:
            calls: list[Callable[[int], object]] = [heap.free, heap.usable_size]
            calls += [lambda p: heap.realloc(p, 1), lambda p: heap.free_many([p])]
            calls += [lambda p: heap.realloc(p, 1, move=no_move)]
            for call in calls:
                if error is glassheap.ForeignPointer and pointer == end == 2**63:
                    continue
                with pytest.raises(error) as caught:
                    call(pointer)
                assert type(caught.value) is error
                assert caught.value.address == pointer
                assert_sentences(str(caught.value))
            assert pointer not in heap
    assert (heap.walk(), heap.stats()) == before


def test_sentences_name_the_granule_and_the_owner() -> None:
    heap = OffsetHeap(1 << 20, granule=4096)
    heap.malloc(3 * 4096)
    with pytest.raises(glassheap.MisalignedPointer, match="0x11 is no multiple of 4096 from"):
        heap.free(17)
    with pytest.raises(glassheap.InteriorPointer, match=r"0x1000 lies inside .* Pass 0x0, which"):
        heap.free(4096)
    with pytest.raises(glassheap.InvalidAlignment, match="up to 262144, a quarter of this"):
        heap.malloc(1, align=1 << 19)
    with pytest.raises(glassheap.InvalidAlignment, match="no less than 4096, and 8192 is not"):
        OffsetHeap(4096, granule=4096).malloc(1, align=8192)


@pytest.mark.parametrize("granule", GRANULES)
def test_a_shortage_has_the_callers_numbers(granule: int) -> None:
    heap = OffsetHeap(64 * granule, granule=granule)
    heap.free_many([*heap.malloc_many([granule] * 64)][::2])
    for call, requested in (
        (heap.malloc, granule + 1),
        (heap.alloc, 2 * granule),
        (lambda n: heap.realloc(granule, n, move=no_move), 3 * granule),
        (lambda n: heap.malloc_many([1, n]), 2 * granule + 1),
        (heap.malloc, 2**64 - 1),
        (heap.malloc, 2**200),
    ):
        with pytest.raises(OutOfMemory) as caught:
            call(requested)
        error = caught.value
        assert (error.requested, error.align) == (requested, granule)
        assert (error.available, error.largest, error.free_blocks) == (32 * granule, granule, 32)
        assert_sentences(str(error))
        if requested < 2**63:
            assert f"Between the largest two, of {granule} and {granule} bytes" in str(error)


def test_the_cause_of_a_shortage_may_be_the_alignment() -> None:
    """At any granule: also where the alignment is less than 16 bytes."""
    for granule in (1, 16, 4096):
        heap = OffsetHeap(32 * granule, granule=granule)
        blocks = heap.malloc_many([granule] * 32)
        heap.free_many([blocks[1], blocks[2], blocks[3]])
        with pytest.raises(OutOfMemory, match=r"^alignment: ") as caught:
            heap.malloc(granule, align=4 * granule)
        assert caught.value.align == 4 * granule


# --- Resizing. ------------------------------------------------------------------------------------


def crowded() -> tuple[OffsetHeap, int, int]:
    """A heap with room behind its two blocks of a granule."""
    heap = OffsetHeap(16 * 4096, granule=4096)
    return heap, heap.malloc(4096), heap.malloc(4096)


def test_a_block_grows_and_shrinks_in_place() -> None:
    heap, _, last = crowded()
    assert heap.realloc(last, 5 * 4096) == last
    assert heap.usable_size(last) == 5 * 4096
    assert heap.realloc(last, 1, move=no_move) == last
    assert heap.stats().reallocs == 2


def test_without_a_move_a_block_that_must_move_stays() -> None:
    heap, first, last = crowded()
    before = heap.walk(), heap.stats()
    with pytest.raises(
        MustMove, match=r"cannot become 4097 bytes in place: .* Pass move=,"
    ) as caught:
        heap.realloc(first, 4097)
    assert caught.value.address == first
    with pytest.raises(MustMove):
        heap.realloc(last, 1, align=4 * 4096)
    assert (heap.walk(), heap.stats()) == before


def test_move_gets_both_offsets_while_both_are_live() -> None:
    heap, first, _ = crowded()
    calls: list[tuple[int, int, int]] = []

    def move(old: int, new: int, size: int) -> None:
        calls.append((old, new, size))
        assert {old, new} <= {*heap}
        for pinned in (old, new):
            with pytest.raises(glassheap.HeapError, match="a realloc is moving the block"):
                heap.free(pinned)
        for call in (heap.reset, heap.close):
            with pytest.raises(glassheap.HeapError, match="a realloc is moving the block"):
                call()
        with pytest.raises(glassheap.HeapError, match="is moving"):
            heap.realloc(old, 1)
        heap.free(heap.malloc(1))

    now = heap.realloc(first, 3 * 4096, move=move)
    assert calls == [(first, now, 4096)]
    assert first not in heap
    heap.free(now)
    heap.reset()


def test_a_move_that_raises_changes_nothing() -> None:
    heap, first, _ = crowded()
    blocks = heap.walk()

    def fail(old: int, new: int, size: int) -> None:
        raise KeyError(new)

    with pytest.raises(KeyError):
        heap.realloc(first, 3 * 4096, move=fail)
    assert heap.walk() == blocks
    heap.free(first)


def test_a_move_copies_the_smaller_size() -> None:
    heap, first, last = crowded()
    sizes = []
    move = lambda old, new, size: sizes.append(size)  # noqa: E731
    heap.realloc(first, 9000, move=move)
    heap.realloc(last, 10, align=4 * 4096, move=move)
    assert sizes == [4096, 10]


def test_move_must_be_a_function() -> None:
    heap, first, _ = crowded()
    with pytest.raises(TypeError, match="move must be a function of old, new and size, not int"):
        heap.realloc(first, 5, move=3)  # type: ignore[arg-type]
    assert heap.realloc(first, 5, move=None) == first


# --- No bytes. ------------------------------------------------------------------------------------

WITHOUT_BYTES: dict[str, Callable[[OffsetHeap], object]] = {
    "view": lambda heap: heap.view(0),
    "calloc": lambda heap: heap.calloc(1, 8),
    "array": lambda heap: heap.array(4),
    "copy": lambda heap: heap.copy([1.0]),
    "hexdump": lambda heap: heap.hexdump(0),
    "block_of": lambda heap: heap.block_of(b"bytes"),
    "region": lambda heap: heap.region,
    "address": lambda heap: heap.address,
    "numpy.use": lambda heap: glassheap.numpy.use(heap).__enter__(),
    "block[0]": lambda heap: heap.alloc(8)[0],
    "block[0] = 0": lambda heap: heap.alloc(8).__setitem__(0, 0),
}


@pytest.mark.parametrize("name", WITHOUT_BYTES)
def test_what_needs_bytes_says_that_there_are_none(name: str) -> None:
    if name in {"array", "copy", "numpy.use"}:
        pytest.importorskip("numpy")
    heap = OffsetHeap(4096)
    heap.malloc(100)
    before = heap.walk()
    with pytest.raises(
        TypeError, match="this heap describes memory that it never touches"
    ) as caught:
        WITHOUT_BYTES[name](heap)
    assert_sentences(str(caught.value))
    gc.collect()
    assert heap.walk() == before


def test_a_block_has_no_buffer() -> None:
    heap = OffsetHeap(4096)
    with heap.alloc(100) as block:
        assert (block.address, block.size, len(block), block.live) == (0, 100, 100, True)
        for take in (memoryview, bytes, (ctypes.c_char * 4).from_buffer):
            with pytest.raises(BufferError, match="it has no bytes"):
                take(block)
        with pytest.raises(TypeError, match="cannot pickle"):
            pickle.dumps(block)
    assert len(heap) == 0
    block = heap.alloc(5)
    heap.free(block.address)
    assert not block.live
    with pytest.raises(glassheap.StaleHandle):
        block.free()
    with pytest.raises(TypeError, match="cannot pickle or copy a OffsetHeap"):
        pickle.dumps(heap)


# --- Options. -------------------------------------------------------------------------------------

BAD_OPTIONS: dict[str, tuple[type[Exception], dict[str, Any]]] = {
    "granule 0": (glassheap.InvalidAlignment, {"granule": 0}),
    "granule 3": (glassheap.InvalidAlignment, {"granule": 3}),
    "granule -16": (glassheap.InvalidAlignment, {"granule": -16}),
    "granule 2^41": (glassheap.InvalidAlignment, {"granule": 2**41}),
    "granule 2^70": (glassheap.InvalidAlignment, {"granule": 2**70}),
    "granule '16'": (TypeError, {"granule": "16"}),
    "granule None": (TypeError, {"granule": None}),
    "align 0": (glassheap.InvalidAlignment, {"align": 0}),
    "align 3": (glassheap.InvalidAlignment, {"align": 3}),
    "align, too large": (glassheap.InvalidAlignment, {"align": 1 << 13}),
    "size -1": (glassheap.InvalidSize, {"size": -1}),
    "size 0": (glassheap.InvalidSize, {"size": 0}),
    "size below a granule": (glassheap.InvalidSize, {"size": 4095, "granule": 4096}),
    "size 2^63 + 1": (glassheap.InvalidSize, {"size": 2**63 + 1, "granule": 2**40}),
    "size 2^200": (glassheap.InvalidSize, {"size": 2**200, "granule": 2**40}),
    "too many granules": (glassheap.InvalidSize, {"size": 2**32 * 16}),
    "size 1.5": (TypeError, {"size": 1.5}),
    "an unknown policy": (ValueError, {"policy": "best"}),
    "fit without sequential_fit": (ValueError, {"fit": "best"}),
    **{
        name: (TypeError, {name: value})
        for name, value in {
            "headers": True,
            "checks": "debug",
            "magic": 1,
            "zero_on_free": True,
            "base": 0,
            "huge_pages": True,
            "quarantine": 16,
        }.items()
    },
}


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_an_option_that_will_not_do_has_a_sentence(name: str) -> None:
    error, options = BAD_OPTIONS[name]
    with pytest.raises(error) as caught:
        OffsetHeap(**{"size": 1 << 14, **options})
    assert_sentences(str(caught.value))
    given = options.get("granule", 0)
    if error is glassheap.InvalidAlignment and given:
        assert f"and {given} is not" in str(caught.value)


def test_too_many_granules_say_how_many_bytes_there_may_be() -> None:
    largest = (2**32 - 1) * 16
    with pytest.raises(glassheap.InvalidSize, match=f"{largest} bytes.* larger"):
        OffsetHeap(largest + 16)
    assert OffsetHeap(largest + 15).size == largest


def test_a_heap_with_bytes_takes_neither_granule_nor_align() -> None:
    for name in ("granule", "align"):
        with pytest.raises(TypeError, match=f"there is no option '{name}' here"):
            glassheap.Heap(4096, **{name: 16})  # type: ignore[arg-type]


# --- Threads, and pictures. -----------------------------------------------------------------------


@pytest.mark.parametrize("cache", [False, True])
def test_threads_never_share_a_place(cache: bool) -> None:
    heap = OffsetHeap(1 << 26, granule=4096, thread_cache=cache)
    errors: list[BaseException] = []

    def work(seed: int) -> None:
        rng = random.Random(seed)
        mine: dict[int, int] = {}
        try:
            for _ in range(2000):
                if mine and rng.random() < 0.5:
                    at, size = mine.popitem()
                    assert heap.usable_size(at) >= size
                    heap.free(at)
                else:
                    size = rng.randrange(1, 20_000)
                    at = heap.malloc(size)
                    assert mine.setdefault(at, size) == size
            heap.free_many([*mine])
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(heap) == 0
    assert heap.check() == []


def test_the_maps_are_to_scale_in_granules(capsys: pytest.CaptureFixture[str]) -> None:
    heap = OffsetHeap(16 * 4096, granule=4096)
    heap.free_many(heap.malloc_many([4096, 2 * 4096, 4096])[:1])
    heap.show(width=80)
    heap.print_free_list()
    shown = capsys.readouterr().out
    assert "granule 4,096, 65,536 bytes" in shown
    assert "a cell is 4,096 bytes" in shown
    assert "65,536 bytes: 12,288 in live blocks, 53,248 free" in shown
    assert "node" not in shown
    assert shown.endswith("Free(4096)->Free(49152)\n")
    assert "node" not in heap._repr_html_()
    assert "12,288 in live blocks" in heap._repr_html_()


def test_an_offset_heap_is_a_heap() -> None:
    heap = OffsetHeap(4096)
    assert isinstance(heap, glassheap.Heap)
    assert (heap.headers, heap.checks, heap.closed) == (False, "robust", False)
    with heap as same:
        assert same is heap
    assert repr(heap) == "<OffsetHeap of 4096 bytes, granule 16, first_fit, closed>"
    with pytest.raises(glassheap.HeapClosed):
        heap.malloc(1)
    with pytest.raises(TypeError, match="was never opened"):
        OffsetHeap.__new__(OffsetHeap).malloc(1)
    assert glassheap.Heap(64).granule == 16


def test_the_methods_of_its_base_know_that_zero_is_a_payload() -> None:
    """Called through Heap, they take and give the same offsets; only None is not understood."""
    heap = OffsetHeap(4096)
    assert glassheap.Heap.malloc(heap, 10) == 0
    glassheap.Heap.free(heap, None)
    assert glassheap.Heap.realloc(heap, 0, 20) == 0
    with pytest.raises(TypeError, match="not NoneType"):
        glassheap.Heap.realloc(heap, None, 20)
    glassheap.Heap.free(heap, 0)
    assert len(heap) == 0
