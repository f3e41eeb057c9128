"""Arguments with __index__, whose method runs in the middle of a call.

It may free blocks, reset the heap or close it. The call sees these changes, because arguments are
converted to numbers before the heap is used.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import glassheap
from fault_fixture import ADDRESS_CALLS, ALIGNMENT_CALLS, SIZE_CALLS, PreparedHeap, prepared_heap
from heap_probes import assert_sound, refused, run_child

Meanwhile = Callable[[], object]
HERE = str(Path(__file__).parent)
every_size_call = pytest.mark.parametrize("call", SIZE_CALLS.values(), ids=SIZE_CALLS)
every_align_call = pytest.mark.parametrize("call", ALIGNMENT_CALLS.values(), ids=ALIGNMENT_CALLS)

# --- Integers of any class. -----------------------------------------------------------------------


class Index:
    """An integer of another class than int; its __index__ makes a call first."""

    def __init__(self, value: int, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.value = value
        self.meanwhile = meanwhile

    def __index__(self) -> int:
        self.meanwhile()
        return self.value


def result(
    call: Callable[[PreparedHeap, Any], Any], prepared: PreparedHeap, argument: object
) -> object:
    """The addresses that a call returns, or the class of the exception that it raises."""
    try:
        returned = call(prepared, argument)
    except glassheap.HeapError as error:
        return type(error)
    return getattr(returned, "address", returned)


@every_size_call
@pytest.mark.parametrize("size", [0, 50, 4081, 2**64, 2**200, -1])
def test_an_object_with_index_is_accepted_as_a_size(
    size: int, call: Callable[[PreparedHeap, Any], object]
) -> None:
    prepared, same = prepared_heap(base=0), prepared_heap(base=0)
    assert result(call, prepared, Index(size)) == result(call, same, size)
    assert prepared.heap.walk() == same.heap.walk()


@every_align_call
@pytest.mark.parametrize("align", [1, 64, 1024, 3, 2048, 2**64, -16])
def test_an_object_with_index_is_accepted_as_an_alignment(
    align: int, call: Callable[[PreparedHeap, Any], object]
) -> None:
    prepared, same = prepared_heap(base=0), prepared_heap(base=0)
    assert result(call, prepared, Index(align)) == result(call, same, align)
    assert prepared.heap.walk() == same.heap.walk()


@pytest.mark.parametrize("call", ADDRESS_CALLS.values(), ids=ADDRESS_CALLS)
def test_an_object_with_index_is_accepted_as_an_address(
    prepared: PreparedHeap, call: Callable[[glassheap.Heap, Any], object]
) -> None:
    assert Index(prepared.first) in prepared.heap
    with refused(prepared.heap, glassheap.DoubleFree):
        call(prepared.heap, Index(prepared.freed))
    call(prepared.heap, Index(prepared.first))
    assert_sound(prepared.heap)


def test_exceptions_hold_the_number_instead_of_the_object(heap: glassheap.Heap) -> None:
    for size in (4081, 2**64, 2**200):
        for call in (heap.malloc, heap.alloc, lambda size: heap.malloc_many([1, size])):
            with pytest.raises(glassheap.OutOfMemory) as caught:
                call(Index(size))
            assert type(caught.value.requested) is int
            assert caught.value.requested == size
    for address in (8, 2**64, 2**200):
        for free in (heap.free, heap.view, lambda address: heap.free_many([None, address])):
            with pytest.raises(glassheap.ForeignPointer) as refusal:
                free(Index(address))
            assert type(refusal.value.address) is int
            assert refusal.value.address == address


def test_true_is_accepted_as_one(heap: glassheap.Heap) -> None:
    assert len(heap.view(heap.malloc(True))) == 1


# --- The call sees the changes that __index__ makes. ----------------------------------------------


class Interference(NamedTuple):
    """A call, the change that its argument's __index__ makes first, and the expected error."""

    call: Callable[[PreparedHeap, Meanwhile], object]
    meanwhile: Callable[[PreparedHeap], object]
    error: type[Exception] | None


def fill(prepared: PreparedHeap) -> None:
    while prepared.heap.free_list():
        prepared.heap.malloc(prepared.heap.largest_free())


views: list[memoryview] = []

