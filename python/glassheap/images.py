"""Looking into the image of a shared heap: `glassheap fsck FILE` and `glassheap inspect NAME|FILE`.

Neither touches what it looks at, unless fsck is told to rebuild. A copy is taken while nobody is
inside the heap, which the image itself tells: a number in it is odd while somebody is, and moves on
when they leave. Then the copy is attached to, as any heap whose users are gone, and asked.
"""

from __future__ import annotations

import mmap
import os
import stat
import time
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glassheap import BadImage, SharedHeap, _core
from glassheap.errors import AttachTimeout, HeapError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from glassheap import OwnedBlock

SHARED_MEMORY = Path("/dev/shm")
PAGE = 4096
MOST_LISTED = 16
"""Blocks that a list names; of the others it says how many they are."""

QUIET, ALONE = "at rest", "under its lock"

MEANINGS = {
    "magic": "it does not begin as the image of a shared heap does",
    "version": "another version of glassheap wrote it",
    "machine": "a machine with other byte order or other locks wrote it",
    "policy": "it names no placement policy of this version",
    "options": "its options do not go together",
    "checksum": "what is fixed from the start on was changed since",
    "size": "there are fewer bytes than it had when it was made",
    "layout": "its parts do not lie where this version puts them",
    "published": "whoever made it never finished",
}
"""Of what every image begins with: nothing can be rebuilt without it."""

BROKEN = {
    "magic": "the header of a live block lost its magic number",
    "size": "the size in the header of a live block is not that of the block",
    "seal": "the seal of a live block's header does not fit its size and serial",
    "coverage": "the block map does not cover the region, block by block",
    "neighbours": "two free blocks stand side by side that would have been joined",
    "redzone": "bytes behind the payload of a live block were written over",
}
"""Of the blocks: headers can tell what the map does not, and the other way round."""


class ImageError(Exception):
    """What was named cannot be looked at; the message is a sentence."""


# --- A copy. --------------------------------------------------------------------------------------
def find(name: str) -> Path:
    """The file behind a heap's name, or behind a path."""
    shared = SHARED_MEMORY / name
    return shared if name and "/" not in name and shared.exists() else Path(name)


def copy_of(path: Path, timeout: float) -> tuple[mmap.mmap, str]:
    """The bytes of a heap at a moment when nobody was inside, and how that moment was had.

    It is read until it did not change meanwhile. Of a heap that is never at rest for so long, half
    the time is waited, and then its lock is taken for the copy. One that somebody died inside does
    not change either, and is copied as it is. Raises ImageError if there is no such moment.
    """
    with closing(Source(path)) as source:
        until = time.monotonic() + timeout / 2
        while True:
            copy, quiet = source.copy()
            if quiet:
                return copy, QUIET
            copy.close()
            if time.monotonic() >= until:
                return source.copy_inside(timeout / 2)
            time.sleep(0.0005)


class Source:
    """A file or a segment, opened for reading alone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, ValueError) as error:  # ValueError: a zero in the name
            raise cannot("read", path, error) from None
        state = os.fstat(self.file)
        self.bytes = state.st_size
        if not stat.S_ISREG(state.st_mode):
            self.close()
            raise ImageError(f"cannot read {path}: it is no regular file")

    def close(self) -> None:
        """Give the file back."""
        os.close(self.file)

    def generation(self) -> int | None:
        """How often somebody came or left; odd while somebody is inside."""
        return _core._image_generation(os.pread(self.file, PAGE, 0))

    def copy(self) -> tuple[mmap.mmap, bool]:
        """All bytes, and whether they are those of one moment at which nobody was inside."""
        before = self.generation()
        copy = mmap.mmap(-1, max(self.bytes, 1))
        try:
            self.read_into(copy)
        except OSError as error:
            raise cannot("read", self.path, error) from None
        inside = bool(before and before % 2)
        return copy, before == self.generation() and not inside

    def read_into(self, copy: mmap.mmap) -> None:
        """Up to the end, or to where the file ends by now."""
        done = 0
        with memoryview(copy) as whole:
            while done < self.bytes:
                with whole[done : done + (1 << 30)] as part:
                    count = os.preadv(self.file, [part], done)
                if count == 0:
                    return
                done += count

    def copy_inside(self, timeout: float) -> tuple[mmap.mmap, str]:
        """A copy under the heap's lock; of one that somebody died inside, as it lies there."""
        before = self.generation()
        time.sleep(min(timeout, 0.05))
        copy, _ = self.copy()
        if before == self.generation():  # odd, and unmoved: nobody lives in there
            return copy, QUIET
        try:
            with closing(SharedHeap.attach(path=self.path, timeout=timeout)) as heap:
                heap._copy_into(copy)
        except (HeapError, OSError) as error:
            raise ImageError(
                f"{self.path} is never at rest for as long as a copy takes, and its lock is not "
                f"to be had: {error}"
            ) from None
        return copy, ALONE


def cannot(what: str, path: Path, error: OSError | ValueError) -> ImageError:
    """The sentence for what the system refused."""
    return ImageError(f"cannot {what} {path}: {getattr(error, 'strerror', None) or error}")


