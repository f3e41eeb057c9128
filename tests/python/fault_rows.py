"""The form of a row in a table of faults, and how it is checked on every configuration.

A refused call raises exactly the row's class, with exactly its attributes, and has changed no byte
of the region, no counter but that of failures, and nothing that the heap shows of itself. So the
calls of a row can follow one another on one heap, and each of them must find it as it was.

The whole sentences are compared in tests/cpp/fault_test.cpp. Here each must be one line, whose
first sentence states the fact of its class, with its figures.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import ANY

import pytest

import glassheap
from fault_fixture import ADDRESS_CALLS
from heap_probes import assert_sentences, fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from fault_fixture import Configuration, PreparedHeap

    Given = Callable[[PreparedHeap], Any]
    Call = Callable[[PreparedHeap, Any], object]
    Figures = Callable[[PreparedHeap, Any, str], Mapping[str, object]]
    Says = Callable[[PreparedHeap, Any, str], str]

FACTS: dict[type[BaseException], str] = {
    glassheap.OutOfMemory: "no free block can hold ",
    glassheap.InvalidSize: " counts from 0 upwards, and ",
    glassheap.InvalidAlignment: "align must be a power of two up to ",
    glassheap.ForeignPointer: " is outside the heap's region",
    glassheap.MisalignedPointer: " is no multiple of 16 from the start of the region",
    glassheap.InteriorPointer: " lies inside a live block",
    glassheap.DoubleFree: " is free already",
    glassheap.StaleHandle: "this Block is stale",
    glassheap.BadMagic: " has the magic number ",
    glassheap.HeaderCorrupted: "the header of the block at offset ",
    glassheap.FreeListCorrupted: " breaks the rule '",
    glassheap.OverflowDetected: " behind its end, was written",
    glassheap.WriteAfterFree: " is free memory, and was written",
    glassheap.HeapDamaged: "the heap was found corrupt",
    glassheap.HeapClosed: "the heap is closed",
    BufferError: " is still alive",
    TypeError: " must be a whole number, not ",
}


class Row(NamedTuple):
    """One fault: `given` prepares it, and is what the calls are then given.

    `figures` and `says` are functions of the heap, of what is given, and of the name of the call:
    the attributes of the exception (by default those of its class), and a part of its sentence.
    """

    error: type[Exception]
    given: Given
    calls: Mapping[str, Call]
    figures: Figures | None = None
    says: Says | None = None


def rows(
    error: type[Exception],
    given: Mapping[str, Given],
    calls: Mapping[str, Call],
    *,
    figures: Figures | None = None,
    says: Says | None = None,
) -> list[Any]:
    """Rows, as parameters of a test, that differ in what is given alone."""
    return [
        pytest.param(Row(error, make, calls, figures, says), id=f"{error.__name__}: {name}")
        for name, make in given.items()
    ]


def constant(*values: Any) -> dict[str, Given]:
    """Each of these values, by its own name, whatever the heap."""

    def always(value: Any) -> Given:
        return lambda prepared: value

    return {str(value): always(value) for value in values}


def on_heap(call: Callable[[glassheap.Heap, Any], object]) -> Call:
    return lambda prepared, given: call(prepared.heap, given)


OF_AN_ADDRESS: dict[str, Call] = {name: on_heap(call) for name, call in ADDRESS_CALLS.items()}


def raised_by(call: Callable[[], object], *errors: type[BaseException]) -> BaseException | None:
    try:
        call()
    except errors as raised:
        return raised
    return None


def on_each(
    configurations: Iterable[Configuration], check: Callable[[Configuration], object]
) -> None:
    """Run the check on every configuration: as tests of their own, they would take minutes."""
    for configuration in configurations:
        failure = raised_by(partial(check, configuration), Exception, pytest.fail.Exception)
        if failure is not None:
            raise AssertionError(f"on {configuration}") from failure


# --- What is checked. -----------------------------------------------------------------------------


def state(heap: glassheap.Heap) -> tuple[object, ...]:
    """All that a heap shows of itself, but the count of failures."""
    return fingerprint(heap), heap.free_list(), heap.walk()


def assert_sentence(text: str, error: type[Exception], figures: Mapping[str, object]) -> None:
    """One line, whose first sentence has the fact and its numbers, in either notation."""
    assert_sentences(text)
    fact, _, _ = text.partition(". ")
    assert FACTS[error] in fact
    for name, value in figures.items():
        if isinstance(value, int) and 0 <= value < 2**64 - 1 and name != "align":
            assert str(value) in fact or f"{value:X}" in fact.upper()


def figures_of(row: Row, prepared: PreparedHeap, given: object, name: str) -> Mapping[str, object]:
    if row.figures is not None:
        return row.figures(prepared, given, name)
    if issubclass(row.error, glassheap.InvalidPointer):
        return {"address": getattr(given, "address", given)}
    return {}


def assert_raised(row: Row, prepared: PreparedHeap, given: object, name: str) -> None:
    with pytest.raises(row.error) as caught:
        row.calls[name](prepared, given)
    figures = figures_of(row, prepared, given, name)
    assert caught.type is row.error
    assert vars(caught.value) == figures
    assert_sentence(str(caught.value), row.error, figures)
    assert row.says is None or row.says(prepared, given, name) in str(caught.value)


def assert_refused(row: Row, prepared: PreparedHeap, given: object, *names: str) -> None:
    """By these calls, one after the other: none of them leaves a trace for the next."""
    before = state(prepared.heap)
    for name in names:
        assert_raised(row, prepared, given, name)
        assert state(prepared.heap) == before, name


def assert_refused_by_all(row: Row, prepared: PreparedHeap) -> None:
    assert_refused(row, prepared, row.given(prepared), *row.calls)


# --- Damage. --------------------------------------------------------------------------------------


def damage(offset: int, field: str, expected: object, found: int) -> dict[str, object]:
    """The attributes of a HeapCorrupted."""
    return {"offset": offset, "field": field, "expected": expected, "found": found}


def assert_found(
    prepared: PreparedHeap, error: type[Exception], figures: Mapping[str, object]
) -> None:
    """check() finds this and nothing else."""
    (finding,) = prepared.heap.check()
    values = (figures[name] for name in ("field", "offset", "expected", "found"))
    assert finding == (error.__name__, *values)
    assert_sentence(str(finding), error, figures)


def commit_and_find(row: Row, configuration: Configuration) -> None:
    for names in ([name] for name in [*row.calls, ""]):
        prepared = configuration.prepared()
        given = row.given(prepared)
        figures = figures_of(row, prepared, given, "check")
        assert_refused(row, prepared, given, *filter(None, names))
        assert_found(prepared, row.error, figures)


def offers(prepared: PreparedHeap) -> list[int]:
    """The sizes of the free blocks, largest first, by the block map: no node is read."""
    return sorted((info.size for info in prepared.heap.walk() if not info.live), reverse=True)


def take_all(prepared: PreparedHeap) -> Iterator[Callable[[], object]]:
    """Every free block is taken."""
    for size in offers(prepared):
        yield partial(prepared.heap.malloc, size)


def take_all_at_once(prepared: PreparedHeap) -> Iterator[Callable[[], object]]:
    yield lambda: prepared.heap.malloc_many(offers(prepared))


def give_all_back(prepared: PreparedHeap) -> Iterator[Callable[[], object]]:
    """Every free block is merged with; by quick fit for a request of nearly all."""
    for address in [*prepared.heap]:
        yield partial(prepared.heap.free, address)
    yield partial(prepared.heap.malloc, prepared.heap.size - 64)


def assert_damaged(heap: glassheap.Heap) -> None:
    """From now on it refuses; test_damage.py has every call."""
    with pytest.raises(glassheap.HeapDamaged):
        heap.free(None)


def meet(
    prepared: PreparedHeap,
    steps: Iterator[Callable[[], object]],
    error_class: type[Exception],
    figures: Mapping[str, object],
) -> None:
    """One of the steps meets the damage, names it, and changes nothing."""
    for step in steps:
        before = state(prepared.heap)
        error = raised_by(step, error_class)
        if error is not None:
            assert vars(error) == figures
            assert_sentence(str(error), error_class, figures)
            assert state(prepared.heap) == before
            assert_damaged(prepared.heap)
            return
    pytest.fail("nothing met the damage")


def later(figures: Mapping[str, object]) -> Mapping[str, object]:
    """The same after other calls: another block may have become the next of the list."""
    return {**figures, "expected": ANY} if figures["field"] == "next" else figures


def meet_and_find(
    configuration: Configuration,
    error: type[Exception],
    write: Callable[[PreparedHeap], Mapping[str, object]],
    *meetings: Callable[[PreparedHeap], Iterator[Callable[[], object]]],
) -> None:
    """What `write` damages is met by each of the meetings, and found by check()."""
    for meeting in meetings:
        prepared = configuration.prepared()
        figures = write(prepared)
        meet(prepared, meeting(prepared), error, later(figures))
    prepared = configuration.prepared()
    figures = write(prepared)
    assert_found(prepared, error, figures)
    assert_damaged(prepared.heap)
