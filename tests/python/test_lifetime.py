"""The lifetime of a Heap: reset, close, collection, subclasses, copies, and misuse of the type."""

from __future__ import annotations

import copy
import pickle
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

import glassheap
from heap_probes import assert_sound, region_bytes, run_child

if TYPE_CHECKING:
    from collections.abc import Callable

# --- reset. ---------------------------------------------------------------------------------------


def test_reset_restores_a_fresh_heap(based_heap: glassheap.Heap) -> None:
    heap = based_heap
    first = region_bytes(heap)
    live = [heap.malloc(size) for size in (10, 200, 0, 33)]
    heap.free(live[1])
    heap.reset()
    assert region_bytes(heap) == first
    assert len(heap) == 0
    assert heap.free_list() == [(heap.base, 4080)]
    for address in live:
        with pytest.raises(glassheap.DoubleFree):
            heap.free(address)
    assert heap.malloc(10) == live[0]
    assert_sound(heap)


def test_reset_keeps_the_counters_and_peaks(heap: glassheap.Heap) -> None:
    heap.free(heap.malloc(100))
    heap.malloc(50)
    heap.reset()
    stats = heap.stats()
    assert (stats.mallocs, stats.frees, stats.peak_requested, stats.peak_used) == (2, 1, 100, 128)
    assert (stats.requested, stats.used, stats.live_blocks) == (0, 0, 0)


# --- Close and collection. ------------------------------------------------------------------------


def test_a_with_statement_closes_the_heap_at_its_end() -> None:
    with glassheap.Heap() as heap:
        heap.malloc(8)
        assert not heap.closed
    assert heap.closed


def test_a_with_statement_closes_the_heap_after_an_exception_and_propagates_it() -> None:
    heap = glassheap.Heap()
    with pytest.raises(KeyError), heap:
        raise KeyError
    assert heap.closed


def test_closing_twice_has_no_effect(any_heap: glassheap.Heap) -> None:
    any_heap.close()
    any_heap.close()
    with any_heap:
        pass
    assert any_heap.closed


USES: dict[str, Callable[[glassheap.Heap], object]] = {
    "malloc": lambda heap: heap.malloc(8),
    "malloc, bad size": lambda heap: heap.malloc(2**200),
    "malloc, bad align": lambda heap: heap.malloc(8, align=3),
    "calloc": lambda heap: heap.calloc(1, 8),
    "realloc": lambda heap: heap.realloc(heap.base + 16, 8),
    "realloc of None": lambda heap: heap.realloc(None, 8),
    "free": lambda heap: heap.free(heap.base + 16),
    "free of None": lambda heap: heap.free(None),
    "usable_size": lambda heap: heap.usable_size(heap.base + 16),
    "view": lambda heap: heap.view(heap.base + 16),
    "alloc": lambda heap: heap.alloc(8),
    "malloc_many": lambda heap: heap.malloc_many([8]),
    "free_many": lambda heap: heap.free_many([heap.base + 16]),
    "free_list": lambda heap: heap.free_list(),
    "walk": lambda heap: heap.walk(),
    "available_memory": lambda heap: heap.available_memory(),
    "largest_free": lambda heap: heap.largest_free(),
    "stats": lambda heap: heap.stats(),
    "print_free_list": lambda heap: heap.print_free_list(),
    "check": lambda heap: heap.check(),
    "reset": lambda heap: heap.reset(),
    "region": lambda heap: heap.region,
    "len": len,
    "iter": iter,
    "in": lambda heap: heap.base + 16 in heap,
    "show": lambda heap: heap.show(),
    "hexdump": lambda heap: heap.hexdump(heap.base + 16),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
def test_any_use_after_close_raises_heap_closed(
    heap: glassheap.Heap, use: Callable[[glassheap.Heap], object]
) -> None:
    heap.malloc(8)
    heap.close()
    with pytest.raises(glassheap.HeapClosed, match=r"the heap is closed: .* Open another"):
        use(heap)


def test_a_closed_heap_keeps_its_attributes(heap: glassheap.Heap) -> None:
    heap.close()
    assert (heap.size, heap.policy, heap.magic) == (4096, "first_fit", 0xDEADBEEF)
    assert heap.base == heap.address
    assert bool(heap)


def test_a_collected_heap_returns_its_memory_to_the_system() -> None:
    """Of twenty heaps of 1 GiB, made one after the other, none stays mapped."""
    before = mapped_bytes()
    for _ in range(20):
        glassheap.Heap(1 << 30).malloc(100)
    assert mapped_bytes() < before + (1 << 30)


def mapped_bytes() -> int:
    """The address space in use, according to Linux."""
    try:
        with open("/proc/self/statm", encoding="ascii") as numbers:
            return int(numbers.read().split()[0]) * 4096
    except FileNotFoundError:
        pytest.skip("this system has no /proc/self/statm")


def test_a_weak_reference_dies_with_the_heap() -> None:
    heap = glassheap.Heap()
    reference = weakref.ref(heap)
    assert reference() is heap
    del heap
    assert reference() is None


# --- Copies, subclasses and misuse. ---------------------------------------------------------------


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, pickle.dumps, partial(pickle.dumps, protocol=0)]
)
def test_a_heap_cannot_be_copied_or_pickled(
    heap: glassheap.Heap, duplicate: Callable[[glassheap.Heap], object]
) -> None:
    """Two objects over one region would free each other's blocks."""
    with pytest.raises(TypeError, match="cannot pickle"):
        duplicate(heap)


