"""A heap over the bytes of another object, at any alignment.

Bytes outside the heap's span do not change, a write behind the span is found, and the owner of the
bytes cannot release them before the heap is closed.
"""

from __future__ import annotations

import array
import ctypes
import gc
import mmap
import random
import weakref
from importlib.util import find_spec
from multiprocessing import shared_memory
from typing import TYPE_CHECKING, Any

import pytest

import glassheap
from fault_fixture import CONFIGURATIONS, KINDS, Kind
from heap_probes import GRANULE, assert_sound

if TYPE_CHECKING:
    from collections.abc import Callable

BORROWED = 1024
"""Bytes of a buffer; the heap leaves out its sentinel and incomplete granules."""


def address_of(buffer: Any) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


def numpy_zeros(size: int) -> Any:
    import numpy as np

    return np.zeros((2, size // 2), dtype=np.uint8)


def numpy_columns(size: int) -> Any:
    import numpy as np

    return np.zeros((4, size // 32), dtype=np.float64, order="F")


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
    BUFFERS |= {"NumPy": numpy_zeros, "NumPy, by columns": numpy_columns}


@pytest.mark.parametrize("kind", BUFFERS)
def test_any_writable_contiguous_buffer_is_accepted(kind: str) -> None:
    heap = glassheap.Heap.over(BUFFERS[kind](4096))
    assert 4096 - 3 * GRANULE < heap.size < 4096
    address = heap.malloc(100)
    heap.view(address)[:] = b"x" * 100
    assert_sound(heap)
    heap.close()


def test_shared_memory_of_the_standard_library_is_accepted() -> None:
    memory = shared_memory.SharedMemory(create=True, size=4096)
    try:
        assert memory.buf is not None
        heap = glassheap.Heap.over(memory.buf)
        address = heap.malloc(5)
        heap.view(address)[:] = b"hello"
        with pytest.raises(BufferError):
            memory.close()
        assert b"hello" in bytes(memory.buf)
        heap.close()
    finally:
        memory.close()
        memory.unlink()


# --- The span of the heap. ------------------------------------------------------------------------


def churn(heap: glassheap.Heap, seed: int) -> None:
    """Allocate, free and write at random, so that every kind of write occurs."""
    draw = random.Random(seed)
    live: list[int] = []
    for _ in range(60):
        if live and draw.random() < 0.4:
            heap.free(live.pop(draw.randrange(len(live))))
            continue
        try:
            live.append(heap.malloc(draw.randrange(60), align=draw.choice([16, 32])))
        except glassheap.OutOfMemory:
            heap.reset()
            live.clear()
            continue
        with heap.view(live[-1]) as view:
            view[:] = b"\xff" * len(view)


@pytest.mark.parametrize("offset", range(GRANULE))
def test_bytes_outside_of_its_span_never_change(offset: int) -> None:
    """For every alignment of the start and of the end of the buffer."""
    for end, kind in enumerate(KINDS):
        if kind.base is not None:
            continue
        memory = bytearray(b"\xa5" * (BORROWED + 64))
        first = -address_of(memory) % GRANULE + offset
        borrowed = memoryview(memory)[first : first + BORROWED - end % GRANULE]
        heap = over(kind, borrowed)
        start = heap.address - address_of(memory)
        assert first <= start < first + GRANULE
        assert heap.address % GRANULE == 0
        assert heap.size % GRANULE == 0
        behind = start + heap.size + GRANULE  # with the sentinel
        assert 0 <= first + len(borrowed) - behind < GRANULE
        churn(heap, offset)
        assert heap.check() == []
        heap.close()
        assert memory[:start] == b"\xa5" * start
        assert memory[behind:] == b"\xa5" * (len(memory) - behind)


def over(kind: Kind, buffer: Any, **options: Any) -> glassheap.Heap:
    return glassheap.Heap.over(
        buffer, policy=kind.policy, headers=kind.headers, base=kind.base, **options
    )


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_it_places_blocks_like_a_heap_of_its_size(kind: Kind) -> None:
    memory = mmap.mmap(-1, 4096)  # aligned, as pages are
    with over(kind, memory) as heap, kind.heap(heap.size) as other:
        at = [
            [each.malloc(size) - each.base for size in (100, 0, 16, 300, 50)]
            for each in (heap, other)
        ]
        assert at[0] == at[1]
        assert [block.size for block in heap.free_list()] == [
            block.size for block in other.free_list()
        ]


# --- Writes behind the heap. ----------------------------------------------------------------------

ON_A_BUFFER = [
    configuration for configuration in CONFIGURATIONS if configuration.region == "a buffer"
]


@pytest.mark.parametrize("configuration", ON_A_BUFFER, ids=str)
@pytest.mark.parametrize("byte", [0, 7, 15])
def test_a_write_behind_the_region_is_found(configuration: Any, byte: int) -> None:
    heap = configuration.heap(4096)
    assert heap.check() == []
    ctypes.memset(heap.address + heap.size + byte, 0x41, 1)
    (finding,) = heap.check()
    assert (finding.fault, finding.rule) == ("OverflowDetected", "sentinel")
    assert (finding.expected, finding.found) == (heap.size, heap.size + byte)
    assert str(finding).endswith(".")
    with pytest.raises(glassheap.HeapDamaged):
        heap.malloc(1)


def test_reset_repairs_the_sentinel() -> None:
    heap = glassheap.Heap.over(bytearray(4096))
    ctypes.memset(heap.address + heap.size, 0, 16)
    assert heap.check()
    heap.reset()
    assert heap.check() == []
    heap.malloc(10)


# --- Unsuitable buffers and options. --------------------------------------------------------------


def released() -> memoryview:
    view = memoryview(bytearray(4096))
    view.release()
    return view


def closed() -> mmap.mmap:
    memory = mmap.mmap(-1, 4096)
    memory.close()
    return memory


UNFIT: dict[str, tuple[type[BaseException], str, Callable[[], Any]]] = {
    "bytes": (BufferError, "those of this bytes are not", lambda: bytes(4096)),
    "read-only": (BufferError, "can be written", lambda: memoryview(bytearray(4096)).toreadonly()),
    "in pieces": (BufferError, "in one piece", lambda: memoryview(bytearray(4096))[::2]),
    "released": (ValueError, "released", released),
    "a closed mmap": (ValueError, "closed", closed),
    "no buffer": (TypeError, "and int has none", lambda: 4096),
    "None": (TypeError, "and NoneType has none", lambda: None),
    "a string": (TypeError, "and str has none", lambda: "x" * 4096),
}


@pytest.mark.parametrize("kind", UNFIT)
def test_an_unsuitable_buffer_is_an_error_with_the_reason(kind: str) -> None:
    error, text, make = UNFIT[kind]
    with pytest.raises(error, match=text):
        glassheap.Heap.over(make())


@pytest.mark.parametrize("size", [0, 1, 15, 16, 31])
def test_a_buffer_that_is_too_small_is_unchanged_and_released(size: int) -> None:
    memory = bytearray(b"\xa5" * size)
    with pytest.raises(glassheap.InvalidSize, match="16"):
        glassheap.Heap.over(memory)
    assert memory == b"\xa5" * size
    memory.append(0)  # would be refused if the buffer were still exported


def test_two_granules_are_enough_for_a_heap() -> None:
    memory = bytearray(64)
    start = -address_of(memory) % GRANULE
    heap = glassheap.Heap.over(memoryview(memory)[start : start + 32])
    assert heap.size == 16
    assert heap.malloc(0)
    heap.close()


@pytest.mark.parametrize(
    "options",
    [{"policy": "worse"}, {"fit": "best"}, {"headers": 1}, {"size": 10}, {"base": 8}],
    ids=str,
)
def test_invalid_options_leave_the_bytes_unchanged(options: dict[str, Any]) -> None:
    memory = bytearray(4096)
    with pytest.raises((ValueError, TypeError)):
        glassheap.Heap.over(memory, **options)
    assert memory == bytes(4096)
    memory.append(0)


# --- Ownership of the bytes. ----------------------------------------------------------------------


def test_the_buffer_stays_exported_until_the_heap_is_closed() -> None:
    memory = bytearray(4096)
    heap = glassheap.Heap.over(memory)
    with pytest.raises(BufferError):
        memory.append(0)
    view = heap.view(heap.malloc(10))
    with pytest.raises(BufferError):
        heap.close()
    with pytest.raises(BufferError):
        memory.append(0)
    view.release()
    heap.close()
    memory.append(0)


def test_the_buffer_is_released_when_the_heap_is_collected() -> None:
    memory = bytearray(4096)
    heap = glassheap.Heap.over(memory)
    heap.malloc(10)
    del heap
    gc.collect()
    memory.append(0)


def test_a_buffer_without_another_owner_lives_as_long_as_the_heap() -> None:
    class Buffer(bytearray):
        pass

    buffer = Buffer(4096)
    reference = weakref.ref(buffer)
    heap = glassheap.Heap.over(buffer)
    del buffer
    gc.collect()
    assert reference() is not None
    heap.view(heap.malloc(3000))[:] = b"x" * 3000
    heap.close()
    assert reference() is None


def test_the_bytes_keep_their_contents_when_the_heap_is_closed() -> None:
    memory = bytearray(4096)
    with glassheap.Heap.over(memory) as heap:
        heap.view(heap.malloc(5))[:] = b"hello"
    assert b"hello" in memory
