"""The methods of the compiled types that are written in Python, and what no type allows."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import TYPE_CHECKING, Any

import pytest

import glassheap
from glassheap import Block, Heap, SharedHeap, methods

if TYPE_CHECKING:
    from collections.abc import Callable

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
    assert function.__module__ == methods.__name__
    assert (function.__name__, function.__qualname__) == (name, f"{cls.__name__}.{name}")
    assert function.__doc__
    inspect.signature(function)


def test_a_method_in_python_can_be_pickled_with_its_heap() -> None:
    with SharedHeap.create(size=4096) as heap:
        assert pickle.loads(pickle.dumps(heap.hexdump)).__self__ is heap


def test_a_closed_heap_is_displayed_as_closed_in_a_notebook() -> None:
    heap = Heap()
    heap.close()
    assert heap._repr_html_() == "<code>&lt;Heap of 4096 bytes, first_fit, closed&gt;</code>"


@pytest.mark.parametrize("name", [name for name in glassheap.__all__ if name[0].isupper()])
def test_a_class_is_found_in_the_package_by_its_name(name: str) -> None:
    assert getattr(glassheap, name).__name__ == name


# --- Subclasses. ----------------------------------------------------------------------------------


class Counting(Heap):
    """A subclass with an attribute, an overridden method and a signature of its own."""

    def __init__(self, pages: int) -> None:
        self.calls = 0
        super().__init__(pages * 4096, base=0)

    def malloc(self, size: Any, *, align: Any = 16) -> int:
        self.calls += 1
        return super().malloc(size, align=align)


def test_a_heap_can_be_subclassed(capsys: pytest.CaptureFixture[str]) -> None:
    """A subclass inherits the methods that are written in Python too."""
    heap = Counting(2)
    assert (heap.size, heap.malloc(8), heap.malloc(8, align=64)) == (8192, 16, 64)
    assert heap.calls == 2
    assert isinstance(heap, Heap)
    heap.show(width=40)
    assert f"{heap.available_memory():,}" in capsys.readouterr().out
    assert heap._repr_html_().startswith("<svg")
    with heap.alloc(10) as block:
        assert block.heap is heap
    assert heap.check() == []


def test_a_subclass_must_call_the_constructor_of_heap() -> None:
    class WithoutCall(Heap):
        def __init__(self) -> None:
            pass

    class UsedTooEarly(Heap):
        def __init__(self) -> None:
            self.malloc(8)

    with pytest.raises(TypeError, match="__init__"):
        WithoutCall()
    with pytest.raises(TypeError, match="never opened"):
        UsedTooEarly()


def test_a_second_call_of_the_constructor_keeps_the_heap(heap: Heap) -> None:
    address = heap.malloc(100)
    with heap.view(address) as view:
        heap.__init__(64)  # type: ignore[misc]
        assert heap.size == 4096
        view[:] = bytes(100)
    heap.free(address)
    assert heap.check() == []


def test_only_alloc_makes_a_block() -> None:
    with pytest.raises(TypeError):
        Block()
    with pytest.raises(TypeError):
        type("Mine", (Block,), {})


# --- Identity. ------------------------------------------------------------------------------------

MAKERS: dict[str, Callable[[], Heap | Block]] = {"Heap": Heap, "Block": lambda: Heap().alloc(8)}
every_type = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


@every_type
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_heap_or_block_cannot_be_copied_or_pickled(
    make: Callable[[], Any], duplicate: Callable[[Any], object]
) -> None:
    """Two objects would free the same memory."""
    with pytest.raises(TypeError, match="cannot pickle"):
        duplicate(make())


@every_type
def test_a_heap_or_block_is_equal_to_itself_alone(make: Callable[[], Any]) -> None:
    one, other = make(), make()
    assert one == one
    assert one != other
    assert len({one, other, one}) == 2


@every_type
def test_the_attributes_are_read_only(make: Callable[[], Any]) -> None:
    instance = make()
    properties = [name for name, it in vars(type(instance)).items() if isinstance(it, property)]
    assert len(properties) > 5
    for name in [*properties, "more"]:
        with pytest.raises(AttributeError):
            setattr(instance, name, 0)
    with pytest.raises(AttributeError):
        del instance.size
