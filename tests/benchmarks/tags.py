"""What tags cost a malloc and a free from Python: python tests/benchmarks/tags.py

The ways take turns, in runs that are shorter than a time slice, so that whatever else the machine
does meets all of them alike. The figure of a way is the tenth percentile of its runs.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from glassheap import Heap

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS, PAIRS, BLOCK, TAG = 1000, 2000, 64, "request-17"


def seconds(heap: Heap) -> float:
    """Of many pairs."""
    malloc, free = heap.malloc, heap.free
    start = perf_counter()
    for _ in range(PAIRS):
        free(malloc(BLOCK))
    return perf_counter() - start


def seconds_aligned(heap: Heap) -> float:
    """The same, with an argument that is passed by its name."""
    malloc, free = heap.malloc, heap.free
    start = perf_counter()
    for _ in range(PAIRS):
        free(malloc(BLOCK, align=16))
    return perf_counter() - start


def seconds_tagged(heap: Heap) -> float:
    """The same, with a tag."""
    malloc, free = heap.malloc, heap.free
    start = perf_counter()
    for _ in range(PAIRS):
        free(malloc(BLOCK, tag=TAG))
    return perf_counter() - start


def seconds_inside(heap: Heap) -> float:
    """The same, in a context with a tag."""
    with heap.tagged(TAG):
        return seconds(heap)


WAYS: dict[str, tuple[Callable[[Heap], float], bool]] = {
    "without tags": (seconds, False),
    "Heap(tags=True)": (seconds, True),
    "with heap.tagged(...)": (seconds_inside, True),
    "malloc(n, align=...)": (seconds_aligned, False),
    "malloc(n, tag=...)": (seconds_tagged, True),
}
"""What is run, and if its heap keeps tags; the first is the measure of all."""


def main() -> None:
    """Print the nanoseconds of a pair for each way, and how many times those without tags."""
    heaps = {name: Heap(1 << 20, tags=tags) for name, (_, tags) in WAYS.items()}
    times: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(ROUNDS):
        for name, (run, _) in WAYS.items():
            times[name].append(run(heaps[name]) / PAIRS * 1e9)
    figures = {name: sorted(found)[ROUNDS // 10] for name, found in times.items()}
    for name, figure in figures.items():
        print(f"{name:24}{figure:8.1f} ns{figure / figures['without tags']:8.2f}")


if __name__ == "__main__":
    main()
