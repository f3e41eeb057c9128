"""The reasons for the result of a step, one sentence a line.

For an allocation: the bytes needed, each element searched, in list order, with the reason why it
was refused or chosen, and the split. For a free: the chunk, its place in the list by the list's
order, and the merges. The reasons are derived from the list before the step and the rules of
`glassheap.model.free_list`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from glassheap.model import inserted, merged
from glassheap.ostep.playing import Allocation, Skipped
from glassheap.ostep.printing import FAILED, element

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from glassheap.model import Chunk, Fit, FreeList, Order
    from glassheap.ostep.playing import Freeing, Step
    from glassheap.ostep.printing import Text

CHOSEN: dict[Fit, str] = {
    "first": "the first that is large enough",
    "best": "the smallest that is large enough",
    "worst": "the largest",
}

PUTS: dict[Order, str] = {
    "address": "the list is sorted by address, which puts it at",
    "size+": "the list is sorted by size, smallest first, which puts it at",
    "size-": "the list is sorted by size, largest first, which puts it at",
    "front": "it goes to the front of the list, which is",
    "back": "it goes to the back of the list, which is",
}


def sentences(step: Step, free_list: FreeList, text: Text) -> Iterator[str]:
    """The sentences about a step just made on `free_list`, which `text` prints."""
    if isinstance(step, Skipped):
        had = _count(step.successes, "allocation has", "allocations have")
        yield f"{step.number} is not below {step.successes}: {had} succeeded so far"
    elif isinstance(step, Allocation):
        yield from _allocation(step, free_list, text)
    else:
        yield from _freeing(step, free_list)


# --- Allocations ----------------------------------------------------------------------------------
def _allocation(step: Allocation, free_list: FreeList, text: Text) -> Iterator[str]:
    yield _need(step, free_list)
    yield from _search(step, free_list.fit)
    if step.chosen is None:
        yield _failure(step, text)
    else:
        yield _split(step.before[step.chosen], step)


def _need(step: Allocation, free_list: FreeList) -> str:
    """The extent of the block, with its rounding and its header."""
    parts = [f"asked for {step.size}"]
    rounded = step.need - free_list.header
    if rounded != step.size:
        parts.append(f"rounded up to {rounded}, a multiple of {free_list.align}")
    if free_list.header:
        parts.append(f"and {free_list.header} of header")
    return f"needs {_bytes(step.need)}: {', '.join(parts)}"


def _search(step: Allocation, fit: Fit) -> Iterator[str]:
    """A line for each element searched, in list order."""
    searched = step.before[: step.searched]
    width = max((len(element(chunk)) for chunk in searched), default=0)
    for index, chunk in enumerate(searched):
        yield f"[{index}] {element(chunk):<{width}}  {_decision(index, step, fit)}"
    left = len(step.before) - step.searched
    if left:
        yield f"the search ends here: {_count(left, 'element is', 'elements are')} not searched"


def _decision(index: int, step: Allocation, fit: Fit) -> str:
    """The decision about the element at `index`, with its reason."""
    missing = step.need - step.before[index].sz
    if missing > 0 or step.chosen is None:  # without a choice, every element is too small
        return f"refused: {_bytes(missing)} too small"
    if index == step.chosen:
        return f"chosen: {CHOSEN[fit]}" + (", an exact fit" if missing == 0 else "")
    return f"refused: large enough, but {_preference(index, step.chosen, step, fit)}"


def _preference(index: int, chosen: int, step: Allocation, fit: Fit) -> str:
    """The reason why the element at `chosen` is better than the one at `index`."""
    if step.before[index].sz == step.before[chosen].sz:
        return f"[{chosen}] has the same size and is earlier in the list"
    return f"[{chosen}] is {'smaller' if fit == 'best' else 'larger'}"


def _failure(step: Allocation, text: Text) -> str:
    free = sum(chunk.sz for chunk in step.before)
    printed = text.pointer(None)
    note = "" if printed == FAILED else f", printed as {printed} because the header is added to it"
    result = f"returns {FAILED}{note}; nothing has changed"
    if not step.before:
        return f"fails, because the list is empty: {result}"
    total = f"all together have {_bytes(free)}"
    why = f"though {total}" if free >= step.need else total
    return f"fails, because no element is large enough ({why}): {result}"


def _split(chunk: Chunk, step: Allocation) -> str:
    """The change to the chosen element."""
    if chunk.sz == step.need:
        return f"takes the whole of [{step.chosen}], which leaves the list"
    rest = chunk._replace(addr=chunk.addr + step.need, sz=chunk.sz - step.need)
    taken = f"splits [{step.chosen}]: takes {_bytes(step.need)} at {chunk.addr}"
    return f"{taken}; {element(rest)} stays at its place in the list"


# --- Frees ----------------------------------------------------------------------------------------
def _freeing(step: Freeing, free_list: FreeList) -> Iterator[str]:
    if step.chunk is None:
        why = "was freed before" if step.existed else "has no block: its allocation failed"
        yield f"ptr[{step.number}] {why}; returns {FAILED}, and nothing has changed"
        return
    yield _freed(step, step.chunk)
    longer = inserted(step.before, step.chunk, free_list.order)
    yield _place(step, step.chunk, longer, free_list.order)
    if free_list.coalesce:
        yield from _merges(longer)
        yield from _not_merged(step.after, step.chunk)
    else:
        yield "coalescing is off: nothing is merged"


def _freed(step: Freeing, chunk: Chunk) -> str:
    if step.owner == step.number:
        return f"frees {element(chunk)}"
    return (
        f"ptr[{step.number}] was freed before, and its address was reused: "
        f"this frees {element(chunk)}, the block of ptr[{step.owner}]"
    )


def _place(step: Freeing, chunk: Chunk, longer: Sequence[Chunk], order: Order) -> str:
    index = next(i for i, other in enumerate(longer) if other is chunk)
    others = [other for other in longer if other is not chunk]
    text = f"{PUTS[order]} place [{index}] of {len(longer)}"
    if others != step.before:
        text += "; elements split since the last sort change places too"
    return text


def _merges(longer: Sequence[Chunk]) -> Iterator[str]:
    """A line for each run of elements that the pass merges."""
    runs = _runs(longer)
    for run in runs:
        if len(run) > 1:
            pieces = " + ".join(element(chunk) for chunk in run)
            yield f"merges {pieces} = {element(merged(run)[0])}"
    if len(runs) == len(longer):
        yield "merges nothing: no element ends where the next one in the list begins"


def _runs(chunks: Sequence[Chunk]) -> list[list[Chunk]]:
    """The list split into runs; in a run each element begins at the end of its predecessor."""
    runs = [[chunk] for chunk in chunks[:1]]
    for before, chunk in pairwise(chunks):
        if chunk.addr == before.end:
            runs[-1].append(chunk)
        else:
            runs.append([chunk])
    return runs


def _not_merged(after: Sequence[Chunk], freed: Chunk) -> Iterator[str]:
    """A line for each element adjacent to the freed chunk that the list's order keeps separate."""
    own = next(chunk for chunk in after if chunk.addr <= freed.addr and freed.end <= chunk.end)
    for left, right in [(other, own) for other in after] + [(own, other) for other in after]:
        if left is not right and left.end == right.addr:
            yield (
                f"does not merge {element(left)} and {element(right)}, which are adjacent: "
                "the first is not directly before the second in the list"
            )


def _bytes(number: int) -> str:
    return _count(number, "byte", "bytes")


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
