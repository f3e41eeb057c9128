"""A mended image in place of a bad one, which is kept beside it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from glassheap.images.errors import ImageError, system_refusal
from glassheap.images.wording import listed

if TYPE_CHECKING:
    import mmap

    from glassheap.images.verdict import Verdict

PIECE = 1 << 24
"""Bytes that are copied at a time."""


def write_back(verdict: Verdict, path: Path, mended: mmap.mmap) -> None:
    """Copy the file to FILE.bak, and write the mended image over it; nothing for a sound image.

    Raises ImageError, having written nothing, if FILE.bak exists or a process uses the heap.
    """
    if not verdict.bad and verdict.in_flight is None:
        return
    if verdict.users:
        raise ImageError(
            f"{path} is in use by process {listed(verdict.users, str)}: it is unchanged. Stop its "
            "users first."
        )
    verdict.rebuilt = str(keep_original(path))
    overwrite(path, mended)


def keep_original(path: Path) -> Path:
    """Copy the file to FILE.bak and return that path. Raises ImageError if FILE.bak exists."""
    backup = Path(f"{path}.bak")
    try:
        with path.open("rb") as source, backup.open("xb") as kept:
            while part := source.read(PIECE):
                kept.write(part)
            os.fsync(kept.fileno())
    except FileExistsError:
        raise ImageError(
            f"{backup} exists, and is not overwritten: move it away first. {path} is unchanged."
        ) from None
    except OSError as error:
        raise system_refusal("keep a copy of", path, error) from None
    return backup


def overwrite(path: Path, mended: mmap.mmap) -> None:
    """Write the mended image over the file. Raises ImageError if the system refuses."""
    try:
        with path.open("r+b") as target, memoryview(mended) as image:
            target.write(image)
            os.fsync(target.fileno())
    except OSError as error:
        raise system_refusal("write", path, error) from None
