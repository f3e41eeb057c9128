"""malloc_many and free_many have the effect of single calls, and are all or nothing."""

from __future__ import annotations

import array
import functools
import random
from collections import deque
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import glassheap
from heap_probes import assert_sound, fingerprint, overwrite, refused, region_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fault_fixture import PreparedHeap

SIZES = [100, 0, 16, 255, 1, 17]


def one_by_one(sizes: Sequence[int], heap: glassheap.Heap) -> list[int]:
    return [heap.malloc(size) for size in sizes]


# --- Arguments and results. -----------------------------------------------------------------------


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


def test_a_range_is_accepted(any_heap: glassheap.Heap) -> None:
    any_heap.free_many(any_heap.malloc_many(range(0, 300, 50)))
    assert len(any_heap) == 0
    assert any_heap.stats().mallocs == any_heap.stats().frees == 6


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


def test_none_is_accepted_as_an_address_but_not_as_a_size(any_prepared: PreparedHeap) -> None:
    any_prepared.heap.free_many([None, any_prepared.first, 0, None])
    assert any_prepared.first not in any_prepared.heap
    with refused(any_prepared.heap, TypeError, "each size must be a whole number, not NoneType."):
        any_prepared.heap.malloc_many([8, None])  # type: ignore[list-item]


def test_an_array_of_another_dimension_or_of_floats_is_refused(any_prepared: PreparedHeap) -> None:
    np = pytest.importorskip("numpy")
    for numbers in (np.ones((2, 2), "u8"), np.ones((2, 2), "i4"), np.array(3), np.ones(3, "f8")):
        before = fingerprint(any_prepared.heap)
        with pytest.raises((TypeError, ValueError, NotImplementedError)):
            any_prepared.heap.malloc_many(numbers)
        assert fingerprint(any_prepared.heap) == before


def test_an_exception_of_the_iterator_is_propagated(any_prepared: PreparedHeap) -> None:
    def numbers() -> Any:
        yield 8
        raise KeyError("from the generator")

    for call in (any_prepared.heap.malloc_many, any_prepared.heap.free_many):
        with refused(any_prepared.heap, KeyError, "from the generator"):
            call(numbers())


# --- Same effect as single calls. -----------------------------------------------------------------


@given(
    before=st.lists(st.integers(0, 200), max_size=12),
    holes=st.sets(st.integers(0, 11)),
    sizes=st.lists(st.integers(0, 200), max_size=8),
)
def test_malloc_many_is_equivalent_to_single_calls(
    before: list[int], holes: set[int], sizes: list[int]
) -> None:
    """Seals differ, because each heap draws its own key; everything else is equal."""
    batch, single = glassheap.Heap(4096, base=0), glassheap.Heap(4096, base=0)
    for heap in (batch, single):
        addresses = heap.malloc_many(before)
        heap.free_many([address for i, address in enumerate(addresses) if i in holes])
    assert [*batch.malloc_many(sizes)] == one_by_one(sizes, single)
    assert batch.walk() == single.walk()
    assert batch.stats() == single.stats()
    assert_sound(batch)


@given(
    sizes=st.lists(st.integers(0, 100), min_size=1, max_size=20),
    seed=st.randoms(use_true_random=False),
)
def test_free_many_is_equivalent_to_single_calls(sizes: list[int], seed: random.Random) -> None:
    batch, single = glassheap.Heap(4096, base=0), glassheap.Heap(4096, base=0)
    addresses = [*batch.malloc_many(sizes)]
    assert [*single.malloc_many(sizes)] == addresses
    chosen = seed.sample(addresses, seed.randrange(len(addresses) + 1))
    batch.free_many(chosen)
    for address in chosen:
        single.free(address)
    assert batch.walk() == single.walk()
    assert batch.stats() == single.stats()
    assert_sound(batch)


def test_a_batch_of_a_hundred_thousand_blocks_is_allocated_and_freed() -> None:
    heap = glassheap.Heap(16 << 20)
    fresh = region_bytes(heap)
    addresses = heap.malloc_many([i % 100 for i in range(100_000)])
    assert len(heap) == len(set(addresses)) == 100_000
    assert heap.check() == []
    order = [*addresses]
    random.Random(1).shuffle(order)
    heap.free_many(order)
    assert region_bytes(heap) == fresh


