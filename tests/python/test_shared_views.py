"""A block shared by several processes is not freed under a view of this process."""

from __future__ import annotations

import subprocess
import sys

import pytest

import glassheap
from glassheap import SharedHeap

HOLDING = """
import os, sys
from glassheap import SharedHeap
block = SharedHeap.attach(sys.argv[1]).alloc(100).share()
print(block.address, flush=True)
os._exit(0)
"""


def test_the_last_holder_cannot_free_the_block_under_a_view() -> None:
    with SharedHeap.create(size=4096) as heap:
        block = heap.alloc(100).share()
        with memoryview(block), pytest.raises(BufferError, match="a view of the block at 0x10"):
            block.free()
        assert [(owned.address, owned.holders) for owned in heap.owners()] == [(16, 1)]
        block.free()
        assert len(heap) == 0


def test_reap_does_not_free_a_block_of_a_dead_process_under_a_view() -> None:
    with SharedHeap.create(size=4096) as heap:
        done = subprocess.run(
            [sys.executable, "-c", HOLDING, str(heap.name)],
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        with heap.view(int(done.stdout)):
            assert (heap.reap(), len(heap)) == (0, 1)
        assert (heap.reap(), len(heap)) == (1, 0)


def test_the_error_for_a_block_freed_by_address_names_the_address() -> None:
    with SharedHeap.create(size=4096) as heap:
        heap.malloc(8)
        block = heap.alloc(100).share()
        heap.free(block.address)
        for use in (block.free, block._send):
            with pytest.raises(glassheap.StaleHandle, match=f"{block.address:#x}") as info:
                use()
            assert info.value.address == block.address
