"""Arguments that no call takes are told in one sentence, however large they are."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

import glassheap
from glassheap import Block, Heap, SharedHeap, _core
from heap_probes import assert_sentences
from process_helpers import SHM

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
