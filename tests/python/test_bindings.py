"""The compiled types: their methods that are written in Python, signatures, and options by name."""

from __future__ import annotations

import inspect
import pickle
import re
from importlib.util import find_spec
from typing import Any

import pytest

import glassheap
from glassheap import Block, Heap, SharedHeap

# --- Methods that are written in Python. ----------------------------------------------------------

IN_PYTHON = {
    Heap: ["show", "hexdump", "_repr_html_", "array", "copy"],
    SharedHeap: ["create", "attach", "__exit__", "__reduce__"],
    Block: ["__reduce__"],
}
WRITTEN = [(cls, name) for cls, names in IN_PYTHON.items() for name in names]


@pytest.mark.parametrize(("cls", "name"), WRITTEN)
def test_a_method_in_python_looks_like_one_of_its_class(cls: type, name: str) -> None:
    function = getattr(cls, name)
    assert name in vars(cls)
    assert function.__module__ == "glassheap"
    assert (function.__name__, function.__qualname__) == (name, f"{cls.__name__}.{name}")
    assert function.__doc__


def test_a_subclass_inherits_the_methods_in_python(capsys: pytest.CaptureFixture[str]) -> None:
    class Mine(Heap):
        pass

    heap = Mine(4096)
    heap.show(width=40)
    assert str(heap.available_memory()) in capsys.readouterr().out
    assert heap._repr_html_().startswith("<svg")
    assert isinstance(heap, Heap)


def test_a_closed_heap_is_displayed_as_closed_in_a_notebook() -> None:
    heap = Heap()
    heap.close()
    assert heap._repr_html_() == "<code>&lt;Heap of 4096 bytes, first_fit, closed&gt;</code>"


def test_a_method_in_python_can_be_pickled_with_its_heap() -> None:
    with SharedHeap.create(size=4096) as heap:
        assert pickle.loads(pickle.dumps(heap.hexdump)).__self__ is heap


# --- Options. -------------------------------------------------------------------------------------

DEFAULTS = {name: one.default for name, one in inspect.signature(Heap).parameters.items()}
OPTIONS = [name for name in DEFAULTS if name != "size"]


def test_the_signature_of_a_heap_has_its_options_by_keyword_only() -> None:
    size, *options = inspect.signature(Heap).parameters.values()
    assert (size.name, size.kind) == ("size", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    assert {one.kind for one in options} == {inspect.Parameter.KEYWORD_ONLY}
    assert OPTIONS[:3] == ["policy", "headers", "checks"]


def test_a_heap_over_a_buffer_has_the_options_of_a_heap() -> None:
    buffer, *options = inspect.signature(Heap.over).parameters.values()
    assert buffer.name == "buffer"
    assert {one.name: one.default for one in options} == {name: DEFAULTS[name] for name in OPTIONS}


def test_the_defaults_in_the_signature_are_those_of_the_heap() -> None:
    heap = Heap(**DEFAULTS)
    for name in ("size", "policy", "headers", "checks", "magic"):
        assert getattr(heap, name) == getattr(Heap(), name) == DEFAULTS[name]
    assert heap.base == heap.address
    assert repr(heap).partition(" at ")[0] == repr(Heap()).partition(" at ")[0]


OPENERS: list[Any] = [Heap, lambda **given: Heap.over(bytearray(4096), **given)]
OPENERS.append(lambda **given: SharedHeap.create(size=4096, **given))


@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize("name", ["polizy", "Policy", "", "policy\0", "pölicy", "\ud800"])
def test_an_unknown_option_is_named_beside_the_known_ones(opener: Any, name: str) -> None:
    known = [one for one in OPTIONS if opener is not OPENERS[2] or one not in ("threads", "base")]
    with pytest.raises(TypeError) as caught:
        opener(**{name: 1})
    told = ", ".join(f"'{one}'" for one in known)
    there = (
        f"did you mean policy=? There are: {told}."
        if name not in ("", "\ud800")
        else f"there are: {told}."
    )
    assert str(caught.value) == f"there is no option {name!r} here; {there}"


HEAP: Any = Heap
MEANT = {
    "check": "checks", "Checks": "checks", "header": "headers", "thread": "threads",
    "zero-on-free": "zero_on_free", "zero": "zero_on_free", "polcy": "policy",
}  # fmt: skip


@pytest.mark.parametrize(("name", "meant"), MEANT.items())
def test_the_option_that_was_meant_is_named(name: str, meant: str) -> None:
    with pytest.raises(TypeError, match=f"'{name}' here; did you mean {meant}=[?] There are: "):
        HEAP(**{name: None})


@pytest.mark.parametrize("name", ["align", "size_of_the_region", "e", "x" * 1000])
def test_nothing_is_guessed_for_a_name_that_is_near_to_none(name: str) -> None:
    with pytest.raises(TypeError, match="here; there are: "):
        HEAP(**{name: None})


@pytest.mark.parametrize(
    ("option", "name", "meant"),
    [
        ("policy", "firstfit", "first_fit"),
        ("policy", "Best-Fit", "best_fit"),
        ("policy", "worst", "worst_fit"),
        ("policy", "budy", "buddy"),
        ("checks", "debg", "debug"),
        ("order", "size", "size+"),
    ],
)
def test_the_choice_that_was_meant_is_named(option: str, name: str, meant: str) -> None:
    told = f"there is no {option} '{name}'; did you mean '{meant}'? There are: '"
    with pytest.raises(ValueError, match=f"^{re.escape(told)}"):
        HEAP(**{option: name})


@pytest.mark.parametrize("option", ["fit", "order", "checks"])
@pytest.mark.parametrize("opener", OPENERS)
def test_a_string_without_utf_8_is_none_of_the_choices(opener: Any, option: str) -> None:
    with pytest.raises(TypeError, match=f"{option} must be one of"):
        opener(**{option: "\ud800"})


@pytest.mark.skipif(find_spec("numpy") is None, reason="needs NumPy")
def test_a_flag_of_numpy_is_a_flag() -> None:
    import numpy as np

    with Heap(headers=np.False_) as heap:  # type: ignore[arg-type]
        assert heap.headers is False


@pytest.mark.parametrize("name", [name for name in glassheap.__all__ if name[0].isupper()])
def test_a_class_is_found_in_the_package_by_its_name(name: str) -> None:
    assert getattr(glassheap, name).__name__ == name
