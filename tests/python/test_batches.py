"""The arguments of malloc_many and free_many.

That a batch has the effect of single calls, or none, is tested in test_stateful.py.
"""

from __future__ import annotations

import array
import functools
from collections import deque
from typing import TYPE_CHECKING, Any

import pytest

import glassheap
from heap_probes import assert_sound, fingerprint, refused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fault_fixture import PreparedHeap

SIZES = [100, 0, 16, 255, 1, 17]


def one_by_one(sizes: Sequence[int], heap: glassheap.Heap) -> list[int]:
    return [heap.malloc(size) for size in sizes]


def every_other(numbers: list[int]) -> list[int]:
    """The numbers at the even places, and 77 at the odd ones."""
    return [number for wanted in numbers for number in (wanted, 77)]


SOURCES: dict[str, Callable[[list[int]], object]] = {
    "list": list,
    "tuple": tuple,
    "deque": deque,
    "generator": lambda numbers: (number for number in numbers),
    "iterator": iter,
    "dict": dict.fromkeys,
    "map": lambda numbers: map(int, numbers),
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview": lambda numbers: memoryview(bytes(numbers)),
    "strided": lambda numbers: memoryview(bytes(every_other(numbers)))[::2],
    "backwards": lambda numbers: memoryview(bytes(numbers[::-1]))[::-1],
    **{f"array {code}": functools.partial(array.array, code) for code in "BhHiIlLqQ"},
    "strided Q": lambda numbers: memoryview(array.array("Q", every_other(numbers)))[::2],
}
NUMPY_TYPES = ["u1", "i2", "u2", "i4", "u4", "i8", "u8", "intp", "uintp", "longlong", "ulonglong"]
NUMPY_TYPES += [">u8", ">i4", ">u2"]


@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
def test_any_buffer_or_iterable_of_integers_is_accepted(
    based_heap: glassheap.Heap, make: Callable[[list[int]], Any]
) -> None:
    addresses = based_heap.malloc_many(make(SIZES))
    expected = one_by_one(SIZES, glassheap.Heap(4096, base=0))
    assert [address - based_heap.base for address in addresses] == expected
    assert_sound(based_heap)


@pytest.mark.parametrize("kind", NUMPY_TYPES)
def test_any_numpy_array_of_integers_is_accepted(heap: glassheap.Heap, kind: str) -> None:
    np = pytest.importorskip("numpy")
    numbers = np.array(every_other(SIZES), dtype=kind)[::2]
    for sizes in (numbers, numbers.copy(), numbers[::-1][::-1]):
        addresses = heap.malloc_many(sizes)
        assert [*addresses] == one_by_one(SIZES, glassheap.Heap(4096, base=heap.base))
        heap.free_many(np.array(addresses, dtype="u8"))
    assert_sound(heap)


@pytest.mark.parametrize("make", [list, tuple, iter, lambda numbers: array.array("Q", numbers)])
def test_free_many_accepts_the_same_arguments(
    heap: glassheap.Heap, make: Callable[[list[int]], Any]
) -> None:
    addresses = [*heap.malloc_many(SIZES)]
    heap.free_many(make(addresses))
    assert heap.free_list() == [(heap.base, 4080)]
    assert_sound(heap)


def test_malloc_many_returns_an_array_that_free_many_accepts(any_heap: glassheap.Heap) -> None:
    addresses = any_heap.malloc_many(SIZES)
    assert isinstance(addresses, array.array)
    assert (addresses.typecode, addresses.itemsize) == ("Q", 8)
    any_heap.free_many(addresses)
    assert any_heap.malloc_many([]) == array.array("Q")
    any_heap.free_many([])
    any_heap.free_many(array.array("Q"))
    assert_sound(any_heap)


def test_the_sizes_can_be_stored_in_the_heap_itself(heap: glassheap.Heap) -> None:
    address = heap.malloc(32)
    with heap.view(address).cast("Q") as sizes:
        sizes[0], sizes[3] = 40, 60
        addresses = heap.malloc_many(sizes)
        assert [len(heap.view(address)) for address in addresses] == [40, 0, 0, 60]
        with refused(heap, BufferError):
            heap.free_many([addresses[0], address])
    assert_sound(heap)


def test_a_list_that_an_index_method_clears_has_been_read_before(any_heap: glassheap.Heap) -> None:
    class Emptying:
        def __index__(self) -> int:
            sizes.clear()
            return 8

    sizes: list[Any] = [8, Emptying(), 16]
    assert len(any_heap.malloc_many(sizes)) == 3
    assert_sound(any_heap)


NOT_INTEGERS: dict[str, Any] = {
    "a number": 3,
    "nothing": None,
    "letters": "123",
    "floats": [8, 1.5],
    "an array of floats": array.array("d", [8.0]),
    "an array of single floats": array.array("f", [8.0]),
    "a list in a list": [[8]],
    "a buffer of characters": memoryview(b"ab").cast("c"),
}


@pytest.mark.parametrize("argument", NOT_INTEGERS.values(), ids=NOT_INTEGERS)
def test_an_argument_other_than_integers_is_a_type_error(
    prepared: PreparedHeap, argument: Any
) -> None:
    with refused(prepared.heap, TypeError):
        prepared.heap.malloc_many(argument)
    with refused(prepared.heap, TypeError):
        prepared.heap.free_many(argument)
    assert_sound(prepared.heap)


def test_none_is_accepted_as_an_address_but_not_as_a_size(prepared: PreparedHeap) -> None:
    with refused(prepared.heap, TypeError, "address must be a whole number, not str."):
        prepared.heap.free_many([None, prepared.first, "x"])  # type: ignore[list-item]
    prepared.heap.free_many([None, prepared.first, 0, None])
    assert prepared.first not in prepared.heap
    with refused(prepared.heap, TypeError, "each size must be a whole number, not NoneType."):
        prepared.heap.malloc_many([8, None])  # type: ignore[list-item]


def test_an_array_of_another_dimension_or_of_floats_is_refused(prepared: PreparedHeap) -> None:
    np = pytest.importorskip("numpy")
    for numbers in (np.ones((2, 2), "u8"), np.ones((2, 2), "i4"), np.array(3), np.ones(3, "f8")):
        before = fingerprint(prepared.heap)
        with pytest.raises((TypeError, ValueError, NotImplementedError)):
            prepared.heap.malloc_many(numbers)
        assert fingerprint(prepared.heap) == before


def test_an_exception_of_the_iterator_is_propagated(prepared: PreparedHeap) -> None:
    def numbers() -> Any:
        yield 8
        raise KeyError("from the generator")

    for call in (prepared.heap.malloc_many, prepared.heap.free_many):
        with refused(prepared.heap, KeyError, "from the generator"):
            call(numbers())


@pytest.mark.parametrize("policy", ["segregated_fit", "tlsf", "buddy"])
def test_a_refused_batch_leaves_the_blocks_that_have_no_record(policy: str) -> None:
    """A small shared heap has fewer records than it may have free blocks."""
    for count in range(1, 16):
        with glassheap.SharedHeap.create(size=4096, policy=policy, headers=False) as heap:
            every_second = heap.malloc_many([16] * (heap.size // 16 - 16))[::2]
            heap.free_many(every_second)
            listed = heap.free_list()
            assert len(listed) == heap.stats().free_blocks
            with refused(heap, glassheap.OutOfMemory):
                heap.malloc_many([16] * (len(every_second) - count) + [4096])
            assert heap.free_list() == listed
            assert_sound(heap)
