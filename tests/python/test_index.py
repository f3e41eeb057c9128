"""Arguments with __index__, whose method runs in the middle of a call.

It may free blocks, reset the heap or close it. The call sees these changes, because arguments are
converted to numbers before the heap is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import glassheap
from fault_fixture import ALIGNMENT_CALLS, FREED, SIZE_CALLS, PreparedHeap, prepared_heap
from fault_rows import OF_AN_ADDRESS
from heap_probes import assert_sound, refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from fault_rows import Call


class Index:
    """An integer of another class than int; its __index__ makes a call first."""

    def __init__(self, value: int, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.value = value
        self.meanwhile = meanwhile

    def __index__(self) -> int:
        self.meanwhile()
        return self.value


SIZES = {f"{name}, size": call for name, call in SIZE_CALLS.items()}
ALIGNMENTS = {f"{name}, align": call for name, call in ALIGNMENT_CALLS.items()}
ADDRESSES: dict[str, Call] = {
    **{f"{name}, address": call for name, call in OF_AN_ADDRESS.items()},
    "free_many, second address": lambda p, address: p.heap.free_many([p.first, address]),
}
CALLS: dict[str, Call] = {
    **SIZES,
    **ALIGNMENTS,
    **ADDRESSES,
    "in": lambda prepared, argument: argument in prepared.heap,
}
FIRST, SECOND, FREE = 16, 144, FREED * 16 + 16
"""Addresses of a prepared heap with base 0; the first is also a valid size and alignment."""


# --- Integers of any class. -----------------------------------------------------------------------

NUMBERS = [0, 1, 3, FIRST, FIRST + 1, 50, 64, FREE, 1024, 2048, 4081, 2**64, 2**200, -1, -16]


def result(call: Call, argument: object) -> object:
    """What a call does to a prepared heap and returns, or the exception, with its attributes."""
    prepared = prepared_heap(base=0)
    try:
        returned: object = call(prepared, argument)
    except glassheap.HeapError as error:
        figures = {name: value for name, value in vars(error).items() if name != "heap"}
        return type(error), figures, prepared.heap.walk()
    shown = bytes(returned) if isinstance(returned, memoryview) else returned
    return getattr(returned, "address", shown), prepared.heap.walk()


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_an_object_with_index_is_as_good_as_the_number(call: Call) -> None:
    """Also in an exception, which has the number instead of the object."""
    for number in NUMBERS:
        assert result(call, Index(number)) == result(call, number)
    assert result(call, True) == result(call, 1)


# --- The call sees the changes that __index__ makes. ----------------------------------------------


def free_first(prepared: PreparedHeap) -> None:
    prepared.heap.free(prepared.first)


def reset(prepared: PreparedHeap) -> None:
    prepared.heap.reset()


def fill(prepared: PreparedHeap) -> None:
    while prepared.heap.free_list():
        prepared.heap.malloc(prepared.heap.largest_free())


def malloc(prepared: PreparedHeap) -> None:
    assert prepared.heap.malloc(50) == FREE


views: list[memoryview] = []


def view_first(prepared: PreparedHeap) -> None:
    views.append(prepared.heap.view(prepared.first))


INTERFERENCES = [
    *((name, FIRST, free_first, glassheap.DoubleFree) for name in ADDRESSES),
    *((name, FIRST, reset, glassheap.DoubleFree) for name in ADDRESSES),
    ("free_many, second address", SECOND, free_first, glassheap.DoubleFree),
    ("free, address", FIRST, view_first, BufferError),
    ("free, address", FREE, malloc, None),
    ("realloc, size", 500, free_first, glassheap.DoubleFree),
    ("realloc, size", 500, fill, glassheap.OutOfMemory),
    ("malloc, size", 8, fill, glassheap.OutOfMemory),
    ("malloc, size", 8, reset, None),
    ("malloc_many, size", 8, reset, None),
]


@pytest.mark.parametrize(("name", "number", "meddle", "error"), INTERFERENCES)
def test_a_call_sees_the_changes_that_index_makes(
    name: str,
    number: int,
    meddle: Callable[[PreparedHeap], None],
    error: type[Exception] | None,
) -> None:
    prepared = prepared_heap(base=0)
    argument = Index(number, lambda: meddle(prepared))
    if error is None:
        CALLS[name](prepared, argument)
    else:
        with pytest.raises(error):
            CALLS[name](prepared, argument)
    assert_sound(prepared.heap)
    views.clear()


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_call_on_a_heap_that_index_closes_raises_heap_closed(
    prepared: PreparedHeap, call: Call
) -> None:
    with pytest.raises(glassheap.HeapClosed):
        call(prepared, Index(16, prepared.heap.close))


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt, glassheap.DoubleFree])
def test_an_exception_of_index_is_propagated(
    prepared: PreparedHeap, call: Call, error: type[BaseException]
) -> None:
    def meanwhile() -> None:
        raise error("raised by __index__")

    with refused(prepared.heap, error, "raised by __index__"):
        call(prepared, Index(16, meanwhile))
    assert_sound(prepared.heap)


# --- Numbers that cannot be printed. --------------------------------------------------------------


def fail(*_: object) -> str:
    raise KeyError


class Unformattable(str):
    __slots__ = ()
    __format__ = __str__ = fail


class Unprintable(Index):
    __str__ = __repr__ = __format__ = fail


class PrintsUnformattable(Index):
    def __str__(self) -> str:
        return Unformattable()


@pytest.mark.parametrize("call", SIZES.values(), ids=SIZES)
def test_a_number_that_cannot_be_printed_is_refused_with_the_right_class(call: Call) -> None:
    """Python prints at most 4300 digits, so the message cannot always contain the number."""
    for argument in (-(10**5000), Unprintable(-1), PrintsUnformattable(-1)):
        with pytest.raises(glassheap.InvalidSize):
            call(prepared_heap(), argument)
