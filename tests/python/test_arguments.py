"""What the calls take: any whole number, however large, by position or by keyword.

A product never wraps, and the message says which argument it was. Each number that is refused is in
test_fault_table.py.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import pytest

import glassheap
from heap_probes import refused

if TYPE_CHECKING:
    from bench import Bench

# --- Sizes and alignments. ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "size"),
    [(2**32, 2**32), (2**63, 2), (2**62, 4), (2**60 + 1, 16), (2**40, 2**40), (2**200, 2**200)],
)
def test_the_product_of_calloc_never_wraps(bench: Bench, count: int, size: int) -> None:
    with refused(bench.heap, glassheap.OutOfMemory) as caught:
        bench.heap.calloc(count, size)
    assert getattr(caught.value, "requested", None) == count * size


def test_a_size_that_fits_only_unaligned_is_out_of_memory(bench: Bench) -> None:
    largest = bench.heap.largest_free()
    with refused(bench.heap, glassheap.OutOfMemory):
        bench.heap.malloc(largest, align=1024)
    bench.heap.malloc(largest)


# --- How arguments are passed. --------------------------------------------------------------------

SIGNATURES = {
    "malloc": "(self, size, *, align=16)",
    "calloc": "(self, count, size)",
    "realloc": "(self, address, size, *, align=16)",
    "free": "(self, address)",
    "usable_size": "(self, address)",
    "view": "(self, address)",
    "alloc": "(self, size, *, align=16)",
}


@pytest.mark.parametrize(("name", "signature"), SIGNATURES.items())
def test_a_hot_method_tells_its_signature(name: str, signature: str) -> None:
    told = str(inspect.signature(getattr(glassheap.Heap, name)))
    assert told.replace(", /", "").replace("$", "") == signature


@pytest.mark.parametrize("name", SIGNATURES)
def test_arguments_may_come_by_keyword(bench: Bench, name: str) -> None:
    signature = inspect.signature(getattr(bench.heap, name))
    values = {"size": 8, "count": 3, "align": 64, "address": bench.first}
    named = {parameter: values[parameter] for parameter in signature.parameters}
    getattr(bench.heap, name)(**named)
    if name == "free":
        assert bench.first not in bench.heap


@pytest.mark.parametrize("name", SIGNATURES)
def test_arguments_too_few_too_many_or_unknown_are_named(bench: Bench, name: str) -> None:
    method = getattr(bench.heap, name)
    with refused(bench.heap, TypeError, f"{name}() needs an argument '"):
        method()
    with refused(bench.heap, TypeError, f"{name}() takes "):
        method(8, 8, 8, 8)
    for unknown in ("length", "SIZE", "sïze", ""):
        needed = [8] * (2 if name in ("calloc", "realloc") else 1)
        with refused(bench.heap, TypeError, f"{name}() takes no argument {unknown!r}."):
            method(*needed, **{unknown: 8})


@pytest.mark.parametrize("name", SIGNATURES)
def test_an_argument_that_comes_twice_is_named(bench: Bench, name: str) -> None:
    method = getattr(bench.heap, name)
    first, *more = inspect.signature(method).parameters
    needed = [8] * (1 + (more[:1] in (["size"],)))
    with refused(bench.heap, TypeError, f"{name}() got two values for '{first}'."):
        method(*needed, **{first: 8})


def test_align_comes_by_keyword_alone(heap: glassheap.Heap) -> None:
    """`malloc(4, 16)` would read as calloc to a C programmer."""
    for call in (
        lambda: heap.malloc(8, 64),  # type: ignore[call-arg]
        lambda: heap.alloc(8, 64),  # type: ignore[call-arg]
        lambda: heap.realloc(None, 8, 64),  # type: ignore[call-arg]
    ):
        with pytest.raises(TypeError, match="by position"):
            call()
