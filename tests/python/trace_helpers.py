"""Read traces, and run them by the definition of `Trace`, without a heap."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from glassheap.traces import FREE, MALLOC, REALLOC, Trace, read

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = {"a": MALLOC, "r": REALLOC, "f": FREE}


def read_text(text: str | bytes) -> Trace:
    """The trace in a file with this content; its name is "t"."""
    return read(io.BytesIO(text.encode() if isinstance(text, str) else text), "t")


def read_strictly(script: str) -> Trace:
    """The trace in a script in which every operation is valid as it stands.

    Otherwise the test fails: an `a` with a live ID, and an `r` or `f` with an ID that is not live.
    """
    trace = read_text(script)
    assert trace.skipped == ()
    written = [KINDS[line[0]] for line in script.splitlines() if not line.startswith("#")]
    assert list(trace.kinds) == written
    return trace


def states(trace: Trace) -> Iterator[dict[int, int]]:
    """The sizes of the live blocks by ID after each operation, always in the same dictionary.

    Every promise of `Trace` about its operations is checked.
    """
    live: dict[int, int] = {}
    for kind, block, size in zip(trace.kinds, trace.ids, trace.sizes, strict=True):
        assert (block in live) == (kind != MALLOC)
        if kind == FREE:
            assert size == 0
            del live[block]
        else:
            live[block] = size
        yield live
