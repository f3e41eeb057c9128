"""Heap, SharedHeap and Block as Python types: their life, members, subclasses and copies."""

from __future__ import annotations

import asyncio
import copy
import inspect
import pickle
import weakref
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import glassheap
from glassheap import Block, Heap, OffsetHeap, SharedHeap
from process_helpers import NEEDS_FORK, in_fork

if TYPE_CHECKING:
    from collections.abc import Callable

# --- Closing and collection. ----------------------------------------------------------------------


def test_a_with_statement_closes_the_heap_also_after_an_exception() -> None:
    with Heap() as heap:
        heap.malloc(8)
    other = Heap()
    with pytest.raises(KeyError), other:
        raise KeyError
    assert heap.closed
    assert other.closed


def test_closing_twice_has_no_effect_and_leaves_the_attributes(any_heap: Heap) -> None:
    before = (any_heap.size, any_heap.policy, any_heap.magic, any_heap.base, any_heap.address)
    with any_heap:
        any_heap.close()
        any_heap.close()
    assert any_heap.closed
    assert bool(any_heap)
    after = (any_heap.size, any_heap.policy, any_heap.magic, any_heap.base, any_heap.address)
    assert after == before


def test_reset_keeps_the_counters_and_peaks(heap: Heap) -> None:
    heap.free(heap.malloc(100))
    heap.malloc(50)
    heap.reset()
    stats = heap.stats()
    assert (stats.mallocs, stats.frees, stats.peak_requested, stats.peak_used) == (2, 1, 100, 128)
    assert (stats.requested, stats.used, stats.live_blocks) == (0, 0, 0)


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


ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "malloc": (8,), "calloc": (8, 8), "realloc": (16, 8), "free": (16,), "usable_size": (16,),
    "view": (16,), "alloc": (8,), "malloc_many": ([8],), "free_many": ([16],), "hexdump": (16,),
    "array": (8,), "copy": ([8],), "block_of": (b"",), "block": (16,), "_receive": (16, 8, 0, 0, 0),
    "cheapest": (8,), "amalloc": (8,), "_malloc_in_turn": (0, 0, 8, 16),
    "_copy_into": (bytearray(1 << 17),), "_explain": (8, 0, 0, 0, 16),
    "_diagnose": (8, 0, 0, 0, 16), "tagged": ("a",),
    "__contains__": (16,), "__exit__": (None, None, None), "__getitem__": (0,),
    "__setitem__": (0, 0),
}  # fmt: skip
"""Arguments of the members that need some."""
HARMLESS = {"__new__", "__init__", "__bool__", "__module__", "__doc__"}


def use(member: Any, name: str) -> Callable[[Any], object]:
    """A function that uses this member of its argument."""
    call = member if callable(member) else member.__get__
    if inspect.iscoroutinefunction(call):
        return lambda it: asyncio.run(call(it, *ARGUMENTS.get(name, ())))
    return lambda it: call(it, *ARGUMENTS.get(name, ()))


