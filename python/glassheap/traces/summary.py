"""What is in a trace: operations, sizes, lifetimes, the peak, and the blocks that are left.

The figures are counted batch by batch, so a trace of any length takes little memory: a few words
for each block that lives at a time, and for each size that occurs.
"""

from __future__ import annotations

from array import array
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from glassheap.traces.tags import Tags
from glassheap.traces.trace import FREE, MALLOC, REALLOC, Columns

if TYPE_CHECKING:
    from collections.abc import Iterable

    from glassheap.traces.opening import Stream
    from glassheap.traces.tags import LiveFigures, TagFigures
    from glassheap.traces.trace import Note, Refused


class Bar(NamedTuple):
    """A bar of a histogram: the numbers from `first` to `last`, and how many there are."""

    first: int
    last: int
    number: int


class Summary:
    """The figures of a trace.  `Summary.of(stream)` reads it."""

    def __init__(self) -> None:
        self.kinds = Counter[int]()
        """The operations by kind."""
        self.sizes = Counter[int]()
        """The requests, mallocs and reallocs, by their sizes in bytes."""
        self.aligns = Counter[int]()
        """The requests by their alignments, of those that state one."""
        self.lifetimes = Counter[int]()
        """The freed blocks by the operations from the malloc to the free, in classes: 2**k has
        the lifetimes from 2**k to 2**(k+1) - 1."""
        self.threads: set[int] = set()
        """The threads that are stated."""
        self.refused = 0
        """The requests that failed in the program, a batch once."""
        self.first_refused: Refused | None = None
        """The first of them."""
        self.peak_bytes = 0
        """The maximum of the bytes requested in live blocks."""
        self.peak_blocks = 0
        """The live blocks at that moment."""
        self.peak_at = 0
        """The number of operations up to that moment."""
        self.peak_line = 0
        """The line of the last of these."""
        self.live_bytes = 0
        """The bytes in blocks that are live at the end."""
        self.live_blocks = 0
        """Their number."""
        self.latest = 0
        """The greatest time, in nanoseconds after the first."""
        self.name = self.format = ""
        self.skipped: tuple[Note, ...] = ()
        self.facts: tuple[str, ...] = ()
        """What the file says of itself: "command=python3 app.py", for example."""
        self._tags = Tags()
        self._tag_names: tuple[str, ...] = ()
        self._held = array("Q")  # the size of the block of each id
        self._born = array("Q")  # the operations before its malloc

    @classmethod
    def of(cls, stream: Stream) -> Summary:
        """The figures of a trace.  Raises what reading it raises.  O(n)."""
        summary = cls()
        for batch in stream:
            summary.add(batch)
        summary.name, summary.format, summary.skipped = stream.name, stream.format, stream.skipped
        summary.facts = stream.facts
        summary._tag_names = stream.tag_names
        return summary

    @property
    def operations(self) -> int:
        """The number of operations."""
        return self.kinds.total()

    @property
    def tags(self) -> list[TagFigures]:
        """The requests by their tags, those with the most bytes first."""
        return self._tags.requested(self._tag_names)

    @property
    def live_tags(self) -> list[LiveFigures]:
        """The blocks that are live at the end by the tags of their mallocs, the most bytes first.

        Empty if no tag is stated.
        """
        return self._tags.live(self._held, (self.live_blocks, self.live_bytes), self._tag_names)

    @property
    def requested(self) -> int:
        """The bytes of all requests together."""
        return sum(size * count for size, count in self.sizes.items())

    def add(self, batch: Columns) -> None:
        """Count the next operations."""
        self._count_live(batch)
        self.kinds.update(batch.kinds)
        requested = [kind != FREE for kind in batch.kinds]
        self.sizes.update(
            size for size, is_one in zip(batch.sizes, requested, strict=True) if is_one
        )
        self.aligns.update(align for align in batch.aligns if align)
        self.threads.update(batch.threads)
        self.threads.discard(0)
        self.latest = max([self.latest, *batch.times])
        self._tags.add(batch, len(self._held))
        refused = [one for one in batch.refused if not one.is_part]
        self.refused += len(refused)
        self.first_refused = self.first_refused or next(iter(refused), None)

    def _count_live(self, batch: Columns) -> None:
        """Follow the live blocks."""
        held, born = self._held, self._born
        for done, (kind, block, size, line) in enumerate(
            zip(batch.kinds, batch.ids, batch.sizes, batch.lines, strict=True), self.operations
        ):
            if kind == FREE:
                self.lifetimes[power_below(done - born[block])] += 1
                self.live_blocks -= 1
            elif kind == MALLOC:
                if block == len(held):
                    held.append(0)
                    born.append(0)
                born[block] = done
                self.live_blocks += 1
            self.live_bytes += size - held[block]
            held[block] = size
            if self.live_bytes > self.peak_bytes:
                self.peak_bytes, self.peak_blocks = self.live_bytes, self.live_blocks
                self.peak_at, self.peak_line = done + 1, line

    def size_classes(self) -> list[Bar]:
        """The histogram of the sizes of the requests, in powers of two."""
        classes = Counter[int]()
        for size, count in self.sizes.items():
            classes[power_below(size)] += count
        return in_classes(classes)

    def lifetime_classes(self) -> list[Bar]:
        """The histogram of the lifetimes of the freed blocks, in powers of two."""
        return in_classes(self.lifetimes)

    def size_quantile(self, share: float) -> int:
        """The smallest size that is as large as this share of the requests; 0 without any."""
        wanted = share * self.sizes.total()
        seen = 0
        for size in sorted(self.sizes):
            seen += self.sizes[size]
            if seen >= wanted:
                return size
        return 0

    def as_dict(self) -> dict[str, object]:
        """The figures by name, in types that `json.dumps` accepts."""
        refused = self.first_refused
        return {
            "trace": self.name,
            "format": self.format,
            "facts": dict(fact.partition("=")[::2] for fact in self.facts),
            "operations": self.operations,
            "mallocs": self.kinds[MALLOC],
            "reallocs": self.kinds[REALLOC],
            "frees": self.kinds[FREE],
            "requested_bytes": self.requested,
            "smallest_size": min(self.sizes, default=None),
            "median_size": self.size_quantile(0.5) if self.sizes else None,
            "largest_size": max(self.sizes, default=None),
            "peak_bytes": self.peak_bytes,
            "peak_blocks": self.peak_blocks,
            "peak_operation": self.peak_at,
            "peak_line": self.peak_line,
            "leaked_blocks": self.live_blocks,
            "leaked_bytes": self.live_bytes,
            "failed_requests": self.refused,
            "first_failed_request": refused._asdict() if refused else None,
            "alignments": {str(align): count for align, count in sorted(self.aligns.items())},
            "threads": len(self.threads),
            "nanoseconds": self.latest,
            "tags": [figures._asdict() for figures in self.tags],
            "leaked_tags": [figures._asdict() for figures in self.live_tags],
            "sizes": [bar._asdict() for bar in self.size_classes()],
            "lifetimes": [bar._asdict() for bar in self.lifetime_classes()],
            "skipped": [note._asdict() for note in self.skipped],
        }


def power_below(number: int) -> int:
    """The largest power of two that is not above `number`; 0 for 0."""
    return 1 << (number.bit_length() - 1) if number else 0


def in_classes(powers: Counter[int]) -> list[Bar]:
    """The bars of a histogram, the empty ones between others included."""
    if not powers:
        return []
    return [Bar(low, max(0, 2 * low - 1), powers[low]) for low in powers_between(powers)]


def powers_between(powers: Iterable[int]) -> list[int]:
    """0 and the powers of two, from the smallest that occurs to the largest."""
    smallest, largest = min(powers), max(powers)
    steps = [0, *(1 << k for k in range(largest.bit_length()))]
    return [step for step in steps if smallest <= step <= largest]
