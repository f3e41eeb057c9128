"""Images of small shared heaps in files, damage to them, and the two commands that read them."""

from __future__ import annotations

import json
import mmap
import struct
from contextlib import closing
from typing import TYPE_CHECKING, Any

from command_helpers import command
from glassheap import SharedHeap, _core

if TYPE_CHECKING:
    from pathlib import Path


# --- The commands ---------------------------------------------------------------------------------
def fsck(path: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit status and the verdict."""
    done = command("fsck", str(path), "--json", *arguments)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def inspect(name: object, *arguments: str) -> dict[str, Any]:
    """The figures of the heap with that name or path."""
    done = command("inspect", str(name), "--json", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


# --- Images ---------------------------------------------------------------------------------------
def image(path: Path, **options: Any) -> list[int]:
    """Make a heap of a page in a file without users; the addresses of its four live blocks."""
    with closing(SharedHeap.create(path=path, size=4096, **options)) as heap:
        addresses = [heap.malloc(100 + i) for i in range(5)]
        heap.free(addresses.pop(1))
        for address in addresses:
            heap.view(address)[:] = b"x" * len(heap.view(address))
    return addresses


def overwrite(path: Path, at: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


def header_at(path: Path, address: int) -> int:
    """The place of a block's header in the file."""
    region = path.stat().st_size - 4096
    return region + address - 16


def find_map(content: bytes, addresses: list[int]) -> int:
    """The place of the word of the block map with these blocks, a freed one and the top."""
    starts = [(address - 16) // 16 for address in addresses]
    live = sum(1 << start for start in starts)
    for at in range(0, len(content) - 4096, 8):
        word = int.from_bytes(content[at : at + 8], "little")
        if word & live == live and word.bit_count() == len(starts) + 2:
            return at
    raise AssertionError("no word of the image looks like the map")


def record_death_in_first_free(path: Path, extent: int) -> None:
    """Write the intent record of a process that was killed while it freed the first block.

    Only the compiled module knows the place of the record: every place is tried.
    """
    record = struct.pack("=6Q", 1, 0, extent, 0, 0, 640)
    for at in range(0, 4096, 64):
        content = bytearray(path.read_bytes())
        content[at : at + len(record)] = record
        if range_in_flight(bytes(content)) == (0, extent, 0):
            path.write_bytes(content)
            return
    raise AssertionError("no place of the image looks like the record")


def range_in_flight(content: bytes) -> tuple[int, int, int] | None:
    """The range in flight in an image; None if the image is refused."""
    with mmap.mmap(-1, len(content)) as copy:
        copy[:] = content
        try:
            return _core._read_image(copy)[1]
        except OSError:
            return None


def record_death_inside(path: Path) -> None:
    """Make the sequence number odd, as a process that was killed inside the heap leaves it."""
    front = path.read_bytes()[:4096]
    number = _core._image_generation(front)
    for at in range(0, 4096, 8):
        odd = bytearray(front)
        odd[at] |= 1
        if _core._image_generation(bytes(odd)) != number:
            overwrite(path, at, bytes(odd[at : at + 1]))
