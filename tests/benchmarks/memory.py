"""The memory of a heap outside its region: when it was opened, and with as many holes as possible.

The holes are made by filling a region with blocks of 16 bytes, and freeing every other one. A
policy that keeps a record of each free block needs most then.
"""

from __future__ import annotations

from glassheap import Heap, policies

REGIONS = {"4 KiB": 4096, "64 KiB": 64 << 10, "1 MiB": 1 << 20, "64 MiB": 64 << 20}
OF_HOLES, HOLES = 1 << 20, "1 MiB, holes"
RECORD = 16
"""The bytes that a free block may take beside the memory of the region."""


def measure() -> dict[str, float]:
    """The figures by name: shares of the region."""
    figures: dict[str, float] = {}
    for policy in (policy.name for policy in policies()):
        for headers, row in ((True, policy), (False, f"{policy}/headerless")):
            for label, size in REGIONS.items():
                own = Heap(size, policy=policy, headers=headers).own_memory()
                figures[f"outside:{label}/{row}"] = own / size
            own, records = with_holes(Heap(OF_HOLES, policy=policy, headers=headers))
            figures[f"outside:{HOLES}/{row}"] = own / OF_HOLES
            figures[f"beyond_records:{HOLES}/{row}"] = (own - records) / OF_HOLES
    return figures


def with_holes(heap: Heap) -> tuple[int, int]:
    """The memory outside a region with holes, and what of it may be records of free blocks."""
    heap.free_many(heap.malloc_many([16] * (OF_HOLES // 33))[::2])
    return heap.own_memory(), RECORD * heap.stats().free_blocks
