"""What a process holds in a heap, noted in memory that outlives the process.

    | call in flight: kind, places, sizes | held: address, size, mark | held | ... |

A process notes a call before it makes it, and the result afterwards. So all blocks of a killed
process are known but those of the call in flight, and the note tells what that call may have done.
"""

from __future__ import annotations

import ctypes
import mmap
from collections import Counter
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from glassheap import OwnedBlock, SharedHeap

ROOM = 64
"""Blocks that one process holds at most."""
BATCH = 16
"""Blocks of a batch at most."""


class Call(IntEnum):
    """A call on the heap."""

    NONE = 0
    MALLOC = 1
    FREE = 2
    REALLOC = 3
    MALLOC_MANY = 4
    FREE_MANY = 5


class Held(ctypes.Structure):
    """A block: every byte of its payload is the mark. Its address is 0 in an unused place."""

    _fields_ = (("address", ctypes.c_uint64), ("size", ctypes.c_uint32), ("mark", ctypes.c_uint32))
    address: int
    size: int
    mark: int


class Diary(ctypes.Structure):
    """The notes of one process."""

    _fields_ = (
        ("pid", ctypes.c_uint64),
        ("calls", ctypes.c_uint64),
        ("kind", ctypes.c_uint32),
        ("count", ctypes.c_uint32),
        ("places", ctypes.c_uint32 * BATCH),
        ("sizes", ctypes.c_uint32 * BATCH),
        ("failure", ctypes.c_char * 400),
        ("held", Held * ROOM),
    )
    pid: int
    calls: int
    kind: int
    count: int
    failure: bytes

    def begin(self, kind: Call, places: Sequence[int], sizes: Sequence[int] = ()) -> None:
        """Note a call on the blocks at these places, and the sizes that it asks for."""
        for i, place in enumerate(places):
            self.places[i] = place
        for i, size in enumerate(sizes):
            self.sizes[i] = size
        self.count = len(places)
        self.kind = kind

    def end(self) -> None:
        """Note that the call is done, and its results are."""
        self.calls += 1
        self.kind = Call.NONE

    def touched(self) -> list[int]:
        """The places of the call in flight."""
        return self.places[: self.count] if self.kind else []


def new_diaries(count: int) -> list[Diary]:
    """Empty diaries in memory that forked processes share."""
    memory = mmap.mmap(-1, count * ctypes.sizeof(Diary))
    return list((Diary * count).from_buffer(memory))


# --- Comparing the notes with the heap. -----------------------------------------------------------


class LostError(Exception):
    """The heap is not as the diaries have it."""


def verify(heap: SharedHeap, diaries: Iterable[Diary]) -> None:
    """Compare the live blocks with the diaries of processes that are all dead. Raises LostError."""
    left = {block.address: block for block in heap.owners()}
    diaries = [diary for diary in diaries if diary.pid]
    for diary in diaries:
        if diary.failure:
            raise LostError(f"process {diary.pid} failed: {diary.failure.decode()}")
        _take_noted(heap, diary, left)
    for diary in diaries:
        _take_in_flight(heap, diary, left)
    if left:
        raise LostError(f"nobody holds {list(left.values())[:5]}, of {len(left)} such blocks.")


def _take_noted(heap: SharedHeap, diary: Diary, left: dict[int, OwnedBlock]) -> None:
    touched = diary.touched()
    for place, held in enumerate(diary.held):
        if held.address and place not in touched and not _take(heap, diary, held, held.size, left):
            raise LostError(f"process {diary.pid} held {held.size} bytes at {held.address}.")


def _take(
    heap: SharedHeap, diary: Diary, held: Held, size: int, left: dict[int, OwnedBlock]
) -> bool:
    """True if the block is live with this size and this owner; its bytes must be its own.

    Another process may have the memory of a block whose free was in flight.
    """
    block = left.get(held.address)
    if block is None or (block.size, block.pid) != (size, diary.pid):
        return False
    kept = ctypes.string_at(heap.address + held.address, min(size, held.size))
    if kept.strip(bytes([held.mark])):
        raise LostError(f"the block of {size} bytes at {held.address} was overwritten.")
    del left[held.address]
    return True


def _take_in_flight(heap: SharedHeap, diary: Diary, left: dict[int, OwnedBlock]) -> None:
    """Take the blocks that the call in flight left. It is done as a whole, or not at all."""
    sizes = diary.sizes[: diary.count]
    if diary.kind in {Call.FREE, Call.FREE_MANY}:
        for place in diary.touched():
            _take(heap, diary, diary.held[place], diary.held[place].size, left)
    elif diary.kind == Call.REALLOC:
        old = diary.held[diary.touched()[0]]
        kept = any(_take(heap, diary, old, size, left) for size in (old.size, sizes[0]))
        if not kept and not _take_new(diary, sizes, left):
            raise LostError(
                f"process {diary.pid} lost {old.size} bytes at {old.address} to realloc."
            )
    elif diary.kind:
        _take_new(diary, sizes, left)


def _take_new(diary: Diary, sizes: Sequence[int], left: dict[int, OwnedBlock]) -> bool:
    """True if the process has new blocks of exactly these sizes; it may have none instead."""
    new = [block for block in left.values() if block.pid == diary.pid]
    if new and Counter(block.size for block in new) != Counter(sizes):
        raise LostError(f"process {diary.pid} asked for {sorted(sizes)}, and left {new}.")
    for block in new:
        del left[block.address]
    return bool(new)
