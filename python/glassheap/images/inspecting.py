"""A heap that other processes use, at one moment, and the owners of its blocks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from glassheap import OffsetHeap
from glassheap.images.copying import copy_image, find
from glassheap.images.errors import BrokenImageError, ImageError
from glassheap.images.reading import attach, read
from glassheap.images.wording import MOST_LISTED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from glassheap import OwnedBlock, SharedHeap


@dataclass
class Inspection:
    """A copy of a heap."""

    path: Path
    method: str
    """How the copy was made: at rest, or under the heap's lock."""
    heap: SharedHeap
    """The heap in the copy."""

    def figures(self) -> dict[str, Any]:
        """The figures for JSON, with every live block."""
        return {
            "path": str(self.path),
            "copied": self.method,
            "policy": self.heap.policy,
            "headers": self.heap.headers,
            "granule": self.heap.granule,
            "stats": asdict(self.heap.stats()),
            "owners": [owner.figures() for owner in owners_of(self.heap)],
        }

    def lines(self) -> Iterator[str]:
        """The statistics, and the live blocks by owner."""
        for name, value in asdict(self.heap.stats()).items():
            shown = _SHOWN.get(name, "{:,}").format(value)
            yield f"{name.replace('_', ' '):<24}{shown}"
        if isinstance(self.heap, OffsetHeap):
            yield f"{'granule':<24}{self.heap.granule:,}"
        yield ""
        for owner in owners_of(self.heap):
            yield from owner.lines()
        yield f"copied {self.method} from {self.path}"


_SHOWN = {"external_fragmentation": "{:.2%}", "waited": "{:,.2f} s"}
"""The formats of the statistics that are no whole numbers."""


@dataclass
class Owner:
    """A process, and the live blocks that it allocated."""

    pid: int
    """Its process id; 0 if it is unknown."""
    alive: bool
    blocks: list[OwnedBlock]

    def figures(self) -> dict[str, Any]:
        """The process and its blocks, for JSON."""
        return {
            "pid": self.pid,
            "alive": self.alive,
            "leaked": self.leaked(),
            "blocks": [block_figures(block) for block in self.blocks],
        }

    def lines(self) -> Iterator[str]:
        """The process and its first blocks, leaks marked."""
        yield self._summary()
        yield from map(block_line, self.blocks[:MOST_LISTED])
        if len(self.blocks) > MOST_LISTED:
            yield f"  and {len(self.blocks) - MOST_LISTED:,} more"

    def leaked(self) -> int:
        """The number of leaks among the blocks."""
        return sum(map(is_leak, self.blocks))

    def _summary(self) -> str:
        total = sum(block.size for block in self.blocks)
        state = "alive" if self.alive else "dead" if self.pid else "unknown"
        leaks = f", {self.leaked():,} LEAKED" if self.leaked() else ""
        return f"process {self.pid} ({state}): {len(self.blocks):,} live, {total:,} bytes{leaks}"


def inspect(name: str, timeout: float) -> Inspection:
    """Copy a heap, given its name or its path. Raises ImageError if it cannot be shown."""
    path = find(name)
    memory, method = copy_image(path, timeout)
    try:
        read(memory, path)
        return Inspection(path, method, attach(memory, path))
    except BrokenImageError as error:
        raise ImageError(f"{path} cannot be shown: {error.field}: {error}") from None


def owners_of(heap: SharedHeap) -> list[Owner]:
    """The processes that have live blocks, by process id, each with its blocks. O(n)."""
    found: dict[int, Owner] = {}
    for block in heap.owners():
        found.setdefault(block.pid, Owner(block.pid, block.alive, [])).blocks.append(block)
    return [found[pid] for pid in sorted(found)]


def is_leak(block: OwnedBlock) -> bool:
    """True if the process that allocated the block is dead, and there is no reference to it."""
    return bool(block.pid) and not block.alive and not block.holders


def block_figures(block: OwnedBlock) -> dict[str, Any]:
    """The block, for JSON."""
    return {
        "address": block.address,
        "size": block.size,
        "holders": block.holders,
        "leak": is_leak(block),
    }


def block_line(block: OwnedBlock) -> str:
    """The block in a line, marked if it is a leak."""
    held = (
        f", held {block.holders} {'time' if block.holders == 1 else 'times'}"
        if block.holders
        else ""
    )
    leak = "  LEAK" if is_leak(block) else ""
    return f"  {block.address:#x}: {block.size:,} bytes{held}{leak}"
