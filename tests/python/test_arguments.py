"""How arguments are passed to the frequent calls, which parse them themselves.

Wrong numbers are in test_fault_table.py, wrong options in test_options.py.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import pytest

import glassheap
from glassheap import Heap
from heap_probes import refused

if TYPE_CHECKING:
    from fault_fixture import PreparedHeap

METHODS = ["malloc", "calloc", "realloc", "free", "usable_size", "view", "alloc"]
every_frequent_call = pytest.mark.parametrize("name", METHODS)


@every_frequent_call
def test_arguments_can_be_passed_by_keyword(prepared: PreparedHeap, name: str) -> None:
    signature = inspect.signature(getattr(prepared.heap, name))
    values: dict[str, object] = {"size": 8, "count": 3, "align": 64, "address": prepared.first}
    values |= {"tag": "a", "evict": list, "timeout": 0.01}
    named = {parameter: values[parameter] for parameter in signature.parameters}
    getattr(prepared.heap, name)(**named)
    if name == "free":
        assert prepared.first not in prepared.heap


@every_frequent_call
def test_missing_extra_and_unknown_arguments_are_named_in_the_error(
    prepared: PreparedHeap, name: str
) -> None:
    method = getattr(prepared.heap, name)
    parameters = inspect.signature(method).parameters.values()
    first, *others = (one.name for one in parameters if one.kind != one.KEYWORD_ONLY)
    needed = [8] * (1 + len(others))

    def refuses(text: str, *given: int, **named: int) -> None:
        with refused(prepared.heap, TypeError, f"{name}() {text}"):
            method(*given, **named)

    refuses(f"needs an argument '{first}': the")
    refuses("got too many arguments by position (4): the", 8, 8, 8, 8)
    refuses(f"got two values for '{first}': the", *needed, **{first: 8})
    for unknown in ("length", "SIZE", "sïze", ""):
        refuses(f"takes no argument {unknown!r}: the", *needed, **{unknown: 8})


@pytest.mark.parametrize("call", ["malloc(8, 64)", "alloc(8, 64)", "realloc(None, 8, 64)"])
def test_align_is_keyword_only(heap: Heap, call: str) -> None:
    """A C programmer would read `malloc(4, 16)` as calloc."""
    with pytest.raises(TypeError, match="by position"):
        eval(f"heap.{call}")


@pytest.mark.parametrize(
    ("count", "size"),
    [(2**32, 2**32), (2**63, 2), (2**62, 4), (2**60 + 1, 16), (2**40, 2**40), (2**200, 2**200)],
)
def test_the_product_of_calloc_does_not_wrap(heap: Heap, count: int, size: int) -> None:
    with refused(heap, glassheap.OutOfMemory) as caught:
        heap.calloc(count, size)
    assert getattr(caught.value, "requested", None) == count * size
