"""Arrays of a SharedHeap: what travels when one is pickled, and who frees it."""

from __future__ import annotations

import copy
import os
import pickle
import signal
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

import glassheap
from glassheap import Heap, SharedHeap
from glassheap.numpy import SharedArray
from numpy_helpers import RECORD, is_in, np
from process_helpers import (
    NEEDS_SHARED_MEMORY,
    START_METHODS,
    add_one,
    forked,
    in_child,
    in_fork,
    kill,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = NEEDS_SHARED_MEMORY


@pytest.fixture
def shared() -> Iterator[SharedHeap]:
    """A fresh heap in shared memory, in which no block is left at the end."""
    with SharedHeap.create(size=1 << 16) as heap:
        yield heap
        assert heap.check() == []
        assert len(heap) == 0


def sent(array: Any, protocol: int = pickle.HIGHEST_PROTOCOL) -> Any:
    return pickle.loads(pickle.dumps(array, protocol))


def holders(heap: SharedHeap) -> list[int]:
    return [owned.holders for owned in heap.owners()]


# --- Over the same memory. ------------------------------------------------------------------------


@pytest.mark.parametrize("how", START_METHODS)
def test_a_worker_sees_the_same_memory(shared: SharedHeap, how: str) -> None:
    array = shared.array(1000, "i4")
    array[:] = 1
    assert in_child(add_one, array[:10], how=how) == 20
    assert array[:11].tolist() == [2] * 10 + [1]


@pytest.mark.parametrize("how", START_METHODS)
def test_a_worker_returns_a_view_of_its_argument(shared: SharedHeap, how: str) -> None:
    array = shared.copy(np.arange(6.0).reshape(2, 3))
    back = in_child(np.transpose, array, how=how)
    assert back.strides == array.T.strides
    del array
    back[2, 1] = 9
    assert (type(back), back.tolist()) == (SharedArray, [[0, 3], [1, 4], [2, 9]])
    shared.reap()  # the worker's, if it ended before it dropped its argument
    assert holders(shared) == [1]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_what_is_sent_is_small_whatever_the_size(protocol: int) -> None:
    with SharedHeap.create(size=1 << 24) as heap:
        array = heap.array((1000, 1000))
        for one in (array, array[10:20, ::3], heap.array(10, RECORD)):
            assert len(pickle.dumps(one, protocol)) < 1000
        again = sent(array, protocol)
        again[3, 4] = 5
        assert array[3, 4] == 5
        del array, again, one


VIEWS: dict[str, Callable[[Any], Any]] = {
    "itself": lambda array: array,
    "a slice": lambda array: array[1],
    "with a step": lambda array: array[:, ::2],
    "backwards": lambda array: array[::-1, ::-1],
    "transposed": lambda array: array.T,
    "reshaped": lambda array: array.reshape(2, -1),
    "raveled": lambda array: array.ravel(),
    "another dtype": lambda array: array.view("u2"),
    "a part of complex numbers": lambda array: array.view("c16").imag,
    "a field": lambda array: array.view([("a", "f4"), ("b", "f4")])["b"],
    "0-d": lambda array: array[0, 1, ...],
    "empty": lambda array: array[3:3],
    "more axes": lambda array: array[None, :, None],
    "the diagonal": lambda array: array.diagonal(),
    "read-only": lambda array: np.broadcast_to(array, (3, *array.shape), subok=True),
    "split": lambda array: np.split(array, 2)[1],
    "swapped": lambda array: np.swapaxes(array, 0, 1),
}


@pytest.mark.parametrize("protocol", [2, 5])
@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_a_view_travels_as_its_place(
    shared: SharedHeap, view: Callable[[Any], Any], protocol: int
) -> None:
    array = shared.copy(np.arange(16.0).reshape(4, 4))
    part = view(array)
    again = sent(part, protocol)
    assert type(part) is type(again) is SharedArray
    for name in ("shape", "dtype", "strides"):
        assert getattr(again, name) == getattr(part, name)
    assert again.flags.writeable == part.flags.writeable
    assert (again.tobytes(), is_in(shared, again)) == (part.tobytes(), True)
    assert again.__array_interface__["data"] == part.__array_interface__["data"]
    assert len(shared) == 1


def test_every_slice_of_two_axes_travels(shared: SharedHeap) -> None:
    array = shared.copy(np.arange(12).reshape(3, 4))
    ends, steps = (None, 0, 1, -1), (None, 2, -1, -3)
    slices = [slice(start, stop, step) for start in ends for stop in ends for step in steps]
    for rows, columns in product(slices, slices[::5]):
        part = array[rows, columns]
        again = sent(part.T)
        assert (again.T.tolist(), again.T.strides) == (part.tolist(), part.strides)
        assert np.shares_memory(again, array) or part.size == 0


DTYPES = ["f8", ">i4", "?", "M8[us]", "S5", "U3", "3i2", "V7"]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [*DTYPES, RECORD], ids=str)
def test_every_dtype_and_order_travels(shared: SharedHeap, dtype: Any, order: Any) -> None:
    shapes: list[Any] = [5, (), (2, 3, 4), (0, 4)]
    for shape in shapes:
        array = shared.array(shape, dtype, order=order)
        np.frombuffer(memoryview(shared.block_of(array)), "u1")[:] = 0
        again = sent(array)
        assert (again.dtype, again.shape, again.strides) == (
            array.dtype,
            array.shape,
            array.strides,
        )
        assert again.tobytes() == array.tobytes()
        del array, again


