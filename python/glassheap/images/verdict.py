"""The result of a check, as lines and as a dictionary."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from glassheap.images.wording import count_blocks, listed

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Verdict:
    """The result of the check of one image."""

    file: str
    bytes: int
    bad: str = ""
    """The name of the faulty field; empty if there is none."""
    sentence: str = ""
    """The meaning of that fault."""
    mendable: bool = True
    size: int = 0
    policy: str = ""
    headers: bool = True
    granule: int = 0
    """That of a heap of offsets; 0 for a heap with bytes."""
    checks: str = ""
    live_blocks: int = 0
    live_bytes: int = 0
    recovered: int = 0
    """Number of processes that died inside a call."""
    in_flight: list[int] | None = None
    """The first byte and the end of the range that a process was changing when it died."""
    users: list[int] = field(default_factory=list)
    """Process ids of the living processes that have attached."""
    findings: list[str] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    """Addresses of the blocks that are live by the block map, and are not after mending."""
    rebuilt: str = ""
    """The file that holds the original image, if a mended one was written."""

    @property
    def clean(self) -> bool:
        """True if the image has no fault, or has none after mending."""
        return bool(self.rebuilt) or not (self.findings or self.bad)

    def as_dict(self) -> dict[str, Any]:
        """The attributes, for JSON."""
        return {**asdict(self), "clean": self.clean}

    def lines(self) -> Iterator[str]:
        """The verdict in words, a line a fact."""
        yield f"{self.file}: {self.bytes:,} bytes"
        if self.policy:
            yield from self._heap()
        yield from self._faults()
        if not self.mendable:
            yield "verdict       bad; nothing can be rebuilt from it"
        else:
            yield from self._blocks_kept()

    def _heap(self) -> Iterator[str]:
        layout = "with headers" if self.headers else "no headers"
        yield f"size          {self.size:,} bytes"
        yield f"policy        {self.policy}"
        if self.granule:
            yield f"layout        offsets, granule {self.granule:,}"
        else:
            yield f"layout        {layout}, checks={self.checks!r}"
        yield f"blocks        {self.live_blocks:,} live, {self.live_bytes:,} bytes"
        yield f"recovered     after {self.recovered:,} deaths inside a call"
        if self.users:
            yield f"in use by     {listed(self.users, str)}"

    def _faults(self) -> Iterator[str]:
        if self.in_flight:
            start, end = self.in_flight
            yield (
                f"in flight     bytes {start:,} to {end:,} of the region: a process died in a call "
                "that was changing them, and the call is undone"
            )
        for finding in self.findings:
            yield f"finding       {finding}"
        if self.bad:
            yield f"bad field     {self.bad}: {self.sentence}"

    def _blocks_kept(self) -> Iterator[str]:
        live = count_blocks(self.live_blocks)
        if self.lost:
            yield f"lost          {count_blocks(len(self.lost))}, at {listed(self.lost, hex)}"
        if self.rebuilt:
            yield f"rebuilt       with {live}; the original is in {self.rebuilt}"
        elif self.bad or self.findings:
            yield f"verdict       bad; --rebuild would keep {live}"
        else:
            yield "verdict       clean"
