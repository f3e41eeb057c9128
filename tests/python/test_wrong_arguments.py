"""Wrong arguments are told in one sentence, however large they are, and never in a tool's words."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import suppress
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

import glassheap
from glassheap import Block, Heap, SharedHeap, _core

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

heap: Any = Heap()
block: Any = heap.alloc(8)
SHARED: Any = SharedHeap
HEAP: Any = Heap
OVER: Any = Heap.over
player: Any = _core.Player(heap, 1)
empty = b""

CALLS: dict[str, tuple[Callable[[], object], str]] = {
    "over, size": (
        lambda: OVER(bytearray(64 << 20), 64),
        "over() got too many arguments by position (2): the call is over(buffer, *, "
        "policy='first_fit', headers=True, checks='robust', magic=0xDEADBEEF, ",
    ),
    "over": (OVER, "over() needs an argument 'buffer': the call is over(buffer, *, policy="),
    "Heap": (
        lambda: HEAP(1, 2),
        "Heap() got too many arguments by position (2): the call is Heap(size=4096, *, policy=",
    ),
    "SharedHeap": (
        lambda: SHARED("name", 4096),
        "a SharedHeap is made by SharedHeap.create(name, size), and attached to by SharedHeap.att",
    ),
    "Block": (Block, "a Block is not made by calling its class: a Heap makes it."),
    "reset": (
        lambda: heap.reset(1),
        "reset() got too many arguments by position (1): the call is reset().",
    ),
    "check": (
        lambda: heap.check(full=1),
        "check() takes no argument 'full': the call is check().",
    ),
    "malloc_many": (
        heap.malloc_many,
        "malloc_many() needs an argument 'sizes': the call is malloc_many(sizes, *, tag=None).",
    ),
    "in": (
        lambda: heap.__contains__(candidate=1),
        "__contains__() takes no argument 'candidate': the call is __contains__(candidate, /).",
    ),
    "key": (lambda: block["0"], "a key of a Block must be a whole number or a slice, not str."),
    "byte": (lambda: block.__setitem__(0, "x"), "a byte must be a whole number, not str."),
    "bytes": (
        lambda: block.__setitem__(slice(2), 1),
        "the value of a slice must be an object with a buffer, not int.",
    ),
    "Player": (
        lambda: _core.Player(heap),  # type: ignore[call-arg]
        "Player() needs an argument 'id_count': the call is Player(heap, id_count).",
    ),
    "Player, heap": (
        lambda: _core.Player(block, 1),
        "heap must be a Heap, not glassheap.Block.",
    ),
    "Player, count": (
        lambda: _core.Player(heap, "1"),  # type: ignore[arg-type]
        "id_count must be a whole number, not str.",
    ),
    "play": (
        lambda: player.play(1, 2, 3, 4, 5),
        "kinds must be an object with a buffer, not int.",
    ),
    "play, flag": (
        lambda: player.play(empty, empty, empty, 0, 0, 1),
        "stop_at_failure must be True or False.",
    ),
    "policies": (
        lambda: glassheap.policies(1),  # type: ignore[call-arg]
        "policies() got too many arguments by position (1): the call is policies().",
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


# --- Every function and class, with every rubbish. ------------------------------------------------

RUBBISH: list[Any] = [object(), "x", 1.5, b"x", None, -1]
PUBLIC = [getattr(glassheap, name) for name in glassheap.__all__]
PUBLIC.remove(glassheap.Policy)  # an enumeration has words of its own
CLASSES = [one for one in [*PUBLIC, _core.Player] if inspect.isclass(one)]


def members() -> Iterator[Any]:
    """Every function of the package that can be called by hand, those of instances too."""
    yield from [*vars(_core).values(), *PUBLIC]
    for cls in CLASSES:
        yield from (getattr(cls, name) for name in ["__new__", *vars(cls)])
    opened = Heap()
    for one in (opened, opened.alloc(8), _core.Player(opened, 1)):
        names = vars(type(one)).keys() - {"close", "__exit__"}
        yield from [getattr(one, name) for name in names]


def message(call: Callable[..., object], *positional: object, **named: object) -> str:
    try:
        if inspect.iscoroutine(result := call(*positional, **named)):
            asyncio.run(result)
    except Exception as error:  # noqa: BLE001 - any class: the words are the test
        return str(error)
    return ""


def test_no_message_about_rubbish_is_a_tools_or_shows_the_arguments(capsys: Any) -> None:
    """One of the arguments is large: a message that has its repr would be large too."""
    large = bytearray(1 << 20)
    told = {}
    for member in filter(callable, members()):
        for call in (partial(member, unknown=large), partial(member, *[large] * 9)):
            told[message(call)] = member
        for value, count in product([*RUBBISH, large, Heap()], range(7)):
            told[message(member, *[value] * count)] = member
    assert len(told) > 200
    for text, member in told.items():
        assert len(text) < 2000, member
        for words in ("Invoked with", "incompatible", "pybind11", "SupportsInt", "C++"):
            assert words not in text, member


@pytest.mark.parametrize("instance", [heap, block, player], ids=lambda one: type(one).__name__)
def test_no_attribute_can_be_set_or_deleted(instance: Any) -> None:
    for name in [*vars(type(instance)), "more"]:
        for value in RUBBISH:
            with pytest.raises(AttributeError) as caught:
                setattr(instance, name, value)
            assert "pybind11" not in str(caught.value)
        with suppress(TypeError), pytest.raises(AttributeError):
            delattr(instance, name)
