"""Images of small shared heaps in files, damage to them, and the two commands that read them."""

from __future__ import annotations

import json
import mmap
import struct
from contextlib import closing
from typing import TYPE_CHECKING, Any

from command_helpers import printed, run
from glassheap import SharedHeap, _core

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


# --- The commands. --------------------------------------------------------------------------------


def fsck(path: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit status and the verdict."""
    done = run("fsck", str(path), "--json", *arguments)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def inspect(name: object, *arguments: str) -> dict[str, Any]:
    """The figures of the heap with that name or path."""
    figures: dict[str, Any] = json.loads(printed("inspect", str(name), "--json", *arguments))
    return figures


# --- Images. --------------------------------------------------------------------------------------


def image(path: Path, **options: Any) -> list[int]:
    """Make a heap of a page in a file without users; the addresses of its four live blocks."""
    with closing(SharedHeap.create(path=path, size=4096, **options)) as heap:
        addresses = [heap.malloc(100 + i) for i in range(5)]
        heap.free(addresses.pop(1))
        for address in addresses:
            heap.view(address)[:] = b"x" * len(heap.view(address))
    return addresses


def map_at(image: bytes) -> int:
    """The place of the block map in an image."""
    place: int = struct.unpack_from("=Q", image, 24)[0]
    return place


def header_at(path: Path, address: int) -> int:
    """The place of a block's header in the file."""
    region = path.stat().st_size - 4096
    return region + address - 16


def with_bytes(image: bytes, at: int, data: bytes) -> bytes:
    """The image with these bytes at this place."""
    return image[:at] + data + image[at + len(data) :]


def overwrite(path: Path, at: int, data: bytes) -> None:
    """Overwrite bytes of a file, which a heap may have mapped."""
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def write_where(path: Path, data: bytes, is_read: Callable[[bytes], bool]) -> None:
    """Write the bytes to the place in the first page where the compiled module reads them.

    Only the module knows that place: every one is tried.
    """
    image = path.read_bytes()
    for changed in (with_bytes(image, at, data) for at in range(0, 4096, 8)):
        if is_read(changed):
            path.write_bytes(changed)
            return
    raise AssertionError("the module reads these bytes nowhere")


def record_death_in_first_free(path: Path, extent: int) -> None:
    """Write the intent record of a process that was killed while it freed the first block."""
    record = struct.pack("=6Q", 1, 0, extent, 0, 0, 640)
    write_where(path, record, lambda image: range_in_flight(image) == (0, extent, 0))


def range_in_flight(image: bytes) -> tuple[int, int, int] | None:
    """The range in flight in an image; None if the image is refused."""
    with mmap.mmap(-1, len(image)) as copy:
        copy[:] = image
        try:
            return _core._read_image(copy)[1]
        except OSError:
            return None


def record_death_inside(path: Path) -> None:
    """Make the sequence number odd, as a process that was killed inside the heap leaves it."""
    odd = (_core._image_generation(path.read_bytes()[:4096]) or 0) | 1
    number = struct.pack("=Q", odd)
    write_where(path, number, lambda image: _core._image_generation(image[:4096]) == odd)
