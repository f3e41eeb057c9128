"""Heap.block_of and Block.numpy: from an array to its Block, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import glassheap
from glassheap import Block, Heap, SharedHeap
from heap_probes import assert_sentences, refused
from numpy_helpers import ARRAYS, OF_ARRAYS, is_in, np
from process_helpers import NEEDS_SHARED_MEMORY

if TYPE_CHECKING:
    from collections.abc import Callable


VIEWS = {name: view for name, view in OF_ARRAYS.items() if name != "an array's iterator"}


@pytest.mark.parametrize("derived", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("make", ARRAYS.values(), ids=ARRAYS)
def test_the_block_of_an_array_is_found(
    any_heap: Heap, make: Callable[[Heap], Any], derived: Callable[[Any], Any]
) -> None:
    before = any_heap.malloc(64)
    made = make(any_heap)
    block = any_heap.block_of(derived(made))
    assert {before, block.address} == {*any_heap}
    assert (block.size, block.heap) == (64, any_heap)
    del made, block
    assert [*any_heap] == [before]


@pytest.mark.parametrize("derived", VIEWS.values(), ids=VIEWS)
def test_the_block_is_that_over_which_the_array_was_made(
    heap: Heap, derived: Callable[[Any], Any]
) -> None:
    block = heap.alloc(64)
    for array in (block.numpy(), np.frombuffer(block, "u1")):
        found = heap.block_of(derived(array))
        assert found is block or derived is np.from_dlpack  # whose base is a capsule
        assert found.address == block.address
    assert heap.block_of(block) is block


def test_the_block_at_an_address_is_not_freed_by_the_one_that_is_found(based_heap: Heap) -> None:
    address = based_heap.malloc(100)
    view = based_heap.view(address)
    parts = [view, view[7:], view[::-1], view[99:], view[100:], np.frombuffer(view, "u4")]
    found = [based_heap.block_of(part) for part in parts]
    assert {(block.address, block.size) for block in found} == {(address, 100)}
    del found, view, parts
    assert [*based_heap] == [address]


def test_the_block_of_an_empty_array_is_found(heap: Heap) -> None:
    array = heap.array(0)
    assert [heap.block_of(array).address] == [*heap]


ELSEWHERE: dict[str, tuple[Callable[[Heap], Any], type[Exception], str]] = {
    "NumPy's memory": (lambda heap: np.zeros(3), glassheap.ForeignPointer, "outside of this heap"),
    "dates": (lambda heap: np.zeros(3, "M8[s]"), glassheap.ForeignPointer, "outside of this heap"),
    "bytes": (lambda heap: b"abc", glassheap.ForeignPointer, "the bytes of this bytes begin"),
    "another heap": (lambda heap: Heap().array(3), glassheap.ForeignPointer, "outside of this"),
    "the region": (lambda heap: heap.region, ValueError, "not those of one live block"),
    "a header": (lambda heap: heap.region[:4], ValueError, "not those of one live block"),
    "free memory": (lambda heap: heap.region[-8:], ValueError, "not those of one live block"),
    "two blocks": (lambda heap: heap.region[20:50], ValueError, "not those of one live block"),
    "an address": (lambda heap: heap.malloc(8), TypeError, "a int has no bytes"),
    "None": (lambda heap: None, TypeError, "a NoneType has no bytes"),
    "a list": (lambda heap: [1, 2], TypeError, "a list has no bytes"),
}


@pytest.mark.parametrize(("make", "error", "text"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_bytes_elsewhere_are_refused(
    heap: Heap, make: Callable[[Heap], Any], error: type[Exception], text: str
) -> None:
    heap.malloc(16)
    array = make(heap)
    with refused(heap, error, text) as caught:
        heap.block_of(array)
    assert type(caught.value) is error
    assert_sentences(str(caught.value))


def test_a_heap_inside_of_another_has_blocks_of_its_own(heap: Heap) -> None:
    outer = heap.alloc(1024)
    inner = Heap.over(outer)
    array = inner.array(3)
    assert heap.block_of(array).address == outer.address
    assert inner.block_of(array).address == next(iter(inner))


def test_a_closed_heap_and_released_bytes_are_refused(heap: Heap) -> None:
    view = heap.view(heap.malloc(8))
    view.release()
    with pytest.raises(ValueError, match="released"):
        heap.block_of(view)
    heap.close()
    with pytest.raises(glassheap.HeapClosed):
        heap.block_of(bytearray(3))


# --- Arrays over a block. -------------------------------------------------------------------------


def test_an_array_over_a_block_has_its_bytes_and_pins_it(based_heap: Heap) -> None:
    block = based_heap.alloc(24)
    block[:] = bytes(range(24))
    assert block.numpy().tolist() == [*range(24)]
    array = block.numpy("<u2", (3, 2))
    assert (array.shape, array.tolist()[0]) == ((3, 2), [0x0100, 0x0302])
    assert is_in(based_heap, array)
    with pytest.raises(BufferError):
        block.free()
    array[2, 1] = 0
    assert block[10:12] == b"\0\0"
    del array
    block.free()


def test_an_array_keeps_its_block(heap: Heap) -> None:
    array = heap.alloc(24).numpy("f4")
    assert (array.shape, len(heap)) == ((6,), 1)
    del array
    assert len(heap) == 0


def test_a_dtype_may_have_axes_and_a_shape_no_elements(heap: Heap) -> None:
    block = heap.alloc(24)
    assert block.numpy("3i4").shape == (2, 3)
    assert block.numpy("i4", ()).shape == ()
    assert block.numpy("i4", (0, 5)).strides == np.empty((0, 5), "i4").strides
    assert heap.alloc(0).numpy("f8").shape == (0,)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        ("numpy('f8')", ValueError, "the 20 bytes of the block are no whole number of elements"),
        ("numpy('V0')", ValueError, "of 0 bytes: give the shape."),
        ("numpy('f8', 3)", ValueError, "takes 24 bytes, and the block has 20."),
        ("numpy('u1', (2**63, 4))", ValueError, "and the block has 20."),
        ("numpy('u1', -1)", ValueError, "no negative lengths"),
        ("numpy('O', 1)", TypeError, "are pointers"),
        ("numpy('no such type')", TypeError, ""),
        ("numpy('u1', 2.0)", TypeError, ""),
    ],
)
def test_what_does_not_fit_is_refused(
    heap: Heap, call: str, error: type[Exception], text: str
) -> None:
    block = heap.alloc(20)
    with refused(heap, error, text):
        eval(f"block.{call}")
    block.free()


def test_a_stale_block_has_no_array(heap: Heap) -> None:
    block = heap.alloc(8)
    block.free()
    with pytest.raises(glassheap.StaleHandle):
        block.numpy()


@pytest.mark.parametrize("mark", NEEDS_SHARED_MEMORY[:1])
def test_in_a_shared_heap_it_is_an_array_that_travels(mark: object) -> None:
    with SharedHeap.create(size=1 << 16) as heap:
        block: Block = heap.alloc(8)
        array = block.numpy("f8")
        assert type(array) is glassheap.numpy.SharedArray
        assert heap.block_of(array[:1]) is block
        del array, block
