"""What a recording costs a malloc and a free from Python: python tests/benchmarks/recording.py

The heaps take turns, as in tags.py, and the figure of each is the tenth percentile of its runs. The
calls that are recorded take the careful way, as those of a heap with zero_on_free do: so this is
another measure for the recording itself.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

from glassheap import Heap

ROUNDS, PAIRS, BLOCK = 500, 2000, 64


def seconds(heap: Heap) -> float:
    """Of many pairs."""
    malloc, free = heap.malloc, heap.free
    start = perf_counter()
    for _ in range(PAIRS):
        free(malloc(BLOCK))
    return perf_counter() - start


def main() -> None:
    """Print the nanoseconds of a pair for each heap, and of a call more than the first."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pairs.trace")
        options: dict[str, dict[str, Any]] = {
            "without": {},
            "zero_on_free=True": {"zero_on_free": True},
            "record=path": {"record": path},
        }
        heaps = {name: Heap(1 << 20, **given) for name, given in options.items()}
        times: dict[str, list[float]] = {name: [] for name in heaps}
        for _ in range(ROUNDS):
            for name, heap in heaps.items():
                times[name].append(seconds(heap) / PAIRS * 1e9)
        bytes_a_call = path.stat().st_size / (2 * ROUNDS * PAIRS)
    figures = {name: sorted(found)[ROUNDS // 10] for name, found in times.items()}
    for name, figure in figures.items():
        more = (figure - figures["without"]) / 2
        print(f"{name:20}{figure:8.1f} ns a pair{more:8.1f} ns more a call")
    print(f"{bytes_a_call:.2f} bytes a call in the file")


if __name__ == "__main__":
    main()
