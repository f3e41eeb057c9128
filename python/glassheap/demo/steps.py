"""The steps of the tour, in order.

A step is a title, a remark, and an action: a few calls on the heap of the stage. `cpp/main.cpp`
has the same steps in C.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from glassheap import Heap
    from glassheap.demo.stage import Stage

MAGIC = -8  # the offset of the magic number from the payload


class Step(NamedTuple):
    """A step of the tour."""

    title: str
    remark: str
    act: Callable[[Stage], None]


def fresh(stage: Stage) -> None:
    """Show the heap before the first call."""
    stage.line(("    heap = Heap(4096, base=0)", "call"))


def three_blocks(stage: Stage) -> None:
    """Allocate three adjacent blocks."""
    stage.malloc(100, "a")
    stage.malloc(200, "b")
    stage.malloc(300, "c")


def write_and_dump(stage: Stage) -> None:
    """Write into a block, and show its bytes."""
    stage.call("heap.view(a)[:5] = b'hello'", lambda: write(stage.heap, stage["a"], b"hello"))
    stage.line(("    heap.hexdump(a)", "call"))
    stage.heap.hexdump(stage["a"], file=stage.file)


def write(heap: Heap, address: int, data: bytes) -> None:
    """Write at the front of a block."""
    with heap.view(address) as view:
        view[: len(data)] = data


def hole(stage: Stage) -> None:
    """Free a block between two live ones."""
    stage.free("b")


def merge_right(stage: Stage) -> None:
    """Free a block before a free one."""
    stage.free("a")


def merge_both(stage: Stage) -> None:
    """Free a block between two free ones."""
    stage.free("c")


def two_holes(stage: Stage) -> None:
    """Make a small hole, and a larger one after it."""
    for name, size in (("a", 48), ("b", 16), ("c", 128), ("d", 16)):
        stage.malloc(size, name)
    stage.free("a")
    stage.free("c")


def first_fit(stage: Stage) -> None:
    """Fill the holes."""
    stage.malloc(100, "e")
    stage.malloc(40, "f")


def free_all(stage: Stage) -> None:
    """Free all blocks, in no particular order."""
    for name in "bdef":
        stage.free(name)


def refill(stage: Stage) -> None:
    """Fill the page to its last byte."""
    stage.malloc_many(48, 64, "p")
    stage.malloc(1, "a")


def fragmentation(stage: Stage) -> None:
    """Free enough bytes for a request, but in separate blocks."""
    for index in range(0, 12, 2):
        stage.free(f"p[{index}]")
    stage.malloc(100, "a")


def misuse(stage: Stage) -> None:
    """Free invalid addresses."""
    stage.call("heap.reset()", stage.heap.reset)
    stage.malloc(64, "a")
    stage.free("a + 16", stage["a"] + 16)
    stage.free("a + 1", stage["a"] + 1)
    stage.free("0x4000", 0x4000)
    stage.free("a")
    stage.free("a")


def overwrite(stage: Stage) -> None:
    """Overwrite the magic number of a header, as an underflow does."""
    stage.malloc(64, "b")
    magic = stage.heap.address + stage["b"] - stage.heap.base + MAGIC
    stage.call(f"memset(b - {-MAGIC}, 'X', 4)", lambda: corrupt(magic))
    stage.free("b")
    stage.malloc(100, "c")
    stage.line(("    heap.check()", "call"))
    for finding in stage.heap.check():
        stage.text(str(finding), "error", indent="        ")


def corrupt(address: int) -> None:
    """Overwrite four bytes, without a call of the heap."""
    ctypes.memset(address, ord("X"), 4)


def reset(stage: Stage) -> None:
    """Discard all blocks."""
    stage.call("heap.reset()", stage.heap.reset)


STEPS = (
    Step(
        "A fresh page",
        "One free block. Its node takes 16 of its 4096 bytes; the other 4080 are on offer.",
        fresh,
    ),
    Step(
        "Three blocks",
        "Each begins with a header of 16 bytes, and its payload is rounded up to a multiple of 16.",
        three_blocks,
    ),
    Step(
        "The bytes of a block",
        "The header holds the size and a magic number; the payload belongs to the program.",
        write_and_dump,
    ),
    Step(
        "A hole",
        "Both neighbours are live. The block's first 16 bytes become a node of the free list.",
        hole,
    ),
    Step("Merge", "The block at its right is free: two become one.", merge_right),
    Step("Merge on both sides", "Three become one, and the page is as it was.", merge_both),
    Step("Two holes", "One of 48 bytes, and behind it one of 128.", two_holes),
    Step(
        "The lowest address that fits",
        "100 bytes do not fit into the first hole, and split the second: a node of 0 bytes remains."
        " 40 bytes then take the first hole, exactly.",
        first_fit,
    ),
    Step("Free all", "After all frees, in any order, the page is fresh again.", free_all),
    Step("Refill", "64 blocks of 16 + 48 bytes take the whole page.", refill),
    Step(
        "External fragmentation",
        "Six holes have more than 100 bytes together, but they are not adjacent, and no hole has.",
        fragmentation,
    ),
    Step(
        "Misuse is detected",
        "An address inside of a block, an odd one, one outside of the heap, and one freed before.",
        misuse,
    ),
    Step(
        "An overwritten header",
        "A damaged heap reports the damage, and refuses every change until it is reset.",
        overwrite,
    ),
    Step("Reset", "A reset discards all blocks, and the page is fresh again.", reset),
)
