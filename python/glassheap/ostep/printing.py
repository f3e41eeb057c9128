"""The text of the homework program: its options, and every step as an answer or as a question.

This is the one place that knows that text, down to its spaces: a question ends with "List? " if
the operations are random and with "List?" if they come from a list. A pointer is printed with the
header added where the operations are random (a failure is then -1 plus the header), and without it
where they come from a list.
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
    """How the steps of one run are printed."""

    answers: bool
    listed: bool
    """Whether the operations come from a list."""
    header: int

    def step(self, step: Step) -> Iterator[str]:
        """The lines of a step, without the empty one that ends it."""
        if isinstance(step, Skipped):
            yield "Invalid Free: Skipping"
            return
        yield from self._call(step)
        if self.answers:
            yield free_list(step.after)
        else:
            yield "List?" if self.listed else "List? "

    def pointer(self, block: int | None) -> int:
        """What is printed for a block that an allocation returned, or for a failure."""
        return (FAILED if block is None else block) + (0 if self.listed else self.header)

    def _call(self, step: Allocation | Freeing) -> Iterator[str]:
        if isinstance(step, Allocation):
            yield f"ptr[{step.number}] = Alloc({step.size}) returned {self._returned(step)}"
        else:
            yield f"Free(ptr[{step.number}])"
            yield f"returned {self._code(step)}"

    def _returned(self, step: Allocation) -> str:
        if not self.answers:
            return "?"
        return f"{self.pointer(step.block)} (searched {step.searched} elements)"

    def _code(self, step: Freeing) -> str:
        if not self.answers:
            return "?"
        return f"{FAILED if step.chunk is None else 0}"


def options(values: Mapping[str, object]) -> Iterator[str]:
    """The lines that the output begins with."""
    yield from (f"{name} {values[name]}" for name in PRINTED)
    yield ""


def free_list(chunks: Sequence[Chunk]) -> str:
    """The line that shows a free list."""
    return f"Free List [ Size {len(chunks)} ]: " + "".join(f"[ {element(c)} ]" for c in chunks)


def element(chunk: Chunk) -> str:
    """How an element is written."""
    return f"addr:{chunk.addr} sz:{chunk.sz}"
