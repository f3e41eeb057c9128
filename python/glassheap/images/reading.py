"""The contents of a copied image, and the heap in it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from glassheap import BadImage, SharedHeap, _core
from glassheap.errors import AttachTimeout
from glassheap.images.errors import BrokenImageError

if TYPE_CHECKING:
    import mmap
    from pathlib import Path

FRONT_MEANINGS = {
    "magic": "it does not begin as the image of a shared heap does",
    "version": "another version of glassheap wrote it",
    "machine": "a machine with another byte order wrote it",
    "policy": "it names no placement policy of this version",
    "options": "its options do not go together",
    "checksum": "its fixed part was changed after it was made",
    "size": "there are fewer bytes than it had when it was made",
    "layout": "its parts do not lie where this version puts them",
    "published": "its creator never finished it",
}
"""Faults in the front of an image: without the front, nothing can be rebuilt."""

BLOCK_MEANINGS = {
    "magic": "the header of a live block lost its magic number",
    "size": "the size in the header of a live block is not that of the block",
    "seal": "the seal of a live block's header does not match its size and serial",
    "coverage": "the block map does not cover the region, block by block",
    "neighbours": "two free blocks are neighbours that would have been merged",
    "flushed": "its pages are of various ages: the block map is not that of the last flush",
    "redzone": "bytes behind the payload of a live block were overwritten",
}
"""Faults in the blocks: headers can restore the block map, and the block map lost headers."""


class Contents(NamedTuple):
    """The contents of an image before it is made whole."""

    recovered: int
    """Number of processes that died inside a call."""
    in_flight: list[int] | None
    """The first byte and the end of the range that a call was changing, if there is one."""
    users: list[int]
    """Process ids of those that are attached to the original."""
    live: list[int]
    """Addresses of the live blocks, by the block map."""


def read(memory: mmap.mmap, original: Path) -> Contents:
    """The contents of the copied image. Raises BrokenImageError if its front is not sound."""
    try:
        recovered, (start, end, _), users, live = _core._read_image(memory, os.fsencode(original))
    except BadImage as error:
        raise broken(error.field, FRONT_MEANINGS) from None
    except AttachTimeout:
        blank = not any(memory[:8])
        raise broken("magic" if blank else "published", FRONT_MEANINGS) from None
    return Contents(recovered, [start, end] if end else None, sorted(set(users)), live)


def attach(memory: mmap.mmap, original: Path, *, mend: bool = False) -> SharedHeap:
    """The heap in the copy, made whole. Raises BrokenImageError if its blocks are not sound.

    With `mend` the blocks may be damaged: they are taken from what is left of the block map and
    the headers.
    """
    try:
        return SharedHeap._attach_copy(memory, mend, os.fsencode(original))
    except BadImage as error:
        raise broken(error.field, BLOCK_MEANINGS) from None


def broken(field: str, meanings: dict[str, str]) -> BrokenImageError:
    """The error for a field, with its meaning."""
    return BrokenImageError(field, meanings.get(field, "it was overwritten"))
