"""Read traces, and run them by the definition of `Trace`, without a heap."""

from __future__ import annotations

import io
import json
import pickle
from array import array
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from glassheap.traces import FREE, MALLOC, REALLOC, Columns, Trace, read
from recording_oracle import FACT, FAILED_MALLOC, RESET, TAG, Call, Mark, recording

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KINDS = {"a": MALLOC, "r": REALLOC, "f": FREE}

RECORDED = Path(__file__).with_name("data") / "traces"
"""The recordings of other tools."""

SHORT = {
    "script": b"# a comment\na 0 8\nr 0 16\na 70 5\nf 0\nf 1\n",
    "rep": b"20000\n2\n4\n1\na 0 8\na 1 100\nr 0 50\nf 1\n",
    "wee_alloc": b"run\nAlloc(552),\nAlloc(120),\nFree(0),\n",
    "ostep": b"+10,+7,-0,+3\n",
}
"""A text in each format that no tool here records."""


def samples() -> dict[str, bytes]:
    """A file in each format that can be read, by a name."""
    found = {path.name: path.read_bytes() for path in RECORDED.iterdir() if path.suffix != ".c"}
    snapshot = json.loads(found["snapshot.json"])
    pickles = {f"snapshot.pickle.{n}": pickle.dumps(snapshot, protocol=n) for n in (2, 3, 4, 5)}
    return {**SHORT, **found, **pickles, "app.trace": recorded()}


def recorded() -> bytes:
    """A recording of glassheap with each kind of call and mark, in frames and an open block."""
    calls: list[Call | Mark] = [
        Mark(FACT, 0, b"command=app"), Mark(TAG, 3, b"main"),
        *(Call(MALLOC, 4096 * n, 10 * n, align=16, tag=3, thread=n % 3, time=n) for n in range(9)),
        Call(FAILED_MALLOC, size=2**40, tag=3, time=20), Call(FREE, 4096, time=21),
        Call(REALLOC, 8192, 7, result=4096, time=22), Call(FREE, 64, time=23),
    ]  # fmt: skip
    return recording([calls, [Mark(RESET), *calls[2:6]]], calls[6:])


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


def states(trace: Columns) -> Iterator[dict[int, int]]:
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


def with_aligns(trace: Trace, aligns: Sequence[int]) -> Trace:
    """The trace with these alignments, repeated; none for a free."""
    wanted = cycle(aligns)
    column = [0 if kind == FREE else next(wanted) for kind in trace.kinds]
    return replace(trace, aligns=array("Q", column))
