"""A heap over somebody else's bytes: whatever has them, wherever they begin.

What lies outside of the heap's own span keeps its bytes; what is written behind that span is found;
and whoever lent the bytes cannot take them away before the heap is closed.
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
from bench import GROUNDS, KINDS, Kind
from heap_probes import GRANULE, assert_sound

if TYPE_CHECKING:
    from collections.abc import Callable

LENT = 1024
"""Bytes, of which a heap leaves out its sentinel and what is no whole granule."""


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
def test_any_writable_buffer_in_one_piece_will_do(kind: str) -> None:
    heap = glassheap.Heap.over(BUFFERS[kind](4096))
    assert 4096 - 3 * GRANULE < heap.size < 4096
    address = heap.malloc(100)
    heap.view(address)[:] = b"x" * 100
    assert_sound(heap)
    heap.close()


def test_shared_memory_of_the_standard_library() -> None:
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


# --- Where it may write. --------------------------------------------------------------------------


def worked_over(heap: glassheap.Heap, seed: int) -> None:
    """Whatever a heap writes, of its own and of its users."""
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
    """Wherever what is lent begins, and wherever it ends."""
    for end, kind in enumerate(KINDS):
        if kind.base is not None:
            continue
        memory = bytearray(b"\xa5" * (LENT + 64))
        first = -address_of(memory) % GRANULE + offset
        lent = memoryview(memory)[first : first + LENT - end % GRANULE]
        heap = over(kind, lent)
        start = heap.address - address_of(memory)
        assert first <= start < first + GRANULE
        assert heap.address % GRANULE == 0
        assert heap.size % GRANULE == 0
        behind = start + heap.size + GRANULE  # with the sentinel
        assert 0 <= first + len(lent) - behind < GRANULE
        worked_over(heap, offset)
        assert heap.check() == []
        heap.close()
        assert memory[:start] == b"\xa5" * start
        assert memory[behind:] == b"\xa5" * (len(memory) - behind)


def over(kind: Kind, buffer: Any, **options: Any) -> glassheap.Heap:
    return glassheap.Heap.over(
        buffer, policy=kind.policy, headers=kind.headers, base=kind.base, **options
    )


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_it_hands_out_what_a_heap_of_its_size_does(kind: Kind) -> None:
    memory = mmap.mmap(-1, 4096)  # aligned, as pages are
    with over(kind, memory) as heap, kind.heap(heap.size) as twin:
        at = [
            [each.malloc(size) - each.base for size in (100, 0, 16, 300, 50)]
            for each in (heap, twin)
        ]
        assert at[0] == at[1]
        assert [block.size for block in heap.free_list()] == [
            block.size for block in twin.free_list()
        ]


# --- What is written behind it. -------------------------------------------------------------------

ON_A_BUFFER = [ground for ground in GROUNDS if ground.region == "a buffer"]


@pytest.mark.parametrize("ground", ON_A_BUFFER, ids=str)
@pytest.mark.parametrize("byte", [0, 7, 15])
def test_a_write_behind_the_region_is_found(ground: Any, byte: int) -> None:
    heap = ground.heap(4096)
    assert heap.check() == []
    ctypes.memset(heap.address + heap.size + byte, 0x41, 1)
    (finding,) = heap.check()
    assert (finding.fault, finding.rule) == ("OverflowDetected", "sentinel")
    assert (finding.expected, finding.found) == (heap.size, heap.size + byte)
    assert str(finding).endswith(".")
    with pytest.raises(glassheap.HeapDamaged):
        heap.malloc(1)


def test_a_reset_brings_back_a_heap_that_was_written_behind() -> None:
    heap = glassheap.Heap.over(bytearray(4096))
    ctypes.memset(heap.address + heap.size, 0, 16)
    assert heap.check()
    heap.reset()
    assert heap.check() == []
    heap.malloc(10)


# --- What will not do. ----------------------------------------------------------------------------


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
def test_what_will_not_do_is_named(kind: str) -> None:
    error, text, make = UNFIT[kind]
    with pytest.raises(error, match=text):
        glassheap.Heap.over(make())


@pytest.mark.parametrize("size", [0, 1, 15, 16, 31])
def test_what_is_too_small_is_left_alone(size: int) -> None:
    memory = bytearray(b"\xa5" * size)
    with pytest.raises(glassheap.InvalidSize, match="16"):
        glassheap.Heap.over(memory)
    assert memory == b"\xa5" * size
    memory.append(0)  # which is refused while somebody has its bytes


def test_two_granules_are_enough() -> None:
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
def test_bad_options_leave_the_bytes_alone(options: dict[str, Any]) -> None:
    memory = bytearray(4096)
    with pytest.raises((ValueError, TypeError)):
        glassheap.Heap.over(memory, **options)
    assert memory == bytes(4096)
    memory.append(0)


# --- Whose the bytes are. -------------------------------------------------------------------------


def test_the_buffer_is_kept_until_the_heap_is_closed() -> None:
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


def test_the_buffer_is_let_go_of_with_the_heap() -> None:
    memory = bytearray(4096)
    heap = glassheap.Heap.over(memory)
    heap.malloc(10)
    del heap
    gc.collect()
    memory.append(0)


def test_what_has_no_other_owner_lives_as_long_as_the_heap() -> None:
    class Lender(bytearray):
        pass

    lender = Lender(4096)
    gone = weakref.ref(lender)
    heap = glassheap.Heap.over(lender)
    del lender
    gc.collect()
    assert gone() is not None
    heap.view(heap.malloc(3000))[:] = b"x" * 3000
    heap.close()
    assert gone() is None


def test_the_bytes_stay_when_the_heap_is_gone() -> None:
    memory = bytearray(4096)
    with glassheap.Heap.over(memory) as heap:
        heap.view(heap.malloc(5))[:] = b"hello"
    assert b"hello" in memory
