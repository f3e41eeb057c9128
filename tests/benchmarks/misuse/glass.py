"""The same misuse of glassheap, one per run: `glass.py NAME [CHECKS]`; misuse.c lists the output.

If a call raises, the line is `raises` and the name of the exception. If no call reports the fault,
but check() finds it later, the line is `finds` and the name.
"""

from __future__ import annotations

import ctypes
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import glassheap

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL, LARGE, WITNESSES, LATER = 100, 2000, 8, 512


class Program:
    """A heap, and every live block; its index is its owner."""

    def __init__(self, checks: str | None) -> None:
        options: dict[str, Any] = {} if checks is None else {"checks": checks}
        self.heap = glassheap.Heap(1 << 20, **options)
        self.held: list[tuple[int, int, int]] = []  # address, size, bytes that are still stamped

    def real(self, address: int) -> int:
        return self.heap.address + address - self.heap.base

    def write(self, address: int, data: bytes) -> None:
        """Write as a C program would: without any check."""
        ctypes.memmove(self.real(address), data, len(data))

    def read(self, address: int, size: int) -> bytes:
        return ctypes.string_at(self.real(address), size)

    def stamp(self, owner: int, size: int) -> bytes:
        return bytes([(0x21 + owner) % 256]) * size

    def own(self, size: int) -> int:
        address = self.heap.malloc(size)
        self.write(address, self.stamp(len(self.held), size))
        self.held.append((address, size, size))
        return address

    def go_on(self) -> None:
        """Continue like a correct program: allocate blocks, use them, and free them."""
        say("later")
        for i in range(LATER):
            self.own((SMALL, 24, LARGE, 300)[i % 4])
        self.check_blocks()
        while self.held:
            self.heap.free(self.held.pop()[0])
        for finding in self.heap.check():
            end_with(f"finds {finding.fault}")
        say("done")

    def check_blocks(self) -> None:
        places = sorted(self.held)
        if any(a + n > b for (a, n, _), (b, *_) in pairwise(places)):
            end_with("shared")
        for owner, (address, _, stamped) in enumerate(self.held):
            if self.read(address, stamped) != self.stamp(owner, stamped):
                end_with("lost")


def say(stage: str) -> None:
    print(stage, flush=True)


def end_with(stage: str) -> None:
    say(stage)
    sys.exit()


# --- The faults. ----------------------------------------------------------------------------------


def double_free(program: Program) -> None:
    block = program.heap.malloc(SMALL)
    program.heap.free(block)
    program.heap.free(block)


def double_free_with_another_between(program: Program) -> None:
    block, other = program.heap.malloc(SMALL), program.heap.malloc(SMALL)
    program.heap.free(block)
    program.heap.free(other)
    program.heap.free(block)


def double_free_of_a_merged_block(program: Program) -> None:
    left, block, right = program.heap.malloc_many([LARGE] * 3)
    program.own(SMALL)
    for address in (block, left, right, block):
        program.heap.free(address)


def double_free_after_reuse(program: Program) -> None:
    block = program.heap.malloc(SMALL)
    program.heap.free(block)
    program.own(SMALL)
    program.heap.free(block)


def free_inside(program: Program) -> None:
    program.heap.free(program.own(SMALL) + 32)


def free_misaligned(program: Program) -> None:
    program.heap.free(program.own(SMALL) + 1)


def free_of_a_variable(program: Program) -> None:
    variable = (ctypes.c_char * 256)()
    program.heap.free((ctypes.addressof(variable) + 64) & ~15)


def free_of_a_forged_header(program: Program) -> None:
    real, block = program.heap.malloc(SMALL), program.own(LARGE)
    program.write(block + 64, program.read(real - 16, 16))
    program.write(block + 64 + SMALL + 12, program.read(real - 16, 16))
    program.held[-1] = (block, LARGE, 64)
    program.heap.free(block + 80)


def realloc_after_free(program: Program) -> None:
    block = program.heap.malloc(SMALL)
    program.heap.free(block)
    program.heap.realloc(block, 4 * SMALL)


def realloc_inside(program: Program) -> None:
    program.heap.realloc(program.own(SMALL) + 32, 4 * SMALL)


def overflow_within_the_rounding(program: Program) -> None:
    block = program.heap.malloc(SMALL)
    program.write(block + SMALL, b"\xaa")
    program.heap.free(block)


def overflow_into_the_next_block(program: Program) -> None:
    block, following = program.heap.malloc(SMALL), program.own(SMALL)
    program.write(block + SMALL, b"\xaa" * (following - block - SMALL))
    program.held.pop()
    program.heap.free(following)
    program.heap.free(block)


def underflow(program: Program) -> None:
    block = program.heap.malloc(SMALL)
    program.write(block - 16, b"\xaa" * 16)
    program.heap.free(block)


def freed_block(program: Program) -> int:
    """Free two blocks, so that the first may link to the other."""
    block, other = program.heap.malloc(SMALL), program.heap.malloc(SMALL)
    program.heap.free(other)
    program.heap.free(block)
    return block


def write_to_a_freed_blocks_first_bytes(program: Program) -> None:
    program.write(freed_block(program), b"\xaa" * 16)


def write_in_front_of_a_freed_block(program: Program) -> None:
    program.write(freed_block(program) - 16, b"\xaa" * 16)


def write_to_a_freed_blocks_middle(program: Program) -> None:
    block = program.heap.malloc(SMALL)
    program.heap.free(block)
    program.write(block + 48, b"\xaa" * 16)


def run_on_and_on(program: Program) -> None:
    block = program.own(SMALL)
    ctypes.memset(program.real(block), 0xAA, 1 << 40)


def ask_for_minus_one(program: Program) -> None:
    program.heap.malloc(2**64 - 1)


def calloc_that_wraps(program: Program) -> None:
    program.heap.calloc((1 << 60) + 1, 16)


def alignment_of_three(program: Program) -> None:
    program.heap.malloc(SMALL, align=24)


FAULTS: dict[str, Callable[[Program], None]] = {
    "double free": double_free,
    "double free, another block freed in between": double_free_with_another_between,
    "double free of a block that was merged with its neighbours": double_free_of_a_merged_block,
    "double free after the address was handed out again": double_free_after_reuse,
    "free of an address inside a block": free_inside,
    "free of an odd address": free_misaligned,
    "free of a variable's address": free_of_a_variable,
    "free of a header forged in a block": free_of_a_forged_header,
    "realloc of a freed block": realloc_after_free,
    "realloc of an address inside a block": realloc_inside,
    "one byte too many, within the rounding": overflow_within_the_rounding,
    "overflow into the block behind": overflow_into_the_next_block,
    "underflow of 16 bytes": underflow,
    "write to the first 16 bytes of a freed block": write_to_a_freed_blocks_first_bytes,
    "write to the 16 bytes in front of a freed block": write_in_front_of_a_freed_block,
    "write to the middle of a freed block": write_to_a_freed_blocks_middle,
    "writing on and on behind a block": run_on_and_on,
    "malloc of -1 bytes": ask_for_minus_one,
    "calloc whose product wraps": calloc_that_wraps,
    "an alignment that is no power of two": alignment_of_three,
}


def commit(name: str, checks: str | None) -> None:
    program = Program(checks)
    for _ in range(WITNESSES):
        program.own(SMALL)
    say("misuse")
    try:
        FAULTS[name](program)
        program.go_on()
    except glassheap.HeapError as error:
        say(f"raises {type(error).__name__}")


if __name__ == "__main__":
    commit(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