INTERFERENCES = {
    "free, freed": Interference(
        lambda p, do: p.heap.free(Index(p.first, do)),
        lambda p: p.heap.free(p.first),
        glassheap.DoubleFree,
    ),
    "free, reset": Interference(
        lambda p, do: p.heap.free(Index(p.first, do)),
        lambda p: p.heap.reset(),
        glassheap.DoubleFree,
    ),
    "free, viewed": Interference(
        lambda p, do: p.heap.free(Index(p.first, do)),
        lambda p: views.append(p.heap.view(p.first)),
        BufferError,
    ),
    "free, allocated": Interference(
        lambda p, do: p.heap.free(Index(p.freed, do)), lambda p: p.heap.malloc(50), None
    ),
    "realloc, freed": Interference(
        lambda p, do: p.heap.realloc(p.first, Index(500, do)),
        lambda p: p.heap.free(p.first),
        glassheap.DoubleFree,
    ),
    "realloc, filled": Interference(
        lambda p, do: p.heap.realloc(p.first, Index(500, do)), fill, glassheap.OutOfMemory
    ),
    "malloc, filled": Interference(
        lambda p, do: p.heap.malloc(Index(8, do)), fill, glassheap.OutOfMemory
    ),
    "malloc, reset": Interference(
        lambda p, do: p.heap.malloc(Index(8, do)), lambda p: p.heap.reset(), None
    ),
    "usable_size, freed": Interference(
        lambda p, do: p.heap.usable_size(Index(p.first, do)),
        lambda p: p.heap.free(p.first),
        glassheap.DoubleFree,
    ),
    "view, freed": Interference(
        lambda p, do: p.heap.view(Index(p.first, do)),
        lambda p: p.heap.free(p.first),
        glassheap.DoubleFree,
    ),
    "malloc_many, reset": Interference(
        lambda p, do: p.heap.malloc_many([8, Index(8, do), 8]), lambda p: p.heap.reset(), None
    ),
    "free_many, freed": Interference(
        lambda p, do: p.heap.free_many([p.first, Index(p.second, do)]),
        lambda p: p.heap.free(p.first),
        glassheap.DoubleFree,
    ),
}


def as_size(
    call: Callable[[PreparedHeap, Any], object],
) -> Callable[[PreparedHeap, Meanwhile], object]:
    return lambda prepared, do: call(prepared, Index(8, do))


def as_align(
    call: Callable[[PreparedHeap, Any], object],
) -> Callable[[PreparedHeap, Meanwhile], object]:
    return lambda prepared, do: call(prepared, Index(16, do))


def as_address(
    call: Callable[[glassheap.Heap, Any], object],
) -> Callable[[PreparedHeap, Meanwhile], object]:
    return lambda prepared, do: call(prepared.heap, Index(prepared.first, do))


WITH_AN_INDEX = {
    **{name: as_size(call) for name, call in SIZE_CALLS.items()},
    **{f"{name}, align": as_align(call) for name, call in ALIGNMENT_CALLS.items()},
    **{f"{name}, address": as_address(call) for name, call in ADDRESS_CALLS.items()},
    "in": lambda prepared, do: Index(prepared.first, do) in prepared.heap,
}


@pytest.mark.parametrize("row", INTERFERENCES.values(), ids=INTERFERENCES)
def test_a_call_sees_the_changes_that_index_makes(
    prepared: PreparedHeap, row: Interference
) -> None:
    def meanwhile() -> object:
        return row.meanwhile(prepared)

    if row.error is None:
        row.call(prepared, meanwhile)
    else:
        with pytest.raises(row.error):
            row.call(prepared, meanwhile)
    assert_sound(prepared.heap)
    views.clear()


@pytest.mark.parametrize("call", WITH_AN_INDEX.values(), ids=WITH_AN_INDEX)
def test_a_call_on_a_heap_that_index_closes_raises_heap_closed(
    prepared: PreparedHeap, call: Callable[[PreparedHeap, Meanwhile], object]
) -> None:
    with pytest.raises(glassheap.HeapClosed):
        call(prepared, prepared.heap.close)


@pytest.mark.parametrize("call", WITH_AN_INDEX.values(), ids=WITH_AN_INDEX)
@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt, glassheap.DoubleFree])
def test_an_exception_of_index_is_propagated(
    prepared: PreparedHeap,
    call: Callable[[PreparedHeap, Meanwhile], object],
    error: type[BaseException],
) -> None:
    def meanwhile() -> None:
        raise error("raised by __index__")

    with refused(prepared.heap, error, "raised by __index__"):
        call(prepared, meanwhile)
    assert_sound(prepared.heap)


IN_A_CHILD = """
import sys
import glassheap
from fault_fixture import SIZE_CALLS, prepared_heap

def fail(*_):
    raise KeyError

class Unprintable:
    __index__ = lambda self: -1
    __str__ = __repr__ = __format__ = fail

class Unformattable(str):
    __format__ = __str__ = fail

class PrintsUnformattable(Unprintable):
    __str__ = lambda self: Unformattable()

for name, call in SIZE_CALLS.items():
    for argument in (-10 ** 5000, Unprintable(), PrintsUnformattable()):
        try:
            call(prepared_heap(), argument)
        except glassheap.InvalidSize:
            continue
        sys.exit(f"{name} accepts it")
"""


def test_a_number_that_cannot_be_printed_is_refused_with_the_right_class() -> None:
    """Python prints at most 4300 digits, so the message cannot always contain the number."""
    done = run_child(f"import sys\nsys.path.insert(0, {HERE!r})\n{IN_A_CHILD}")
    assert (done.returncode, done.stderr) == (0, "")
