"""Whole numbers that are no int: objects with __index__, which runs in the middle of a call.

It may free blocks, reset the heap or close it; what it did is seen, because arguments are turned
into numbers before the heap is touched.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import glassheap
from bench import OF_A_SIZE, OF_AN_ADDRESS, OF_AN_ALIGNMENT, Bench, make_bench
from heap_probes import assert_sound, refused, run_child

Meanwhile = Callable[[], object]
HERE = str(Path(__file__).parent)
every_size_call = pytest.mark.parametrize("call", OF_A_SIZE.values(), ids=OF_A_SIZE)
every_align_call = pytest.mark.parametrize("call", OF_AN_ALIGNMENT.values(), ids=OF_AN_ALIGNMENT)

# --- Whole numbers of any class. ------------------------------------------------------------------


class Index:
    """A whole number that is no int, and does something when it is asked which."""

    def __init__(self, value: int, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.value = value
        self.meanwhile = meanwhile

    def __index__(self) -> int:
        self.meanwhile()
        return self.value


def result(call: Callable[[Bench, Any], Any], bench: Bench, argument: object) -> object:
    """The addresses that a call gives, or the class of what it raises."""
    try:
        given = call(bench, argument)
    except glassheap.HeapError as error:
        return type(error)
    return getattr(given, "address", given)


@every_size_call
@pytest.mark.parametrize("size", [0, 50, 4081, 2**64, 2**200, -1])
def test_an_object_with_index_is_a_size(size: int, call: Callable[[Bench, Any], object]) -> None:
    bench, same = make_bench(base=0), make_bench(base=0)
    assert result(call, bench, Index(size)) == result(call, same, size)
    assert bench.heap.walk() == same.heap.walk()


@every_align_call
@pytest.mark.parametrize("align", [1, 64, 1024, 3, 2048, 2**64, -16])
def test_an_object_with_index_is_an_alignment(
    align: int, call: Callable[[Bench, Any], object]
) -> None:
    bench, same = make_bench(base=0), make_bench(base=0)
    assert result(call, bench, Index(align)) == result(call, same, align)
    assert bench.heap.walk() == same.heap.walk()


@pytest.mark.parametrize("call", OF_AN_ADDRESS.values(), ids=OF_AN_ADDRESS)
def test_an_object_with_index_is_an_address(
    bench: Bench, call: Callable[[glassheap.Heap, Any], object]
) -> None:
    assert Index(bench.first) in bench.heap
    with refused(bench.heap, glassheap.DoubleFree):
        call(bench.heap, Index(bench.freed))
    call(bench.heap, Index(bench.first))
    assert_sound(bench.heap)


def test_exceptions_have_the_number_and_not_the_object(heap: glassheap.Heap) -> None:
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


def test_true_is_one(heap: glassheap.Heap) -> None:
    assert len(heap.view(heap.malloc(True))) == 1


# --- What __index__ does to the heap is seen. -----------------------------------------------------


class Mischief(NamedTuple):
    """What is called, what its argument's __index__ does first, and what comes of it."""

    call: Callable[[Bench, Meanwhile], object]
    meanwhile: Callable[[Bench], object]
    error: type[Exception] | None


def fill(bench: Bench) -> None:
    while bench.heap.free_list():
        bench.heap.malloc(bench.heap.largest_free())


views: list[memoryview] = []

