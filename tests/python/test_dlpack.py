"""A Block as a tensor of DLPack: what the standard says of the capsule, and NumPy's from_dlpack."""

from __future__ import annotations

import ctypes
import gc
import threading
from typing import Any

import pytest

import glassheap
from dlpack_structs import consumed, delete, name_of
from glassheap import Block, Heap
from heap_probes import assert_sentences, refused

VERSIONS: list[Any] = [None, (0, 8), (1, 0), (1, 3), (2, 0)]
VERSIONED = {(1, 0), (1, 3), (2, 0)}


def exported(block: Any, **arguments: Any) -> Any:
    return block.__dlpack__(**arguments)


def counting(heap: Heap) -> Block:
    """Twenty bytes that count up."""
    block = heap.alloc(20)
    block[:] = bytes(range(20))
    return block


@pytest.fixture
def block(heap: Heap) -> Block:
    """The same, which the fixture keeps."""
    return counting(heap)


# --- The capsule. ---------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_the_tensor_has_the_bytes_of_the_block(heap: Heap, block: Block, version: Any) -> None:
    capsule = exported(block, max_version=version)
    expected = b"dltensor_versioned" if version in VERSIONED else b"dltensor"
    assert name_of(capsule) == expected
    managed = consumed(capsule)
    tensor = managed.tensor
    assert (tensor.ndim, tensor.shape[0], tensor.strides[0]) == (1, 20, 1)
    assert (tensor.code, tensor.bits, tensor.lanes, tensor.byte_offset) == (1, 8, 1, 0)
    assert (tensor.device_type, tensor.device_id) == (1, 0)
    assert tensor.data == block.address
    assert ctypes.string_at(tensor.data, 20) == bytes(range(20))
    if version in VERSIONED:
        assert (managed.major, managed.minor, managed.flags) == (1, 0, 0)
    delete(managed)
    assert block.__dlpack_device__() == (1, 0)


@pytest.mark.parametrize("version", [None, (1, 0)], ids=str)
def test_the_block_is_pinned_and_kept_until_the_consumer_deletes_the_tensor(
    heap: Heap, version: Any
) -> None:
    block = counting(heap)
    managed = consumed(exported(block, max_version=version))
    with refused(heap, BufferError, "a view of the block"):
        block.free()
    address = block.address
    del block
    gc.collect()
    assert [*heap] == [address]
    delete(managed)
    assert len(heap) == 0


@pytest.mark.parametrize("version", [None, (1, 0)], ids=str)
def test_a_capsule_that_nobody_takes_lets_go(heap: Heap, block: Block, version: Any) -> None:
    capsule = exported(block, max_version=version)
    with pytest.raises(BufferError):
        block.free()
    del capsule
    block.free()
    assert len(heap) == 0


def test_a_tensor_may_be_deleted_in_a_thread_that_python_does_not_know(block: Block) -> None:
    """ctypes lets the GIL go for the call of the deleter."""
    tensors = [consumed(exported(block)) for _ in range(20)]
    threads = [threading.Thread(target=delete, args=[tensor]) for tensor in tensors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    block.free()


def test_an_empty_block_has_no_data(heap: Heap) -> None:
    managed = consumed(exported(heap.alloc(0), max_version=(1, 0)))
    assert (managed.tensor.data, managed.tensor.shape[0]) == (None, 0)
    delete(managed)


@pytest.mark.parametrize("copy", [None, False])
def test_without_copy_it_is_the_same_memory(block: Block, copy: bool | None) -> None:
    managed = consumed(exported(block, copy=copy, dl_device=(1, 0), max_version=(1, 0)))
    ctypes.memset(managed.tensor.data, 7, 20)
    assert block[:] == b"\7" * 20
    delete(managed)


@pytest.mark.parametrize("version", [None, (1, 0)], ids=str)
def test_a_copy_is_the_consumers_alone(block: Block, version: Any) -> None:
    managed = consumed(exported(block, copy=True, max_version=version))
    block.free()
    assert ctypes.string_at(managed.tensor.data, 20) == bytes(range(20))
    assert getattr(managed, "flags", 2) == 2
    delete(managed)


REFUSED: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "another device": ({"dl_device": (2, 0)}, BufferError, "cannot be lent to the device (2, 0)"),
    "another CPU": ({"dl_device": (1, 1)}, BufferError, "cannot be lent to the device (1, 1)"),
    "no device": ({"dl_device": "cpu"}, BufferError, "cannot be lent to the device 'cpu'"),
    "a stream": ({"stream": 1}, BufferError, "stream must be None"),
    "a number": ({"max_version": 1}, TypeError, "max_version must be a tuple of two numbers"),
    "too few": ({"max_version": (1,)}, TypeError, "max_version must be a tuple of two numbers"),
    "texts": ({"max_version": ("1", "0")}, TypeError, "max_version[0]"),
    "a copy": ({"copy": 1}, TypeError, "copy must be True or False"),
}


@pytest.mark.parametrize(("arguments", "error", "text"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_lent_is_refused(
    heap: Heap, block: Block, arguments: dict[str, Any], error: type[Exception], text: str
) -> None:
    with refused(heap, error, text) as caught:
        exported(block, **arguments)
    assert_sentences(str(caught.value))
    block.free()


def test_a_stale_block_and_a_closed_heap_are_refused(heap: Heap, block: Block) -> None:
    block.free()
    with pytest.raises(glassheap.StaleHandle):
        exported(block)
    heap.close()
    with pytest.raises(glassheap.HeapClosed):
        exported(block)


# --- NumPy. ---------------------------------------------------------------------------------------


def test_numpy_takes_a_block(heap: Heap) -> None:
    numpy = pytest.importorskip("numpy")
    block = counting(heap)
    array = numpy.from_dlpack(block)
    assert (array.dtype, array.tolist()) == (numpy.uint8, [*range(20)])
    block[3] = 99
    assert array[3] == 99
    assert heap.block_of(numpy.asarray(memoryview(block))) is block
    assert heap.block_of(array).address == block.address
    del block
    assert len(heap) == 1
    del array
    assert len(heap) == 0


def test_numpy_takes_an_empty_block(heap: Heap) -> None:
    numpy = pytest.importorskip("numpy")
    assert numpy.from_dlpack(heap.alloc(0)).shape == (0,)


def test_numpy_asks_for_a_copy(heap: Heap, block: Block) -> None:
    numpy = pytest.importorskip("numpy", "2.1")  # the first whose from_dlpack has it
    array = numpy.from_dlpack(block, copy=True)
    block.free()
    assert array.tolist() == [*range(20)]
    with pytest.raises(ValueError, match=r"[Dd]evice"):
        numpy.from_dlpack(heap.alloc(3), device="cuda")