def test_an_array_of_a_private_heap_is_an_ordinary_one(heap: Heap) -> None:
    for array in (heap.array(10), heap.copy([1, 2]), heap.alloc(8).numpy()):
        assert type(array) is np.ndarray
        assert not is_in(heap, sent(array))


# --- Who frees the block. -------------------------------------------------------------------------


def test_the_last_array_frees_the_block(shared: SharedHeap) -> None:
    array = shared.array(10)
    assert holders(shared) == [0], "an array that was never sent takes no entry of the table"
    copies = [sent(array), sent(array[3:])]
    assert holders(shared) == [3]
    del array
    assert holders(shared) == [2]
    part = copies.pop()[1:2]
    copies.clear()
    assert holders(shared) == [1]
    del part
    assert len(shared) == 0


def test_a_copy_that_is_sent_on_is_a_holder_too(shared: SharedHeap) -> None:
    array = shared.array(10)
    once = sent(array)
    twice = sent(once)
    del array, once
    twice[:] = 3
    assert holders(shared) == [1]


def test_an_array_that_nobody_opens_is_reaped(shared: SharedHeap) -> None:
    array = shared.array(10)
    pickled = pickle.dumps(array)
    del array
    assert holders(shared) == [1], "the ticket"
    assert shared.reap(unopened=0) == 1
    with pytest.raises(glassheap.StaleHandle):
        pickle.loads(pickled)


def test_an_array_outlives_its_sender(shared: SharedHeap) -> None:
    def send() -> bytes:
        array = shared.copy([1, 2, 3])
        return pickle.dumps(array)

    array = pickle.loads(in_fork(send))
    shared.reap()
    assert (array.tolist(), holders(shared)) == ([1, 2, 3], [1])


def hold_until_killed(pickled: bytes, ready: int) -> None:
    array = pickle.loads(pickled)
    os.write(ready, bytes(array[:1]))
    signal.pause()


def test_the_arrays_of_a_killed_process_are_reaped(shared: SharedHeap) -> None:
    array = shared.copy(np.array([7], "u1"))
    ours, theirs = os.pipe()
    with forked(hold_until_killed, pickle.dumps(array), theirs) as child:
        assert os.read(ours, 1) == b"\7"
        del array
        assert (shared.reap(), len(shared)) == (0, 1)
        kill(child)
    assert (shared.reap(), len(shared)) == (1, 0)


def test_an_inherited_array_that_a_child_sends_is_its_parents_too(shared: SharedHeap) -> None:
    """Its parent has not shared it: the child notes a reference for it."""
    owned = {"array": shared.copy([1, 2, 3])}

    def send() -> tuple[bytes, list[int]]:
        pickled = pickle.dumps(owned["array"][1:])
        counts = holders(shared)
        del owned["array"]
        return pickled, counts + holders(shared)

    pickled, counts = in_fork(send)
    assert counts == [3, 2], "the child's, its copy's, and the parent's"
    first, second = pickle.loads(pickled), sent(owned["array"])
    assert holders(shared) == [3]
    assert in_fork(first.tolist) == [2, 3]
    del owned["array"], first
    assert (second.tolist(), holders(shared)) == ([1, 2, 3], [1])


def test_a_parent_that_drops_its_array_leaves_it_to_the_others(shared: SharedHeap) -> None:
    owned = {"array": shared.copy([1, 2, 3])}
    pickled = in_fork(lambda: pickle.dumps(owned["array"]))
    owned.clear()
    assert holders(shared) == [2], "the dead child's, and its copy's"
    array = pickle.loads(pickled)
    assert (shared.reap(), array.tolist(), holders(shared)) == (0, [1, 2, 3], [1])
    del array
    with pytest.raises(glassheap.StaleHandle):
        pickle.loads(pickled)


def test_a_note_for_a_parent_that_died_is_reaped(shared: SharedHeap) -> None:
    def allocate_and_fork() -> bytes:
        array = shared.copy([1, 2, 3])
        return in_fork(lambda: pickle.dumps(array))

    array = pickle.loads(in_fork(allocate_and_fork))
    assert (shared.reap(), array.tolist(), holders(shared)) == (0, [1, 2, 3], [1])


def test_an_array_over_an_address_stays_that_of_the_address(shared: SharedHeap) -> None:
    """Its copies hold nothing: the program frees the address."""
    address = shared.malloc(80)
    array = shared.block(address).numpy("f8")
    again = sent(array)
    again[:] = 1
    assert (array.tolist(), holders(shared)) == ([1.0] * 10, [0])
    del array, again
    assert [*shared] == [address]
    shared.free(address)