MISCHIEF = {
    "free, freed": Mischief(
        lambda b, do: b.heap.free(Index(b.first, do)),
        lambda b: b.heap.free(b.first),
        glassheap.DoubleFree,
    ),
    "free, reset": Mischief(
        lambda b, do: b.heap.free(Index(b.first, do)),
        lambda b: b.heap.reset(),
        glassheap.DoubleFree,
    ),
    "free, viewed": Mischief(
        lambda b, do: b.heap.free(Index(b.first, do)),
        lambda b: views.append(b.heap.view(b.first)),
        BufferError,
    ),
    "free, allocated": Mischief(
        lambda b, do: b.heap.free(Index(b.freed, do)), lambda b: b.heap.malloc(50), None
    ),
    "realloc, freed": Mischief(
        lambda b, do: b.heap.realloc(b.first, Index(500, do)),
        lambda b: b.heap.free(b.first),
        glassheap.DoubleFree,
    ),
    "realloc, filled": Mischief(
        lambda b, do: b.heap.realloc(b.first, Index(500, do)), fill, glassheap.OutOfMemory
    ),
    "malloc, filled": Mischief(
        lambda b, do: b.heap.malloc(Index(8, do)), fill, glassheap.OutOfMemory
    ),
    "malloc, reset": Mischief(
        lambda b, do: b.heap.malloc(Index(8, do)), lambda b: b.heap.reset(), None
    ),
    "usable_size, freed": Mischief(
        lambda b, do: b.heap.usable_size(Index(b.first, do)),
        lambda b: b.heap.free(b.first),
        glassheap.DoubleFree,
    ),
    "view, freed": Mischief(
        lambda b, do: b.heap.view(Index(b.first, do)),
        lambda b: b.heap.free(b.first),
        glassheap.DoubleFree,
    ),
    "malloc_many, reset": Mischief(
        lambda b, do: b.heap.malloc_many([8, Index(8, do), 8]), lambda b: b.heap.reset(), None
    ),
    "free_many, freed": Mischief(
        lambda b, do: b.heap.free_many([b.first, Index(b.second, do)]),
        lambda b: b.heap.free(b.first),
        glassheap.DoubleFree,
    ),
}


def as_size(call: Callable[[Bench, Any], object]) -> Callable[[Bench, Meanwhile], object]:
    return lambda bench, do: call(bench, Index(8, do))


def as_align(call: Callable[[Bench, Any], object]) -> Callable[[Bench, Meanwhile], object]:
    return lambda bench, do: call(bench, Index(16, do))


def as_address(
    call: Callable[[glassheap.Heap, Any], object],
) -> Callable[[Bench, Meanwhile], object]:
    return lambda bench, do: call(bench.heap, Index(bench.first, do))


WITH_AN_INDEX = {
    **{name: as_size(call) for name, call in OF_A_SIZE.items()},
    **{f"{name}, align": as_align(call) for name, call in OF_AN_ALIGNMENT.items()},
    **{f"{name}, address": as_address(call) for name, call in OF_AN_ADDRESS.items()},
    "in": lambda bench, do: Index(bench.first, do) in bench.heap,
}


@pytest.mark.parametrize("row", MISCHIEF.values(), ids=MISCHIEF)
def test_what_index_does_to_the_heap_is_seen(bench: Bench, row: Mischief) -> None:
    def meanwhile() -> object:
        return row.meanwhile(bench)

    if row.error is None:
        row.call(bench, meanwhile)
    else:
        with pytest.raises(row.error):
            row.call(bench, meanwhile)
    assert_sound(bench.heap)
    views.clear()


@pytest.mark.parametrize("call", WITH_AN_INDEX.values(), ids=WITH_AN_INDEX)
def test_a_heap_that_index_closes_is_closed(
    bench: Bench, call: Callable[[Bench, Meanwhile], object]
) -> None:
    with pytest.raises(glassheap.HeapClosed):
        call(bench, bench.heap.close)


@pytest.mark.parametrize("call", WITH_AN_INDEX.values(), ids=WITH_AN_INDEX)
@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt, glassheap.DoubleFree])
def test_what_index_raises_goes_through(
    bench: Bench,
    call: Callable[[Bench, Meanwhile], object],
    error: type[BaseException],
) -> None:
    def meanwhile() -> None:
        raise error("raised by __index__")

    with refused(bench.heap, error, "raised by __index__"):
        call(bench, meanwhile)
    assert_sound(bench.heap)


IN_A_CHILD = """
import sys
import glassheap
from bench import OF_A_SIZE, make_bench

def fail(*_):
    raise KeyError

class Unprintable:
    __index__ = lambda self: -1
    __str__ = __repr__ = __format__ = fail

class Unformattable(str):
    __format__ = __str__ = fail

class PrintsUnformattable(Unprintable):
    __str__ = lambda self: Unformattable()

for name, call in OF_A_SIZE.items():
    for argument in (-10 ** 5000, Unprintable(), PrintsUnformattable()):
        try:
            call(make_bench(), argument)
        except glassheap.InvalidSize:
            continue
        sys.exit(f"{name} takes it")
"""


def test_a_number_that_cannot_be_printed_is_refused_all_the_same() -> None:
    """Python prints no more than 4300 digits; the message has to do without them."""
    done = run_child(f"import sys\nsys.path.insert(0, {HERE!r})\n{IN_A_CHILD}")
    assert (done.returncode, done.stderr) == (0, "")
