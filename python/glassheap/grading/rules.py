"""What the C standard says about calls that few traces make, as a trace of its own.

Here alone a free or a realloc may have an id without a block: it is then called with NULL.
"""

from __future__ import annotations

from array import array

from glassheap.traces import FREE, MALLOC, REALLOC, Trace

NAME = "(rules of malloc)"

OPERATIONS = (
    (REALLOC, 0, 40),  # realloc(NULL, n) is malloc(n)
    (FREE, 1, 0),  # free(NULL) does nothing
    (MALLOC, 2, 0),  # NULL, or a block that can be resized and freed
    (REALLOC, 2, 24),
    (REALLOC, 0, 4000),  # grows
    (MALLOC, 3, 100),
    (REALLOC, 0, 10),  # shrinks
    (REALLOC, 3, 0),  # NULL, or a block
    (REALLOC, 3, 16),
    (MALLOC, 4, 2**64 - 1),  # a header more, and the size has wrapped around
    (MALLOC, 4, 2**64 - 40),
    (MALLOC, 4, 2**63),
    (REALLOC, 0, 2**64 - 1),  # NULL, and the block stays as it is
    (FREE, 0, 0),
    (FREE, 2, 0),
    (FREE, 3, 0),
)


def trace_of_rules(*, with_realloc: bool) -> Trace:
    """The trace, without what needs realloc if the library has none."""
    chosen = [one for one in OPERATIONS if with_realloc or one[0] != REALLOC]
    kinds, ids, sizes = zip(*chosen, strict=True)
    return Trace(
        name=NAME,
        format="rules",
        kinds=bytearray(kinds),
        ids=array("I", ids),
        sizes=array("Q", sizes),
        lines=array("Q", range(1, 1 + len(ids))),
        id_count=1 + max(ids),
        peak_live=4100,
        tag_names=("",),
        skipped=(),
    )
