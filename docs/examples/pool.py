"""A process pool that works on one large array, without copying it.

    python docs/examples/pool.py

A task receives the block as a reference of some hundred bytes, whatever its size. The worker opens
it in the same memory. With NumPy, `heap.array(COUNT)` would do: an array travels like a block.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from glassheap import Block, SharedHeap

COUNT = 1_000_000
PARTS = 4


def scale(block: Block, start: int, stop: int, factor: float) -> float:
    """Multiply a part of the array in place, and return its sum."""
    with memoryview(block).cast("d") as numbers:
        for i in range(start, stop):
            numbers[i] *= factor
        return sum(numbers[start:stop])


def main() -> None:
    """Create the array, let four tasks work on it, and compare their sums with the array."""
    step = COUNT // PARTS
    with SharedHeap.create(size=COUNT * 8 + 4096) as heap, heap.alloc(COUNT * 8) as block:
        with memoryview(block).cast("d") as numbers:
            for i in range(COUNT):
                numbers[i] = 1.0
        with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
            tasks = [
                pool.submit(scale, block, start, start + step, 1 + start // step)
                for start in range(0, COUNT, step)
            ]
            sums = [task.result() for task in tasks]
        with memoryview(block).cast("d") as numbers:
            print(f"the tasks say {sum(sums):,.0f}, and the array here {sum(numbers):,.0f}")


if __name__ == "__main__":
    main()
