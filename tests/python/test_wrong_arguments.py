"""Arguments that no method takes are told in one sentence, however large they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import glassheap
from glassheap import Block, Heap, _core

if TYPE_CHECKING:
    from collections.abc import Callable

heap: Any = Heap()
block: Any = heap.alloc(8)
SHARED: Any = glassheap.SharedHeap
OVER: Any = Heap.over
HEAP: Any = Heap
player: Any = _core.Player(heap, 1)
empty = b""

CALLS: dict[str, tuple[Callable[[], object], str]] = {
    "over, size": (
        lambda: OVER(bytearray(64 << 20), 64),
        "over() does not take (bytearray, int): the call is over(buffer, *, policy='first_fit', ",
    ),
    "over": (OVER, "over() does not take (): the call is over(buffer, *, "),
    "Heap": (
        lambda: HEAP(1, 2),
        "Heap() does not take (int, int): the call is Heap(size=4096, *, policy='first_fit', ",
    ),
    "SharedHeap": (
        lambda: SHARED("name", 4096),
        "a SharedHeap is made by SharedHeap.create(name, size), and attached to by SharedHeap.att",
    ),
    "reset": (lambda: heap.reset(1), "reset() does not take (int): the call is reset()."),
    "close": (lambda: heap.close(1), "close() does not take (int): the call is close()."),
    "check": (lambda: heap.check(full=1), "check() does not take (full=int): the call is check()."),
    "malloc_many": (heap.malloc_many, "malloc_many() does not take (): the call is "),
    "print_free_list": (
        lambda: heap.print_free_list(1, 2),
        "print_free_list() does not take (int, int): the call is print_free_list(file=None).",
    ),
    "Heap.reset": (
        lambda: Heap.reset(3),  # type: ignore[arg-type]
        "reset() is a method of Heap, and was called on int.",
    ),
    "Block.free": (lambda: block.free(1), "free() does not take (int): the call is free()."),
    "Block.free of another": (
        lambda: Block.free(heap),
        "free() is a method of Block, and was called on Heap.",
    ),
    "Player": (
        lambda: _core.Player(heap),  # type: ignore[call-arg]
        "Player() does not take (Heap): the call is Player(heap, id_count).",
    ),
    "Player, count": (
        lambda: _core.Player(heap, "1"),  # type: ignore[arg-type]
        "id_count must be a whole number, not str.",
    ),
    "play": (
        lambda: player.play(1, 2, 3, 4, 5),
        "play() does not take (int, int, int, int, int): the call is play(kinds, ids, sizes, "
        "start, stop, stop_at_failure=False).",
    ),
    "play, flag": (
        lambda: player.play(empty, empty, empty, 0, 0, 1),
        "play() does not take (bytes, bytes, bytes, int, int, int): the call is play(",
    ),
    "policies": (
        lambda: glassheap.policies(1),  # type: ignore[call-arg]
        "policies() does not take (int): the call is policies().",
    ),
}


@pytest.mark.parametrize(("call", "sentence"), CALLS.values(), ids=CALLS.keys())
def test_wrong_arguments_are_one_sentence(call: Callable[[], object], sentence: str) -> None:
    with pytest.raises(TypeError) as caught:
        call()
    text = str(caught.value)
    assert text.startswith(sentence)
    assert text.endswith(".")
    assert "\n" not in text
    assert "Invoked" not in text


def test_the_docstrings_are_still_those_of_the_methods() -> None:
    for method in (Heap.reset, Block.free, _core.Player.play, glassheap.policies):
        assert "Overloaded" not in str(method.__doc__)
        assert len(str(method.__doc__).splitlines()) > 2