def test_a_heap_is_equal_to_itself_alone() -> None:
    one, other = glassheap.Heap(), glassheap.Heap()
    assert one == one
    assert one != other
    assert len({one, other, one}) == 2


def test_the_attributes_of_a_heap_are_read_only(heap: glassheap.Heap) -> None:
    for name in ("size", "policy", "magic", "base", "address", "closed", "region", "more"):
        with pytest.raises(AttributeError):
            setattr(heap, name, 0)
    with pytest.raises(AttributeError):
        del heap.size


class Counting(glassheap.Heap):
    """A subclass with an attribute, an overridden method and a signature of its own."""

    def __init__(self, pages: int) -> None:
        self.calls = 0
        super().__init__(pages * 4096, base=0)

    def malloc(self, size: Any, *, align: Any = 16) -> int:
        self.calls += 1
        return super().malloc(size, align=align)


def test_a_heap_can_be_subclassed() -> None:
    heap = Counting(2)
    assert (heap.size, heap.malloc(8), heap.malloc(8, align=64)) == (8192, 16, 64)
    assert heap.calls == 2
    assert isinstance(heap, glassheap.Heap)
    assert_sound(heap)
    with heap.alloc(10) as block:
        assert block.heap is heap
    view = heap.view(16)
    del heap
    view[:] = b"12345678"


def test_a_subclass_must_call_the_constructor_of_heap() -> None:
    class WithoutCall(glassheap.Heap):
        def __init__(self) -> None:
            pass

    class UsedTooEarly(glassheap.Heap):
        def __init__(self) -> None:
            self.malloc(8)

    with pytest.raises(
        TypeError, match="this WithoutCall was never opened: its __init__ was not c"
    ):
        WithoutCall().malloc(8)
    with pytest.raises(TypeError, match="never opened"):
        UsedTooEarly()


def test_a_second_call_of_the_constructor_keeps_the_heap(heap: glassheap.Heap) -> None:
    address = heap.malloc(100)
    view = heap.view(address)
    heap.__init__(64)  # type: ignore[misc]
    assert heap.size == 4096
    view[:] = bytes(100)
    view.release()
    heap.free(address)
    assert_sound(heap)


EVERY_MEMBER = """
import os, signal
import glassheap

def start(make, use):
    child = os.fork()
    if child == 0:
        signal.alarm(5)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            use(make())
        except (TypeError, AttributeError):
            os._exit(0)
        os._exit(1)
    return child

arguments = {
    "malloc": (8,), "calloc": (8, 8), "realloc": (16, 8), "free": (16,), "usable_size": (16,),
    "view": (16,), "alloc": (8,), "malloc_many": ([8],), "free_many": ([16],), "hexdump": (16,),
    "__contains__": (16,), "__exit__": (None, None, None),
}
harmless = {"__new__", "__init__", "__enter__", "__bool__", "__module__", "__doc__"}

def user(member, name):
    call = member if callable(member) else member.__get__
    return lambda it: call(it, *arguments.get(name, ()))

uses = {"memoryview(Heap)": (glassheap.Heap, memoryview)}
uses["memoryview(Block)"] = (glassheap.Block, memoryview)
for cls in (glassheap.Heap, glassheap.Block):
    for name, member in vars(cls).items():
        if name not in harmless:
            uses[f"{cls.__name__}.{name}"] = (cls, user(member, name))
children = {name: start(lambda: MAKE(cls), use) for name, (cls, use) in uses.items()}
for name, child in children.items():
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print({0: "refused", 1: "accepted"}.get(status, f"ended with {status}"), name)
"""


@pytest.mark.parametrize("make", ["(lambda cls: cls.__new__(cls))", "(lambda cls: 42)"])
def test_every_member_refuses_an_object_that_is_not_an_open_heap(make: str) -> None:
    """Each member is called in a child process, because a failure is a crash or a hang."""
    done = run_child(EVERY_MEMBER.replace("MAKE", make))
    assert (done.returncode, done.stderr) == (0, "")
    outcomes = done.stdout.splitlines()
    assert len(outcomes) > 30
    assert [line for line in outcomes if not line.startswith("refused")] == []
