"""The life of a Heap: reset, close, collection, and every member of one that is not open."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import glassheap
from glassheap import Block, Heap, SharedHeap
from process_helpers import NEEDS_FORK, in_fork

if TYPE_CHECKING:
    from collections.abc import Callable


def test_reset_keeps_the_counters_and_peaks(heap: Heap) -> None:
    heap.free(heap.malloc(100))
    heap.malloc(50)
    heap.reset()
    stats = heap.stats()
    assert (stats.mallocs, stats.frees, stats.peak_requested, stats.peak_used) == (2, 1, 100, 128)
    assert (stats.requested, stats.used, stats.live_blocks) == (0, 0, 0)


def test_a_with_statement_closes_the_heap_also_after_an_exception() -> None:
    with Heap() as heap:
        heap.malloc(8)
    other = Heap()
    with pytest.raises(KeyError), other:
        raise KeyError
    assert heap.closed
    assert other.closed


def test_closing_twice_has_no_effect(any_heap: Heap) -> None:
    any_heap.close()
    any_heap.close()
    with any_heap:
        pass
    assert any_heap.closed


def mapped_bytes() -> int:
    """The address space in use, according to Linux."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[0]) * 4096


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc/self/statm")
def test_a_collected_heap_returns_its_memory_to_the_system() -> None:
    """Of twenty heaps of 1 GiB, made one after the other, none stays mapped."""
    before = mapped_bytes()
    for _ in range(20):
        Heap(1 << 30).malloc(100)
    assert mapped_bytes() < before + (1 << 30)


def test_a_weak_reference_dies_with_the_heap() -> None:
    heap = Heap()
    reference = weakref.ref(heap)
    assert reference() is heap
    del heap
    assert reference() is None


# --- Every member of a heap that is not open. -----------------------------------------------------

ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "malloc": (8,), "calloc": (8, 8), "realloc": (16, 8), "free": (16,), "usable_size": (16,),
    "view": (16,), "alloc": (8,), "malloc_many": ([8],), "free_many": ([16],), "hexdump": (16,),
    "array": (8,), "copy": ([8],), "block": (16,), "_receive": (16, 8, 0, 0, 0),
    "_copy_into": (bytearray(1 << 17),), "_explain": (8, 0, 0, 0, 16),
    "__contains__": (16,), "__exit__": (None, None, None), "__getitem__": (0,),
    "__setitem__": (0, 0),
}  # fmt: skip
"""Arguments of the members that need some."""
HARMLESS = {"__new__", "__init__", "__enter__", "__bool__", "__module__", "__doc__"}
HARMLESS |= {"_pybind11_conduit_v1_"}


def use(member: Any, name: str) -> Callable[[Any], object]:
    """A function that uses this member of its argument."""
    call = getattr(member, "fget", member)
    return lambda it: call(it, *ARGUMENTS.get(name, ()))


USES: dict[type, dict[str, Callable[[Any], object]]] = {
    cls: {
        name: use(member, name)
        for name, member in vars(cls).items()
        if name not in HARMLESS and not isinstance(member, staticmethod)
    }
    for cls in (Heap, SharedHeap, Block)
}
USES[Heap] |= {
    "memoryview": memoryview,
    "malloc, bad size": lambda heap: heap.malloc(2**200),
    "malloc, bad align": lambda heap: heap.malloc(8, align=3),
    "realloc of None": lambda heap: heap.realloc(None, 8),
    "free of None": lambda heap: heap.free(None),
}
USES[Block]["memoryview"] = memoryview
ANY_TIME = {"size", "policy", "magic", "base", "headers", "checks", "address", "closed"}
ANY_TIME |= {"close", "__exit__", "__repr__", "_repr_html_", "_explain", "memoryview"}
"""Members that a closed heap has."""


@pytest.mark.parametrize("name", [name for name in USES[Heap] if name not in ANY_TIME])
def test_any_use_after_close_raises_heap_closed(heap: Heap, name: str) -> None:
    heap.malloc(8)
    heap.close()
    with pytest.raises(glassheap.HeapClosed, match=r"the heap is closed: .* Open another"):
        USES[Heap][name](heap)


def test_a_closed_heap_keeps_its_attributes(heap: Heap) -> None:
    heap.close()
    assert (heap.size, heap.policy, heap.magic) == (4096, "first_fit", 0xDEADBEEF)
    assert heap.base == heap.address
    assert bool(heap)


@NEEDS_FORK
@pytest.mark.parametrize("cls", USES)
@pytest.mark.parametrize("make", [lambda cls: cls.__new__(cls), lambda cls: 42])
def test_every_member_refuses_an_object_that_is_not_an_open_heap(
    cls: type, make: Callable[[type], object]
) -> None:
    """Each member is used in a forked child, because a failure is a crash or a hang."""

    def is_refused(name: str) -> bool:
        try:
            USES[cls][name](make(cls))
        except (TypeError, AttributeError):
            return True
        return False

    assert len(USES[cls]) > 10
    for name in USES[cls]:
        assert in_fork(is_refused, name), name
