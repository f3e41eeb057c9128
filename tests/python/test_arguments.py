"""How arguments are passed, and the sentences about those that a call does not take.

Wrong sizes, alignments and addresses are in test_fault_table.py, wrong options in test_options.py.
"""

from __future__ import annotations

import inspect
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

import glassheap
from glassheap import Block, Heap, SharedHeap, _core
from heap_probes import assert_sentences, refused
from process_helpers import SHM

if TYPE_CHECKING:
    from fault_fixture import PreparedHeap

SIGNATURES = {
    "malloc": "(self, size, *, align=16)",
    "calloc": "(self, count, size)",
    "realloc": "(self, address, size, *, align=16)",
    "free": "(self, address)",
    "usable_size": "(self, address)",
    "view": "(self, address)",
    "alloc": "(self, size, *, align=16)",
}
"""The frequent calls, which parse their arguments themselves."""
every_frequent_call = pytest.mark.parametrize("name", SIGNATURES)


@every_frequent_call
def test_a_method_has_an_inspectable_signature(name: str) -> None:
    found = str(inspect.signature(getattr(Heap, name)))
    assert found.replace(", /", "").replace("$", "") == SIGNATURES[name]


@every_frequent_call
def test_arguments_can_be_passed_by_keyword(prepared: PreparedHeap, name: str) -> None:
    signature = inspect.signature(getattr(prepared.heap, name))
    values = {"size": 8, "count": 3, "align": 64, "address": prepared.first}
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

    refuses(f"needs an argument '{first}'.")
    refuses(f"takes {len(needed)} arguments by position, not 4.", 8, 8, 8, 8)
    refuses(f"got two values for '{first}'.", *needed, **{first: 8})
    for unknown in ("length", "SIZE", "sïze", ""):
        refuses(f"takes no argument {unknown!r}.", *needed, **{unknown: 8})


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


WRONG_CALLS = {
    "Heap.over(bytearray(64 << 20), 64)": (
        "over() does not take (bytearray, int): the call is over(buffer, *, policy='first_fit', "
    ),
    "Heap.over()": "over() does not take (): the call is over(buffer, *, policy='first_fit', ",
    "Heap(1, 2)": "Heap() does not take (int, int): the call is Heap(size=4096, *, policy='first",
    "SharedHeap('name', 4096)": (
        "a SharedHeap is made by SharedHeap.create(name, size), and attached to by SharedHeap.att"
    ),
    "heap.reset(1)": "reset() does not take (int): the call is reset().",
    "heap.close(1)": "close() does not take (int): the call is close().",
    "heap.check(full=1)": "check() does not take (full=int): the call is check().",
    "heap.malloc_many()": "malloc_many() does not take (): the call is ",
    "heap.print_free_list(1, 2)": (
        "print_free_list() does not take (int, int): the call is print_free_list(file=None)."
    ),
    "Heap.reset(3)": "reset() is a method of Heap, and was called on int.",
    "block.free(1)": "free() does not take (int): the call is free().",
    "Block.free(heap)": "free() is a method of Block, and was called on Heap.",
    "Player(heap)": "Player() does not take (Heap): the call is Player(heap, id_count).",
    "Player(heap, '1')": "id_count must be a whole number, not str.",
    "Player(heap, 1).play(1, 2, 3, 4, 5)": (
        "play() does not take (int, int, int, int, int): the call is play(kinds, ids, sizes, "
        "start, stop, stop_at_failure=False)."
    ),
    "Player(heap, 1).play(b'', b'', b'', 0, 0, 1)": (
        "play() does not take (bytes, bytes, bytes, int, int, int): the call is play("
    ),
    "policies(1)": "policies() does not take (int): the call is policies().",
    **{
        f"shared.{name}(1, 2)": f"{name}() does not take (int, int): the call is {name}("
        for name in ("unlink", "flush", "reap", "owners", "block")
        if SHM.is_dir()
    },
}
"""Calls, and the beginnings of their sentences."""


@pytest.mark.parametrize("call", WRONG_CALLS)
def test_wrong_arguments_are_one_sentence_however_large_they_are(call: str) -> None:
    names: dict[str, object] = {**vars(glassheap), "Player": _core.Player, "heap": Heap()}
    names["block"] = Heap().alloc(8)
    with ExitStack() as ends:
        if "shared." in call:
            names["shared"] = ends.enter_context(SharedHeap.create(size=4096))
        with pytest.raises(TypeError) as caught:
            eval(call, names)
    text = str(caught.value)
    assert text.startswith(WRONG_CALLS[call])
    assert "Invoked" not in text
    assert_sentences(text)


def test_the_docstrings_are_still_those_of_the_methods() -> None:
    for method in (Heap.reset, Block.free, _core.Player.play, glassheap.policies):
        assert "Overloaded" not in str(method.__doc__)
        assert len(str(method.__doc__).splitlines()) > 2