USES: dict[type, dict[str, Callable[[Any], object]]] = {
    cls: {
        name: use(member, name)
        for name, member in vars(cls).items()
        if name not in HARMLESS and not isinstance(member, staticmethod)
    }
    for cls in (Heap, OffsetHeap, SharedHeap, Block)
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
ANY_TIME |= {"close", "__exit__", "__reduce__", "__repr__", "_repr_html_", "memoryview"}
ANY_TIME |= {"_explain", "_diagnose"}
ANY_TIME |= {"granule", "align"}
ANY_TIME |= {"_leave_line"}
"""Members that a closed heap has."""


@pytest.mark.parametrize("name", [name for name in USES[Heap] if name not in ANY_TIME])
def test_any_use_after_close_raises_heap_closed(heap: Heap, name: str) -> None:
    heap.malloc(8)
    heap.close()
    with pytest.raises(glassheap.HeapClosed, match=r"the heap is closed: .* Open another"):
        USES[Heap][name](heap)


def test_a_closed_heap_is_displayed_as_closed_in_a_notebook(heap: Heap) -> None:
    heap.close()
    assert heap._repr_html_() == "<code>&lt;Heap of 4096 bytes, first_fit, closed&gt;</code>"


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

    assert len(USES[cls]) > 7
    for name in USES[cls]:
        assert in_fork(is_refused, name), name


IN_PYTHON = {
    Heap: ["show", "hexdump", "_repr_html_", "array", "copy"],
    SharedHeap: ["create", "attach", "__exit__", "__reduce__"],
    Block: ["__reduce__"],
}
WRITTEN = [(cls, name) for cls, names in IN_PYTHON.items() for name in names]


@pytest.mark.parametrize(("cls", "name"), WRITTEN)
def test_a_method_in_python_looks_like_one_of_its_class(cls: type, name: str) -> None:
    function = getattr(cls, name)
    assert name in vars(cls)
    assert function.__module__ == "glassheap"
    assert (function.__name__, function.__qualname__) == (name, f"{cls.__name__}.{name}")
    assert function.__doc__


def test_a_method_in_python_can_be_pickled_with_its_heap() -> None:
    with SharedHeap.create(size=4096) as heap:
        assert pickle.loads(pickle.dumps(heap.hexdump)).__self__ is heap


# --- Subclasses. ----------------------------------------------------------------------------------


class Counting(Heap):
    """A subclass with an attribute, an overridden method and a signature of its own."""

    def __init__(self, pages: int) -> None:
        self.calls = 0
        super().__init__(pages * 4096, base=0)

    def malloc(self, size: Any, **options: Any) -> int:
        self.calls += 1
        return super().malloc(size, **options)


def test_a_heap_can_be_subclassed(capsys: pytest.CaptureFixture[str]) -> None:
    """A subclass inherits the methods that are written in Python too."""
    heap = Counting(2)
    assert (heap.size, heap.malloc(8), heap.malloc(8, align=64)) == (8192, 16, 64)
    assert heap.calls == 2
    assert isinstance(heap, Heap)
    heap.show(width=40)
    assert f"{heap.available_memory():,}" in capsys.readouterr().out
    assert heap._repr_html_().startswith("<svg")
    with heap.alloc(10) as block:
        assert block.heap is heap
    assert heap.check() == []


def test_a_subclass_must_call_the_constructor_of_heap() -> None:
    without_call = type("WithoutCall", (Heap,), {"__init__": lambda self: None})
    used_too_early = type("UsedTooEarly", (Heap,), {"__init__": lambda self: self.malloc(8)})
    with pytest.raises(TypeError, match="__init__"):
        without_call().malloc(8)
    with pytest.raises(TypeError, match="never opened"):
        used_too_early()


def test_a_second_call_of_the_constructor_keeps_the_heap(heap: Heap) -> None:
    with heap.view(heap.malloc(100)) as view:
        heap.__init__(64)  # type: ignore[misc]
        assert heap.size == 4096
        view[:] = bytes(100)
    assert heap.check() == []


def test_only_alloc_makes_a_block() -> None:
    with pytest.raises(TypeError):
        Block()
    with pytest.raises(TypeError):
        type("Mine", (Block,), {})


@pytest.fixture(params=["Heap", "Block"])
def instance(request: pytest.FixtureRequest) -> Any:
    """A fresh instance of each type."""
    return Heap() if request.param == "Heap" else Heap().alloc(8)


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, pickle.dumps, partial(pickle.dumps, protocol=0)]
)
def test_it_cannot_be_copied_or_pickled(instance: Any, duplicate: Callable[[Any], object]) -> None:
    """Two objects would free the same memory."""
    with pytest.raises(TypeError, match="cannot pickle"):
        duplicate(instance)


def test_it_is_equal_to_itself_alone_and_can_be_referred_to_weakly(instance: Any) -> None:
    other = Heap()
    assert instance == instance
    assert instance != other
    assert len({instance, other, instance}) == 2
    assert weakref.ref(instance)() is instance
