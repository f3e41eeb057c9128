"""Arguments of the calls: whole numbers of any magnitude, by position or by keyword.

The product of calloc never wraps, and an error message names the argument. The refused numbers are
in test_fault_table.py.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import pytest

import glassheap
from heap_probes import refused

if TYPE_CHECKING:
    from fault_fixture import PreparedHeap

# --- Sizes and alignments. ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "size"),
    [(2**32, 2**32), (2**63, 2), (2**62, 4), (2**60 + 1, 16), (2**40, 2**40), (2**200, 2**200)],
)
def test_the_product_of_calloc_does_not_wrap(prepared: PreparedHeap, count: int, size: int) -> None:
    with refused(prepared.heap, glassheap.OutOfMemory) as caught:
        prepared.heap.calloc(count, size)
    assert getattr(caught.value, "requested", None) == count * size


def test_a_size_that_fits_only_without_the_alignment_is_out_of_memory(
    prepared: PreparedHeap,
) -> None:
    largest = prepared.heap.largest_free()
    with refused(prepared.heap, glassheap.OutOfMemory):
        prepared.heap.malloc(largest, align=1024)
    prepared.heap.malloc(largest)


# --- How arguments are passed. --------------------------------------------------------------------

METHODS = ["malloc", "calloc", "realloc", "free", "usable_size", "view", "alloc"]


@pytest.mark.parametrize("name", METHODS)
def test_arguments_can_be_passed_by_keyword(prepared: PreparedHeap, name: str) -> None:
    signature = inspect.signature(getattr(prepared.heap, name))
    values = {"size": 8, "count": 3, "align": 64, "address": prepared.first}
    named = {parameter: values[parameter] for parameter in signature.parameters}
    getattr(prepared.heap, name)(**named)
    if name == "free":
        assert prepared.first not in prepared.heap


@pytest.mark.parametrize("name", METHODS)
def test_missing_extra_and_unknown_arguments_are_named_in_the_error(
    prepared: PreparedHeap, name: str
) -> None:
    method = getattr(prepared.heap, name)
    with refused(prepared.heap, TypeError, f"{name}() needs an argument '"):
        method()
    with refused(prepared.heap, TypeError, f"{name}() got too many arguments by position (4): the"):
        method(8, 8, 8, 8)
    for unknown in ("length", "SIZE", "sïze", ""):
        needed = [8] * (2 if name in ("calloc", "realloc") else 1)
        with refused(prepared.heap, TypeError, f"{name}() takes no argument {unknown!r}: the"):
            method(*needed, **{unknown: 8})


@pytest.mark.parametrize("name", METHODS)
def test_an_argument_passed_twice_is_named_in_the_error(prepared: PreparedHeap, name: str) -> None:
    method = getattr(prepared.heap, name)
    first, *more = inspect.signature(method).parameters
    needed = [8] * (1 + (more[:1] in (["size"],)))
    with refused(prepared.heap, TypeError, f"{name}() got two values for '{first}': the"):
        method(*needed, **{first: 8})


def test_align_is_keyword_only(heap: glassheap.Heap) -> None:
    """A C programmer would read `malloc(4, 16)` as calloc."""
    for call in (
        lambda: heap.malloc(8, 64),  # type: ignore[call-arg]
        lambda: heap.alloc(8, 64),  # type: ignore[call-arg]
        lambda: heap.realloc(None, 8, 64),  # type: ignore[call-arg]
    ):
        with pytest.raises(TypeError, match="by position"):
            call()
