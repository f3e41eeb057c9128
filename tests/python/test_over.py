"""A heap over the bytes of another object, at any alignment.

Bytes outside the heap's span do not change, a write behind the span is found, and the owner of the
bytes cannot release them before the heap is closed.
"""

from __future__ import annotations

import array
import ctypes
import gc
import mmap
import weakref
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

import glassheap
from fault_fixture import CONFIGURATIONS, KINDS
from glassheap import Heap, SharedHeap
from heap_probes import GRANULE, assert_sound

if TYPE_CHECKING:
    from collections.abc import Callable

BUFFERS: dict[str, Callable[[int], Any]] = {
    "bytearray": bytearray,
    "array of bytes": lambda size: array.array("B", bytes(size)),
    "array of doubles": lambda size: array.array("d", bytes(size)),
    "mmap": lambda size: mmap.mmap(-1, size),
    "ctypes": lambda size: (ctypes.c_ubyte * size)(),
    "ctypes, of structures": lambda size: (ctypes.c_longdouble * (size // 16))(),
    "memoryview": lambda size: memoryview(bytearray(size)),
    "memoryview of a view": lambda size: memoryview(bytearray(2 * size))[size:].cast("I"),
}
if find_spec("numpy"):
    import numpy as np

    BUFFERS["NumPy"] = lambda size: np.zeros((2, size // 2), dtype=np.uint8)
    BUFFERS["NumPy, by columns"] = lambda size: np.zeros((4, size // 32), order="F")


@pytest.mark.parametrize("kind", BUFFERS)
def test_any_writable_contiguous_buffer_is_accepted(kind: str) -> None:
    heap = Heap.over(BUFFERS[kind](4096))
    assert 4096 - 3 * GRANULE < heap.size < 4096
    heap.view(heap.malloc(100))[:] = b"x" * 100
    assert_sound(heap)
    heap.close()


def address_of(buffer: Any) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


def churn(heap: Heap) -> None:
    """Fill the heap with blocks and free them, twice, so that every kind of write occurs."""
    for align in (16, 32):
        with suppress(glassheap.OutOfMemory):
            for size in range(60):
                with heap.view(heap.malloc(size, align=align)) as view:
                    view[:] = b"\xff" * len(view)
        heap.free_many([*heap][::2])
        assert heap.check() == []
        heap.reset()


@pytest.mark.parametrize("offset", range(GRANULE))
def test_bytes_outside_of_its_span_never_change(offset: int) -> None:
    """For every alignment of the start and of the end of the buffer."""
    for end, kind in enumerate(kind for kind in KINDS if kind.region == "pages"):
        memory = bytearray(b"\xa5" * 1088)
        first = -address_of(memory) % GRANULE + offset
        borrowed = memoryview(memory)[first : first + 1024 - end % GRANULE]
        heap = Heap.over(borrowed, policy=kind.policy, headers=kind.headers)
        start = heap.address - address_of(memory)
        assert first <= start < first + GRANULE
        assert heap.address % GRANULE == heap.size % GRANULE == 0
        behind = start + heap.size + GRANULE  # with the sentinel
        assert 0 <= first + len(borrowed) - behind < GRANULE
        churn(heap)
        heap.close()
        assert memory[:start] == b"\xa5" * start
        assert memory[behind:] == b"\xa5" * (len(memory) - behind)


ON_A_BUFFER = [one for one in CONFIGURATIONS if one.region == "a buffer"]


@pytest.mark.parametrize("configuration", ON_A_BUFFER, ids=str)
@pytest.mark.parametrize("byte", [0, 7, 15])
def test_a_write_behind_the_region_is_found_and_mended_by_a_reset(
    configuration: Any, byte: int
) -> None:
    heap = configuration.heap(4096)
    assert heap.check() == []
    ctypes.memset(heap.address + heap.size + byte, 0x41, 1)
    (finding,) = heap.check()
    assert (finding.fault, finding.rule) == ("OverflowDetected", "sentinel")
    assert (finding.expected, finding.found) == (heap.size, heap.size + byte)
    assert str(finding).endswith(".")
    with pytest.raises(glassheap.HeapDamaged):
        heap.malloc(1)
    heap.reset()
    assert heap.check() == []
    heap.malloc(10)


UNFIT: dict[str, tuple[type[Exception], str]] = {
    "bytes(4096)": (BufferError, "those of this bytes are not"),
    "memoryview(bytearray(4096)).toreadonly()": (BufferError, "can be written"),
    "memoryview(bytearray(4096))[::2]": (BufferError, "in one piece"),
    "(view := memoryview(bytearray(64))).release() or view": (ValueError, "released"),
    "(pages := mmap.mmap(-1, 4096)).close() or pages": (ValueError, "closed"),
    "4096": (TypeError, "and int has none"),
    "None": (TypeError, "and NoneType has none"),
    "'x' * 4096": (TypeError, "and str has none"),
}


@pytest.mark.parametrize("buffer", UNFIT)
def test_an_unsuitable_buffer_is_an_error_with_the_reason(buffer: str) -> None:
    error, text = UNFIT[buffer]
    with pytest.raises(error, match=text):
        Heap.over(eval(buffer, {"mmap": mmap}))


@pytest.mark.parametrize("size", [0, 1, 15, 16, 31])
def test_a_buffer_that_is_too_small_is_unchanged_and_released(size: int) -> None:
    """Two granules are enough, if they are aligned."""
    memory = bytearray(b"\xa5" * size)
    with pytest.raises(glassheap.InvalidSize, match="16"):
        Heap.over(memory)
    assert memory == b"\xa5" * size
    memory.append(0)  # would be refused if the buffer were still exported
    assert Heap.over(memoryview(mmap.mmap(-1, 32))).size == 16


def test_the_buffer_stays_exported_until_the_heap_is_closed() -> None:
    memory = bytearray(4096)
    heap = Heap.over(memory)
    with heap.view(heap.malloc(5)) as view:
        view[:] = b"hello"
        with pytest.raises(BufferError):
            heap.close()
    with pytest.raises(BufferError):
        memory.append(0)
    heap.close()
    memory.append(0)
    assert b"hello" in memory


def test_the_buffer_lives_as_long_as_the_heap_that_is_its_only_owner() -> None:
    class Buffer(bytearray):
        pass

    buffer = Buffer(4096)
    reference = weakref.ref(buffer)
    heap = Heap.over(buffer)
    del buffer
    gc.collect()
    heap.view(heap.malloc(3000))[:] = b"x" * 3000
    assert reference() is not None
    del heap
    gc.collect()
    assert reference() is None


OPENERS: list[Callable[[Any], Heap]] = [Heap.over, lambda part: SharedHeap.create(buffer=part)]
OPENERS.append(lambda part: SharedHeap.attach(buffer=part, timeout=0))


@pytest.mark.parametrize("first", OPENERS[:2], ids=["private", "shared"])
@pytest.mark.parametrize("second", OPENERS, ids=["private", "create", "attach"])
def test_a_second_heap_over_the_same_bytes_is_refused_until_the_first_is_closed(
    first: Callable[[Any], Heap], second: Callable[[Any], Heap]
) -> None:
    """Both would hand out the same addresses. Nothing of the first one changes."""
    memory = memoryview(mmap.mmap(-1, 1 << 20))
    heap = first(memory[1 << 14 : 1 << 19])
    payload = heap.malloc(100)
    heap.view(payload)[:] = b"x" * 100
    before = bytes(memory)
    for start, end in [(0, 1 << 20), (1 << 18, 1 << 20), (0, 1 << 18), (1 << 17, 3 << 17)]:
        with pytest.raises(glassheap.RegionInUse, match="lies over the 507904 bytes"):
            second(memory[start:end])
    assert memory == before
    assert_sound(heap)
    heap.close()
    with first(memory):
        pass


@pytest.mark.parametrize("outer", [*OPENERS[:2], lambda _: Heap(1 << 20)])
def test_a_heap_may_lie_in_a_block_of_another_and_two_of_them_may_not_overlap(
    outer: Callable[[Any], Heap],
) -> None:
    with outer(mmap.mmap(-1, 1 << 20)) as heap:
        blocks: list[Any] = [heap.view(heap.malloc(1 << 14)), heap.alloc(1 << 14)]
        if find_spec("numpy"):
            blocks.append(heap.array(1 << 11).reshape(2, -1).view("u1"))
        while blocks:
            expect_one_heap_over(blocks.pop())


def expect_one_heap_over(block: Any) -> None:
    with Heap.over(block) as inner:
        innermost = Heap.over(inner.view(inner.malloc(1000)))
        for part in (block, memoryview(block).cast("B")[1 << 13 :]):
            with pytest.raises(glassheap.RegionInUse, match="over the 16384 bytes"):
                Heap.over(part)
        innermost.close()


def test_heaps_over_parts_of_a_buffer_that_do_not_overlap_are_independent() -> None:
    memory = memoryview(bytearray(4096))
    heaps = [Heap.over(memory[start : start + 500]) for start in range(1, 4096 - 500, 500)]
    for heap in heaps:
        heap.view(heap.malloc(100))[:] = b"x" * 100
    assert [heap.check() for heap in heaps] == [[]] * len(heaps)


def test_a_segment_in_a_buffer_is_attached_to_more_than_once() -> None:
    """Its attachments lock each other out; the last one that is closed gives the bytes back."""
    memory = mmap.mmap(-1, 1 << 18)
    made = SharedHeap.create(buffer=memory)
    again = SharedHeap.attach(buffer=memory)
    payload = made.malloc(100)
    made.close()
    with pytest.raises(glassheap.RegionInUse):
        SharedHeap.create(buffer=memory)
    again.free(payload)
    again.close()
    Heap.over(memory).close()


def test_a_heap_that_could_not_be_opened_has_no_bytes() -> None:
    memory = mmap.mmap(-1, 1 << 18)
    for _ in range(2):
        with pytest.raises(glassheap.AttachTimeout):
            SharedHeap.attach(buffer=memory, timeout=0)
        with pytest.raises(ValueError, match="policy"):
            Heap.over(memory, policy="none")
    Heap.over(memory).close()


ALIGNMENTS = {100: 16, 512: 32, 1024: 64, 1 << 16: 1024, 1 << 20: 4096}
"""By the size of a buffer: an alignment that a heap over it serves, whatever its base."""


@pytest.mark.parametrize("size", ALIGNMENTS)
@pytest.mark.parametrize("base", [0, 16, 4096, 1 << 44])
def test_a_payload_is_aligned_as_the_caller_counts_and_in_fact(size: int, base: int) -> None:
    memory = memoryview(bytearray(size + GRANULE))
    for start in range(GRANULE):
        heap = Heap.over(memory[start : start + size], base=base)
        assert heap.base == base
        assert size - heap.size < 3 * GRANULE + max(ALIGNMENTS[size], 16)
        payload = heap.malloc(1, align=ALIGNMENTS[size])
        real = payload - heap.base + heap.address
        assert payload % ALIGNMENTS[size] == real % ALIGNMENTS[size] == 0
        heap.close()


@pytest.mark.skipif(find_spec("numpy") is None, reason="needs NumPy")
@pytest.mark.parametrize("options", [{}, {"base": 0}])
@pytest.mark.parametrize("size", [1024, 1 << 20])
def test_an_array_lies_in_a_heap_over_any_buffer(size: int, options: dict[str, Any]) -> None:
    with Heap.over(bytearray(size), **options) as heap:
        assert heap.array(3).ctypes.data % 64 == 0


def test_an_alignment_that_a_base_rules_out_says_what_to_change() -> None:
    memory = memoryview(mmap.mmap(-1, 1 << 20))
    odd_page = memory[-address_of(memory) % 8192 + 4096 :]
    with Heap.over(odd_page, base=0) as heap:
        heap.malloc(1, align=4096)
        with pytest.raises(glassheap.InvalidAlignment, match=r"up to 4096,.* without base, or"):
            heap.malloc(1, align=8192)
    with Heap.over(odd_page) as heap:
        heap.malloc(1, align=8192)
    with Heap.over(odd_page[4096:], base=0) as heap:
        heap.malloc(1, align=8192)