def test_an_array_over_a_block_shares_it(shared: SharedHeap) -> None:
    block = shared.alloc(16)
    again = sent(block.numpy("f8"))
    assert block.shared
    block.free()
    assert holders(shared) == [1]
    again[:] = 2


def test_a_full_table_refuses_to_pickle_and_changes_nothing() -> None:
    with SharedHeap.create(size=1 << 17) as heap:
        others = [heap.block(address).share() for address in heap.malloc_many([0] * 4095)]
        array = heap.array(10)
        with pytest.raises(glassheap.TooManyReferences):
            pickle.dumps(array)
        del others
        assert sent(array).shape == (10,)
        del array


# --- Ordinary arrays. -----------------------------------------------------------------------------

OWN_MEMORY: dict[str, Callable[[Any], Any]] = {
    "+": lambda array: array + 1,
    "-": lambda array: -array,
    "@": lambda array: array @ array,
    "==": lambda array: array == array.T,
    "with another": lambda array: np.ones(4) * array,
    "a list": lambda array: array[[0, 1]],
    "a mask": lambda array: array[array > 3],
    "sum": lambda array: array.sum(axis=0),
    "cumsum": lambda array: array.cumsum(),
    "sqrt": np.sqrt,
    "copy": lambda array: array.copy(),
    "copy.copy": copy.copy,
    "copy.deepcopy": lambda array: copy.deepcopy({"in": array})["in"],
    "astype": lambda array: array.astype("f4"),
    "flatten": lambda array: array.flatten(),
    "a reshape that copies": lambda array: array.T.reshape(-1),
    "take": lambda array: array.take([0, 1]),
    "argsort": lambda array: array.argsort(),
    "repeat": lambda array: array.repeat(2),
    "dot": lambda array: array.dot(array),
    "numpy.sort": np.sort,
    "numpy.concatenate": lambda array: np.concatenate([array, array]),
    "numpy.empty_like": np.empty_like,
    "numpy.where": lambda array: np.where(array > 3, array, 0),
    "numpy.linalg": np.linalg.pinv,
    "numpy.array": np.array,
    "numpy.meshgrid": lambda array: np.meshgrid(array[0], array[1])[0],
}


@pytest.mark.parametrize("make", OWN_MEMORY.values(), ids=OWN_MEMORY)
def test_a_result_with_memory_of_its_own_is_an_ordinary_array(
    shared: SharedHeap, make: Callable[[Any], Any]
) -> None:
    array = shared.copy(np.arange(16.0).reshape(4, 4))
    result = make(array)
    assert type(result) is np.ndarray
    assert not is_in(shared, result)
    assert result.flags.owndata or result.base.flags.owndata
    expected = make(np.arange(16.0).reshape(4, 4))
    assert (result.shape, result.dtype) == (expected.shape, expected.dtype)
    assert result.tolist() == expected.tolist() or make is np.empty_like


def test_a_result_owns_its_memory(shared: SharedHeap) -> None:
    array = shared.copy([1.0, 2.0])
    methods = [array.take([0]), array.copy(), copy.copy(array), array.astype("i4")]
    for result in (array * 2, np.concatenate([array, array]), *methods):
        result.resize(5, refcheck=False)


def test_a_result_with_an_array_of_another_class_is_of_that_class(shared: SharedHeap) -> None:
    array, other = shared.copy([1.0, 2.0]), np.ones(2).view(type("Other", (np.ndarray,), {}))
    assert [type(array + other), type(other - array)] == [type(other)] * 2


def test_what_is_a_number_of_an_ordinary_array_is_one_here(shared: SharedHeap) -> None:
    array = shared.copy([1.0, 2.0])
    for number in (array[0], array.sum(), array @ array, np.mean(array), np.add(array[0], 1)):
        assert isinstance(number, np.float64)
    assert isinstance(array.argmax(), np.int64)


def test_out_and_in_place_give_the_array_itself(shared: SharedHeap) -> None:
    array = shared.copy([1.0, 2.0])
    same = array
    array += 1
    assert array is same
    assert np.add([1.0, 1.0], 1, out=array) is array
    assert np.cumsum([1.0, 1.0], out=array) is array
    assert array.tolist() == [1, 2]


@pytest.mark.parametrize("protocol", [2, 5])
def test_an_array_of_the_type_with_memory_of_its_own_travels_by_copy(protocol: int) -> None:
    array = np.arange(3.0).view(SharedArray)
    again = sent(array, protocol)
    assert (type(again), again.tolist()) == (np.ndarray, [0, 1, 2])


def test_an_array_without_its_pin_is_an_ordinary_one(shared: SharedHeap) -> None:
    """The program may release the memoryview at the end of the array's bases."""
    array = shared.copy([1, 2])
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    base.release()
    assert len(shared) == 0
    assert (type(array[:1]), type(sent(array))) == (np.ndarray, np.ndarray)


def test_a_subclass_travels_as_itself(shared: SharedHeap) -> None:
    again = sent(shared.copy([1, 2]).view(Mine))
    assert (type(again), again.tolist(), len(shared)) == (Mine, [1, 2], 1)


class Mine(SharedArray):
    """A class of a program."""
