"""The calls of malloc's family, as tools record them: a function, its arguments and its result.

A block's name is its address.  A realloc that moves its block is a resize and a change of name.  A
result of NULL is a request that failed, except that `realloc(p, 0)` may free the block.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from glassheap.traces.source import NULL, PLAIN, RENAME, Details, Operation
from glassheap.traces.trace import FREE, LARGEST_SIZE, MALLOC, REALLOC

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZE, COUNT, ALIGN, BLOCK = "size", "count", "align", "block"

Shape = tuple[str, ...]
"""The meanings of a function's arguments, in order."""

SHAPES: dict[str, Shape] = {
    "malloc": (SIZE,),
    "calloc": (COUNT, SIZE),
    "realloc": (BLOCK, SIZE),
    "reallocarray": (BLOCK, COUNT, SIZE),
    "free": (BLOCK,),
    "cfree": (BLOCK,),
    "memalign": (ALIGN, SIZE),
    "aligned_alloc": (ALIGN, SIZE),
    "valloc": (SIZE,),
    "pvalloc": (SIZE,),
    "__builtin_new": (SIZE,),
    "__builtin_vec_new": (SIZE,),
    "__builtin_delete": (BLOCK,),
    "__builtin_vec_delete": (BLOCK,),
}

NEW = ("_Znw", "_Zna", "operator new")
DELETE = ("_Zdl", "_Zda", "operator delete")
ALIGNED = "align_val_t"

NO_RESULT = "call whose result is not in the file, skipped"


def number_of(word: bytes) -> int:
    """A number in decimal digits, or in hexadecimal ones after 0x; ValueError for another word."""
    return int(word, 16 if word.startswith(b"0x") else 10)


@lru_cache(maxsize=4096)
def shape_of(name: bytes) -> Shape:
    """The arguments of a function of malloc's family; () for any other function."""
    text = name.decode()
    if text.startswith(NEW):
        return (SIZE, ALIGN) if ALIGNED in text else (SIZE,)
    if text.startswith(DELETE):
        return (BLOCK,)
    return SHAPES.get(text, ())


def operations_of(
    line: int,
    shape: Shape,
    arguments: Sequence[int],
    result: int,
    details: Details = PLAIN,
    time: int | None = None,
) -> list[Operation]:
    """The operations of one call.  Raises ValueError if and only if an argument is missing."""
    if len(arguments) < len(shape):
        raise ValueError
    if shape == (BLOCK,):
        return [release(line, arguments[0], details, time)]
    if shape == (SIZE,):
        return [allocation(line, result, min(arguments[0], LARGEST_SIZE), details, time)]
    given = dict(zip(shape, arguments, strict=False))  # a tool may print more than there are
    size = min(given.get(COUNT, 1) * given[SIZE], LARGEST_SIZE)
    if ALIGN in given:
        details = details._replace(align=given[ALIGN])
    if given.get(BLOCK):
        return reallocation(line, given[BLOCK], size, result, details, time)
    return [allocation(line, result, size, details, time)]


def allocation(
    line: int, address: int, size: int, details: Details = PLAIN, time: int | None = None
) -> Operation:
    """A malloc; it failed if the address is 0."""
    if not address:
        details = details._replace(failed=True)
    return line, MALLOC, address, size, details, time


def reallocation(
    line: int,
    old: int,
    size: int,
    new: int,
    details: Details = PLAIN,
    time: int | None = None,
) -> list[Operation]:
    """A realloc of the block at `old`, not NULL."""
    if not new and not size:
        return [release(line, old, details, time)]
    if not new:
        return [(line, REALLOC, old, size, details._replace(failed=True), time)]
    resized: list[Operation] = [(line, REALLOC, old, size, details, time)]
    return resized if new == old else [*resized, (line, RENAME, old, new, PLAIN, None)]


def release(
    line: int, address: int, details: Details = PLAIN, time: int | None = None
) -> Operation:
    """A free."""
    return line, FREE, address or NULL, 0, details, time
