"""Libraries that take the memory of a Block: Arrow by the buffer protocol, TVM FFI by DLPack.

The session `foreign` installs them. NumPy is in tests/python.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
import tvm_ffi

import glassheap
from glassheap import Heap, SharedHeap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(params=["private", "shared"])
def heap(request: pytest.FixtureRequest) -> Iterator[Heap]:
    """A heap of each kind, in which no block is left at the end."""
    with Heap(1 << 16) if request.param == "private" else SharedHeap.create(size=1 << 16) as heap:
        yield heap
        gc.collect()
        assert len(heap) == 0
        assert heap.check() == []


CONSUMERS: dict[str, Callable[[Any], Any]] = {
    "pyarrow.py_buffer": pa.py_buffer,
    "pyarrow.array": lambda block: pa.UInt8Array.from_buffers(
        pa.uint8(), block.size, [None, pa.py_buffer(block)]
    ),
    "tvm_ffi.from_dlpack": tvm_ffi.from_dlpack,
    "tvm_ffi and back": lambda block: np.from_dlpack(tvm_ffi.from_dlpack(block)),
}


@pytest.mark.parametrize("consume", CONSUMERS.values(), ids=CONSUMERS)
def test_a_consumer_pins_the_block_and_keeps_it(heap: Heap, consume: Callable[[Any], Any]) -> None:
    block = heap.alloc(640)
    consumed = consume(block)
    with pytest.raises(BufferError):
        block.free()
    del block
    gc.collect()
    assert len(heap) == 1
    del consumed
    gc.collect()
    assert len(heap) == 0


def test_arrow_reads_the_same_memory(heap: Heap) -> None:
    block = heap.alloc(80, align=64)
    numbers = block.numpy("i8")
    numbers[:] = range(10)
    array = pa.Array.from_buffers(pa.int64(), 10, [None, pa.py_buffer(block)])
    numbers[3] = 99
    assert array.to_pylist() == [0, 1, 2, 99, 4, 5, 6, 7, 8, 9]
    assert (
        array.to_numpy(zero_copy_only=True).__array_interface__["data"][0]
        == (numbers.__array_interface__["data"][0])
    )


def test_arrow_writes_a_stream_into_a_block(heap: Heap) -> None:
    table = pa.table({"id": [1, 2, 3], "name": ["a", "b", None]})
    block = heap.alloc(4096)
    stream = pa.FixedSizeBufferWriter(pa.py_buffer(block))
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    with pa.ipc.open_stream(pa.py_buffer(block)) as reader:
        again = reader.read_all()
    assert again == table
    with pytest.raises(BufferError):
        block.free()  # the columns lie in it
    del again, reader, writer, stream


def test_tvm_sees_the_tensor_of_bytes(heap: Heap) -> None:
    block = heap.alloc(100)
    tensor = tvm_ffi.from_dlpack(block)
    assert (tuple(tensor.shape), str(tensor.dtype)) == ((100,), "uint8")
    np.from_dlpack(tensor)[:] = 7
    assert block[:] == b"\7" * 100


def test_an_array_of_a_shared_heap_is_lent_as_any_other() -> None:
    with SharedHeap.create(size=1 << 16) as heap:
        array = heap.array((4, 5), "f4")
        tensor = tvm_ffi.from_dlpack(array)
        assert tuple(tensor.shape) == (4, 5)
        address = heap.block_of(array).address
        with pytest.raises(BufferError):
            heap.free(address)
        del array
        gc.collect()
        assert [*heap] == [address]
        del tensor
        gc.collect()


def test_another_device_is_refused(heap: Heap) -> None:
    block = heap.alloc(8)
    with pytest.raises(BufferError, match="cannot be lent to the device"):
        block.__dlpack__(dl_device=(2, 0))
    block.free()
    with pytest.raises(glassheap.StaleHandle):
        tvm_ffi.from_dlpack(block)
