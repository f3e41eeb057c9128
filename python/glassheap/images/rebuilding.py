"""A mended image in place of a bad one, which is kept beside it."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from glassheap import _core
from glassheap.errors import HeapError
from glassheap.images.errors import ImageError, system_refusal
from glassheap.images.wording import listed

if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterator

    from glassheap.images.verdict import Verdict

PIECE = 1 << 24
"""Bytes that are copied at a time."""


@contextmanager
def held(path: Path) -> Iterator[bool]:
    """Keep other processes from attaching to the file's heap; False if one uses it.

    A process that attaches meanwhile waits, and finds the heap as it is afterwards. Bytes that are
    no heap are not held, for nothing can be written over them. Raises ImageError if the system
    refuses.
    """
    hold = None
    try:
        hold = _core._hold_unused(os.fsencode(path))
    except HeapError:
        pass
    except OSError as error:
        raise system_refusal("write", path, error) from None
    try:
        yield hold is not None
    finally:
        del hold


def write_back(verdict: Verdict, path: Path, mended: mmap.mmap, *, is_held: bool) -> None:
    """Copy the file to FILE.bak, and write the mended image over it; nothing for a sound image.

    Raises ImageError, having written nothing, if FILE.bak exists or a process uses the heap, so
    that it could not be held.
    """
    if not (verdict.bad or verdict.findings or verdict.in_flight):
        return
    if verdict.users or not is_held:
        users = listed(verdict.users, str) or "that has just attached or left"
        raise ImageError(
            f"{path} is in use by process {users}: it is unchanged. Stop its users first."
        )
    reserve(path)
    backup = keep_original(path)
    overwrite(path, mended, backup)
    verdict.rebuilt = str(backup)


def reserve(path: Path) -> None:
    """Reserve the space of a sparse file. Raises ImageError if there is no room."""
    try:
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    except OSError as error:
        raise system_refusal("write", path, error) from None


def keep_original(path: Path) -> Path:
    """Copy the file to FILE.bak and return that path.

    Raises ImageError, having left no part of a copy, if FILE.bak exists or there is no room.
    """
    backup, part = Path(f"{path}.bak"), Path(f"{path}.bak.{os.getpid()}")
    try:
        copy_to_disk(path, part)
        rename_to_unused(part, backup)
    except FileExistsError:
        raise ImageError(
            f"{backup} exists, and is not overwritten: move it away first. {path} is unchanged."
        ) from None
    except OSError as error:
        raise system_refusal("keep a copy of", path, error) from None
    finally:
        part.unlink(missing_ok=True)
    return backup


def copy_to_disk(path: Path, copy: Path) -> None:
    """Copy a file, and wait until the disk has the copy."""
    with path.open("rb") as source, copy.open("wb") as kept:
        while part := source.read(PIECE):
            kept.write(part)
        kept.flush()
        os.fsync(kept.fileno())


def rename_to_unused(part: Path, name: Path) -> None:
    """Give the file this name. Raises FileExistsError if another file has it."""
    try:
        os.link(part, name)
    except PermissionError:  # a file system without links
        if name.exists():
            raise FileExistsError from None
        part.rename(name)


def overwrite(path: Path, mended: mmap.mmap, backup: Path) -> None:
    """Write the mended image over the file. Raises ImageError if the system refuses."""
    try:
        with path.open("r+b") as target, memoryview(mended) as image:
            target.write(image)
            target.flush()
            os.fsync(target.fileno())
    except OSError as error:
        raise ImageError(
            f"{path} was being overwritten when the system refused: {error.strerror}. Copy "
            f"{backup} back."
        ) from None
