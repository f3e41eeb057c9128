"""The text of the homework program: its options, and every step as an answer or as a question.

This module alone defines that text, including its spaces: a question ends with "List? " if the
operations are random and with "List?" if they come from a list. A printed pointer includes the
header if the operations are random (a failure is then -1 plus the header), but not if they come
from a list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from glassheap.ostep.options import PRINTED
from glassheap.ostep.playing import Allocation, Skipped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from glassheap.model import Chunk
    from glassheap.ostep.playing import Freeing, Step

FAILED = -1


class Text(NamedTuple):
    """The format of the steps of one run."""

    answers: bool
    """True if the answers are printed, False if the questions are."""
    listed: bool
    """True if the operations come from a list, False if they are random."""
    header: int
    """Bytes of header in each block."""

    def step(self, step: Step) -> Iterator[str]:
        """The lines of a step, without the empty line at its end."""
        if isinstance(step, Skipped):
            yield "Invalid Free: Skipping"
            return
        yield from self._call(step)
        if self.answers:
            yield free_list(step.after)
        else:
            yield "List?" if self.listed else "List? "

    def pointer(self, block: int | None) -> int:
        """The number printed for an allocation's block, or for its failure (None)."""
        return (FAILED if block is None else block) + (0 if self.listed else self.header)

    def returned(self, step: Allocation | Freeing) -> int:
        """The number printed as the result of a call."""
        if isinstance(step, Allocation):
            return self.pointer(step.block)
        return FAILED if step.chunk is None else 0

    def _call(self, step: Allocation | Freeing) -> Iterator[str]:
        if isinstance(step, Allocation):
            yield f"ptr[{step.number}] = Alloc({step.size}) returned {self._returned(step)}"
        else:
            yield f"Free(ptr[{step.number}])"
            yield f"returned {self._code(step)}"

    def _returned(self, step: Allocation) -> str:
        if not self.answers:
            return "?"
        return f"{self.returned(step)} (searched {step.searched} elements)"

    def _code(self, step: Freeing) -> str:
        if not self.answers:
            return "?"
        return f"{self.returned(step)}"


def options(values: Mapping[str, object]) -> Iterator[str]:
    """The lines at the beginning of the output."""
    yield from (f"{name} {values[name]}" for name in PRINTED)
    yield ""


def free_list(chunks: Sequence[Chunk]) -> str:
    """The line for a free list."""
    return f"Free List [ Size {len(chunks)} ]: " + "".join(f"[ {element(c)} ]" for c in chunks)


def element(chunk: Chunk) -> str:
    """The text of an element."""
    return f"addr:{chunk.addr} sz:{chunk.sz}"
