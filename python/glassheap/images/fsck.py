"""The check of an image: its front, its blocks, and the findings of the heap in it."""

from __future__ import annotations

from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from glassheap import OffsetHeap
from glassheap.images.copying import copy_image
from glassheap.images.errors import BrokenImageError
from glassheap.images.reading import attach, read
from glassheap.images.rebuilding import held, write_back
from glassheap.images.verdict import Verdict

if TYPE_CHECKING:
    import mmap

    from glassheap import SharedHeap


def check(file: str, timeout: float, *, rebuild: bool = False) -> Verdict:
    """Check an image, which is not changed; with `rebuild`, mend it if it is bad.

    A file that is to be mended is held from before it is copied until it is written: nobody
    attaches in between. O(size). Raises ImageError if the image cannot be read, or must not be
    written.
    """
    with held(Path(file)) if rebuild else nullcontext(False) as is_held:
        return check_held(file, timeout, rebuild=rebuild, is_held=is_held)


def check_held(file: str, timeout: float, *, rebuild: bool, is_held: bool) -> Verdict:
    """Do the work of check, in a file that is held if nobody uses it and it is to be mended."""
    path = Path(file)
    memory = copy_image(path, timeout).memory
    verdict = Verdict(file, len(memory))
    with closing(memory):
        try:
            examine(verdict, memory, path, rebuild=rebuild)
        except BrokenImageError as error:
            blame(verdict, error)
            verdict.mendable = False
        if rebuild and verdict.mendable:
            write_back(verdict, path, memory, is_held=is_held)
    return verdict


def examine(verdict: Verdict, memory: mmap.mmap, path: Path, *, rebuild: bool) -> None:
    """Examine the blocks, mended if they must be. Raises BrokenImageError if they cannot be.

    With `rebuild` the image is mended for its findings too, and left so in `memory`.
    """
    verdict.recovered, verdict.in_flight, verdict.users, live = read(memory, path)
    before = memory[:]
    with closing(attach_or_mend(verdict, memory, before, path)) as heap:
        describe(verdict, heap)
        if verdict.bad:
            verdict.lost = sorted(set(live) - set(heap))
    if rebuild and verdict.findings:
        memory[:] = before
        with closing(attach(memory, path, mend=True)) as heap:
            verdict.mendable = heap.check() == []


def attach_or_mend(verdict: Verdict, memory: mmap.mmap, before: bytes, path: Path) -> SharedHeap:
    """The heap in the image, mended if it is bad. Raises BrokenImageError if it cannot be."""
    try:
        return attach(memory, path)
    except BrokenImageError as error:
        blame(verdict, error)
    memory[:] = before
    return attach(memory, path, mend=True)


def blame(verdict: Verdict, error: BrokenImageError) -> None:
    """Record the faulty field and its meaning."""
    verdict.bad, verdict.sentence = error.field, str(error)


def describe(verdict: Verdict, heap: SharedHeap) -> None:
    """Record the heap in the copy, which is whole."""
    verdict.size, verdict.policy = heap.size, heap.policy
    verdict.headers, verdict.checks = heap.headers, heap.checks
    verdict.granule = heap.granule if isinstance(heap, OffsetHeap) else 0
    verdict.findings = [str(finding) for finding in heap.check()]
    verdict.live_blocks, verdict.live_bytes = len(heap), heap.stats().requested