# --- fsck. ----------------------------------------------------------------------------------------
@dataclass
class Verdict:
    """What is to be said of an image."""

    file: str
    bytes: int
    bad: str = ""
    """The field that is not as it must be, by its name."""
    sentence: str = ""
    mendable: bool = True
    size: int = 0
    policy: str = ""
    headers: bool = True
    checks: str = ""
    live_blocks: int = 0
    live_bytes: int = 0
    recovered: int = 0
    in_flight: list[int] | None = None
    """The first byte and the end of what was being changed when somebody died."""
    users: list[int] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    """Addresses of blocks that were live by the map, and are not after mending."""
    rebuilt: str = ""
    """The file that holds the image as it was."""

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong with it, or is any more."""
        return not self.findings and (not self.bad or bool(self.rebuilt))

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "clean": self.clean}

    def lines(self) -> Iterator[str]:
        """For a person."""
        yield f"{self.file}: {self.bytes:,} bytes"
        if self.policy:
            yield from self._heap()
        if self.in_flight:
            start, end = self.in_flight
            yield (
                f"in flight     bytes {start:,} to {end:,} of the region: somebody died there, and "
                "what was being done is taken back"
            )
        for finding in self.findings:
            yield f"finding       {finding}"
        if self.bad:
            yield f"bad field     {self.bad}: {self.sentence}"
        yield from self._end()

    def _heap(self) -> Iterator[str]:
        yield f"size          {self.size:,} bytes"
        yield f"policy        {self.policy}"
        layout = "with headers" if self.headers else "no headers"
        yield f"layout        {layout}, checks={self.checks!r}"
        yield f"blocks        {self.live_blocks:,} live, {self.live_bytes:,} bytes"
        yield f"recovered     {self.recovered:,} times before"
        if self.users:
            yield f"in use by     {listed(self.users, str)}"

    def _end(self) -> Iterator[str]:
        if self.bad and not self.mendable:
            yield "verdict       bad, and nothing can be rebuilt of it"
            return
        live = blocks(self.live_blocks)
        if self.lost:
            yield f"lost          {blocks(len(self.lost))}, at {listed(self.lost, hex)}"
        if self.rebuilt:
            yield f"rebuilt       with {live}; as it was it is in {self.rebuilt}"
        elif self.bad:
            yield f"verdict       bad; --rebuild would keep {live}"
        else:
            yield "verdict       clean" if self.clean else "verdict       bad"


def check(file: str, timeout: float, *, rebuild: bool = False) -> Verdict:
    """The verdict on an image, which is not touched; or, with `rebuild`, is mended.

    O(size). Raises ImageError if it cannot be read, or must not be written.
    """
    path = Path(file)
    copy, _ = copy_of(path, timeout)
    verdict = Verdict(file, len(copy))
    with closing(copy):
        try:
            judge(verdict, copy)
        except NoHeapError as error:
            verdict.bad, verdict.sentence = error.field, str(error)
            verdict.mendable = False
        if rebuild and verdict.mendable:
            write_back(verdict, path, copy)
    return verdict


class NoHeapError(Exception):
    """The image is none, or not one that can be made whole; `field` is what is wrong with it."""

    def __init__(self, name: str, meanings: dict[str, str]) -> None:
        super().__init__(meanings.get(name, "it was written over"))
        self.field = name


def read(copy: mmap.mmap) -> tuple[int, tuple[int, int, int], list[int], list[int]]:
    """What `_core._read_image` finds in it. Raises NoHeapError if it does not begin as one."""
    try:
        return _core._read_image(copy)
    except BadImage as error:
        raise NoHeapError(error.field, MEANINGS) from None
    except AttachTimeout:
        blank = not any(copy[:8])
        raise NoHeapError("magic" if blank else "published", MEANINGS) from None


def attach(copy: mmap.mmap, *, mend: bool = False) -> SharedHeap:
    """The heap in it. Raises NoHeapError if its blocks are not sound."""
    try:
        return SharedHeap._attach_copy(copy, mend)
    except BadImage as error:
        raise NoHeapError(error.field, BROKEN) from None


def judge(verdict: Verdict, copy: mmap.mmap) -> None:
    """The blocks: as they are, or as far as mending helps. Raises NoHeapError if it does not."""
    verdict.recovered, (start, end, _), verdict.users, live = read(copy)
    verdict.in_flight = [start, end] if end else None
    untouched = copy[:]
    try:
        heap = attach(copy)
    except NoHeapError as error:
        verdict.bad, verdict.sentence = error.field, str(error)
        copy[:] = untouched
        heap = attach(copy, mend=True)
    with closing(heap):
        describe(verdict, heap)
        if verdict.bad:
            verdict.lost = sorted(set(live) - set(heap))


def describe(verdict: Verdict, heap: SharedHeap) -> None:
    """The heap in the copy, which is whole by now."""
    verdict.size, verdict.policy = heap.size, heap.policy
    verdict.headers, verdict.checks = heap.headers, heap.checks
    verdict.findings = [str(finding) for finding in heap.check()]
    verdict.live_blocks, verdict.live_bytes = len(heap), heap.stats().requested


def write_back(verdict: Verdict, path: Path, mended: mmap.mmap) -> None:
    """Keep the file as it was beside it, and write the mended image over it.

    Raises ImageError, having written nothing, if there is such a copy already, or somebody uses the
    heap.
    """
    if not verdict.bad and verdict.in_flight is None:
        return
    if verdict.users:
        raise ImageError(
            f"{path} is in use by process {listed(verdict.users, str)}: it is as it was. Stop what "
            "uses it first."
        )
    backup = Path(f"{path}.bak")
    try:
        with path.open("rb") as source, backup.open("xb") as kept:
            while part := source.read(1 << 24):
                kept.write(part)
            os.fsync(kept.fileno())
    except FileExistsError:
        raise ImageError(
            f"{backup} is there already, and is not written over: move it away first. {path} is as "
            "it was."
        ) from None
    except OSError as error:
        raise cannot("keep a copy of", path, error) from None
    try:
        with path.open("r+b") as target, memoryview(mended) as image:
            target.write(image)
            os.fsync(target.fileno())
    except OSError as error:
        raise cannot("write", path, error) from None
    verdict.rebuilt = str(backup)


# --- inspect. -------------------------------------------------------------------------------------
@dataclass
class Owner:
    """A process, and the live blocks that it allocated."""

    pid: int
    alive: bool
    blocks: list[OwnedBlock]

    @property
    def leaks(self) -> list[OwnedBlock]:
        """Those that nobody will free."""
        return [block for block in self.blocks if is_leak(block)]

    def lines(self) -> Iterator[str]:
        """What it has, and what of that has leaked."""
        total = sum(block.size for block in self.blocks)
        state = "alive" if self.alive else "dead" if self.pid else "nobody knows"
        leaks = f", {len(self.leaks):,} LEAKED" if self.leaks else ""
        yield f"process {self.pid} ({state}): {len(self.blocks):,} live, {total:,} bytes{leaks}"
        for block in self.blocks[:MOST_LISTED]:
            held = f", held {block.holders} times" if block.holders else ""
            leak = "  LEAK" if is_leak(block) else ""
            yield f"  {block.address:#x}: {block.size:,} bytes{held}{leak}"
        if len(self.blocks) > MOST_LISTED:
            yield f"  and {len(self.blocks) - MOST_LISTED:,} more"


def is_leak(block: OwnedBlock) -> bool:
    """Whether whoever allocated it is dead, and nobody holds it."""
    return bool(block.pid) and not block.alive and not block.holders


def owners(heap: SharedHeap) -> list[Owner]:
    """The processes that have live blocks, each with its own. O(n)."""
    found: dict[int, Owner] = {}
    for block in heap.owners():
        found.setdefault(block.pid, Owner(block.pid, block.alive, [])).blocks.append(block)
    return [found[pid] for pid in sorted(found)]


@dataclass
class Sight:
    """A heap that others work in, at one moment."""

    path: Path
    how: str
    heap: SharedHeap
    """A copy of it."""

    def figures(self) -> dict[str, Any]:
        """For JSON: every live block."""
        return {
            "path": str(self.path),
            "copied": self.how,
            "policy": self.heap.policy,
            "headers": self.heap.headers,
            "stats": asdict(self.heap.stats()),
            "owners": [
                {
                    "pid": owner.pid,
                    "alive": owner.alive,
                    "leaked": len(owner.leaks),
                    "blocks": [
                        {
                            "address": block.address,
                            "size": block.size,
                            "holders": block.holders,
                            "leak": is_leak(block),
                        }
                        for block in owner.blocks
                    ],
                }
                for owner in owners(self.heap)
            ],
        }

    def lines(self) -> Iterator[str]:
        """The statistics, and whose the blocks are."""
        for name, value in asdict(self.heap.stats()).items():
            shown = f"{value:.2%}" if isinstance(value, float) else f"{value:,}"
            yield f"{name.replace('_', ' '):<24}{shown}"
        yield ""
        for owner in owners(self.heap):
            yield from owner.lines()
        yield f"copied {self.how} from {self.path}"


def look_at(name: str, timeout: float) -> Sight:
    """A heap by its name or its path. Raises ImageError."""
    path = find(name)
    copy, how = copy_of(path, timeout)
    try:
        read(copy)
        return Sight(path, how, attach(copy))
    except NoHeapError as error:
        raise ImageError(f"{path} cannot be shown: {error.field}: {error}") from None


def blocks(count: int) -> str:
    """So many blocks."""
    return f"{count:,} block" + ("" if count == 1 else "s")


def listed(items: list[int], shown: Callable[[int], str]) -> str:
    """Some of them, and how many more there are."""
    first = ", ".join(shown(item) for item in items[:MOST_LISTED])
    more = len(items) - MOST_LISTED
    return first + (f" and {more:,} more" if more > 0 else "")