# --- All or nothing. ------------------------------------------------------------------------------


@pytest.mark.parametrize("zero_on_free", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_a_batch_without_room_changes_nothing(seed: int, zero_on_free: bool) -> None:
    """Compared byte for byte, in a heap with holes that still have old contents."""
    rng = random.Random(seed)
    heap = glassheap.Heap(8192, zero_on_free=zero_on_free)
    live = [heap.malloc(rng.randrange(120)) for _ in range(50)]
    for address in live:
        heap.view(address)[:] = rng.randbytes(len(heap.view(address)))
    for address in rng.sample(live, 25):
        heap.free(address)
    for _ in range(30):
        sizes = [rng.randrange(100) for _ in range(rng.randrange(60))]
        sizes.insert(rng.randrange(len(sizes) + 1), 8000)
        with refused(heap, glassheap.OutOfMemory, "can hold 8000 bytes:") as caught:
            heap.malloc_many(sizes)
        assert getattr(caught.value, "requested", None) == 8000
        assert_sound(heap)
    assert heap.stats().failures == 30


def test_a_batch_without_room_keeps_stray_writes_in_free_memory() -> None:
    """Bytes written through a stray pointer are evidence of the fault."""
    heap = glassheap.Heap(zero_on_free=True)
    overwrite(heap, 16, b"stray" * 500)
    with refused(heap, glassheap.OutOfMemory):
        heap.malloc_many([100, 200, 300, 5000])


def test_a_failed_batch_uses_up_no_serial(heap: glassheap.Heap) -> None:
    with pytest.raises(glassheap.OutOfMemory):
        heap.malloc_many([8] * 1000)
    assert heap.alloc(8).serial == 1


BAD_BATCHES: dict[str, tuple[Callable[[PreparedHeap], list[Any]], type[Exception], str]] = {
    "twice": (lambda p: [p.first, p.second, p.first], glassheap.DoubleFree, "free already"),
    "thrice": (lambda p: [p.first] * 3, glassheap.DoubleFree, "free already"),
    "freed": (lambda p: [p.first, p.freed], glassheap.DoubleFree, "free already"),
    "freed by a merge": (lambda p: [p.third, p.merged], glassheap.DoubleFree, "free already"),
    "interior": (lambda p: [p.first, p.second + 16], glassheap.InteriorPointer, "inside a live"),
    "misaligned": (lambda p: [p.first, p.second + 1], glassheap.MisalignedPointer, "no multiple"),
    "foreign": (lambda p: [p.first, 1 << 60], glassheap.ForeignPointer, "outside the heap"),
    "too far": (lambda p: [p.first, 2**200], glassheap.ForeignPointer, "outside the heap"),
    "negative": (lambda p: [p.first, -1], glassheap.ForeignPointer, "outside the heap"),
    "no number": (lambda p: [p.first, "x"], TypeError, "address must be a whole number, not str."),
}


@pytest.mark.parametrize(("make", "error", "text"), BAD_BATCHES.values(), ids=BAD_BATCHES)
def test_free_many_with_one_bad_address_frees_nothing(
    any_prepared: PreparedHeap,
    make: Callable[[PreparedHeap], list[Any]],
    error: type[Exception],
    text: str,
) -> None:
    batch = make(any_prepared)
    for order in (batch, batch[::-1], [None, *batch, 0]):
        with refused(any_prepared.heap, error, text) as caught:
            any_prepared.heap.free_many(order)
        named = getattr(caught.value, "address", batch[-1])
        assert named == batch[-1] or not 0 <= batch[-1] < 2**64
    assert_sound(any_prepared.heap)


def test_free_many_with_one_corrupt_block_frees_nothing(prepared: PreparedHeap) -> None:
    overwrite(prepared.heap, prepared.offset(prepared.third) + 8, b"XXXX")
    with refused(prepared.heap, glassheap.BadMagic):
        prepared.heap.free_many([prepared.first, prepared.second, prepared.third])
    with refused(prepared.heap, glassheap.HeapDamaged):
        prepared.heap.free_many([prepared.first])
    with refused(prepared.heap, glassheap.HeapDamaged):
        prepared.heap.malloc_many([8])
