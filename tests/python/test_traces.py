"""A trace is read exactly as it was written, and its oddities are noted.

The oracle is a naive interpretation of the file by names, without ids and arrays, that yields the
live sizes after each operation. The trace is run in the same naive way and must have the same
states. Random operations are written in every grammar, in every spelling that the grammar allows.
"""

from __future__ import annotations

import gzip
import io
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassheap.traces import FREE, MALLOC, REALLOC, Trace, read

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

Op = tuple[int, int, int]
"""Kind, the block's name in the file, size."""

SIZES = st.one_of(st.integers(0, 300), st.sampled_from([2**32, 2**63, 2**63 + 1, 2**64 - 1]))
NAMES = st.one_of(st.integers(0, 6), st.sampled_from([10**6, 2**40]))
FREES = st.tuples(st.just(FREE), NAMES, st.just(0))
TAKES = st.tuples(st.sampled_from([MALLOC, REALLOC]), NAMES, SIZES)
OPERATIONS = st.lists(st.one_of(FREES, TAKES), max_size=60)
CHAOS = st.randoms(use_true_random=False)


# --- The oracle -----------------------------------------------------------------------------------
class Reading:
    """The states and oddities of a sequence of operations, by definition."""

    def __init__(self, operations: list[Op]) -> None:
        self.live: dict[int, int] = {}
        self.seen: set[int] = set()
        self.leaked: list[int] = []
        self.states: list[list[int]] = []
        self.oddities: Counter[str] = Counter()
        for operation in operations:
            self.follow(*operation)

    def follow(self, kind: int, name: int, size: int) -> None:
        if kind == FREE and name not in self.live:
            self.oddities["freed before" if name in self.seen else "never allocated"] += 1
            return
        if kind == FREE:
            del self.live[name]
        elif kind == MALLOC and name in self.live:
            self.oddities["leaked"] += 1
            self.leaked.append(self.live[name])
        if kind != FREE:
            self.live[name] = size
            self.seen.add(name)
        self.states.append(sorted([*self.live.values(), *self.leaked]))


def states_of(trace: Trace) -> list[list[int]]:
    """Run a trace and check every promise of `Trace` about its operations."""
    live: dict[int, int] = {}
    states = []
    for kind, block, size in zip(trace.kinds, trace.ids, trace.sizes, strict=True):
        assert (block in live) == (kind != MALLOC)
        if kind == FREE:
            assert size == 0
            del live[block]
        else:
            live[block] = size
        states.append(sorted(live.values()))
    return states


def assert_same(trace: Trace, operations: list[Op]) -> None:
    oracle = Reading(operations)
    assert states_of(trace) == oracle.states
    assert trace.peak_live == max(map(sum, oracle.states), default=0)
    assert sorted(set(trace.ids)) == list(range(trace.id_count))
    for reason, lines in oracle.oddities.items():
        assert [note.lines for note in trace.skipped if reason in note.reason] == [lines]


# --- Writers --------------------------------------------------------------------------------------
def blanks(chaos: random.Random) -> str:
    return chaos.choice([" ", "  ", "\t", " \t "])


def letters(operations: list[Op], chaos: random.Random, end: str = "\n") -> list[str]:
    """The operations as `a`, `r` and `f` lines, in any valid spelling."""
    words = {MALLOC: ["a", "alloc", "a_"], REALLOC: ["r", "realloc"], FREE: ["f", "free"]}
    lines = []
    for kind, name, size in operations:
        parts = [chaos.choice(words[kind]), str(name)] + ([] if kind == FREE else [str(size)])
        lines.append(blanks(chaos).join(parts) + chaos.choice(["", "", " ", "\t "]) + end)
    return lines


def as_script(operations: list[Op], chaos: random.Random) -> str:
    lines = ["a 99 1\n", "f 99\n", *letters(operations, chaos, chaos.choice(["\n", "\r\n"]))]
    for _ in range(chaos.randrange(4)):
        noise = chaos.choice(["\n", "# a 5 nonsense\n", "   \n", "  # Größe\n"])
        lines.insert(chaos.randrange(len(lines) + 1), noise)
    return "".join(lines)


def as_rep(operations: list[Op], chaos: random.Random) -> str:
    first = chaos.choice([0, 1, 2, 3, 20000])
    header = chaos.choice(["{} 9 {} 1\n", "{}\n9\n{}\n1\n", "{} 9\n\n{} \n 1\n"])
    body = ["a 99 1\n", "f 99\n", *letters(operations, chaos)]
    return header.format(first, len(body)) + "".join(body)


def packed(text: str, chaos: random.Random) -> bytes:
    """The text as the bytes of a file: plain, with a byte-order mark, or compressed by gzip."""
    mark = chaos.choice([b"", b"\xef\xbb\xbf"])
    plain = mark + text.encode()
    return chaos.choice([plain, gzip.compress(plain)])


def read_text(text: str | bytes) -> Trace:
    return read(io.BytesIO(text.encode() if isinstance(text, str) else text), "t")


# --- Valid traces ---------------------------------------------------------------------------------
@pytest.mark.parametrize(("writer", "grammar"), [(as_script, "CS107 script"), (as_rep, "CS:APP")])
@given(operations=OPERATIONS, chaos=CHAOS)
def test_a_script_or_rep_trace_is_read_as_written(
    writer: Callable[[list[Op], random.Random], str],
    grammar: str,
    operations: list[Op],
    chaos: random.Random,
) -> None:
    trace = read_text(packed(writer(operations, chaos), chaos))
    assert trace.format.startswith(grammar)
    assert_same(trace, [(MALLOC, 99, 1), (FREE, 99, 0), *operations])


@given(choices=st.lists(st.one_of(SIZES, st.none()), max_size=60), chaos=CHAOS)
def test_a_wee_alloc_trace_is_read_as_written(
    choices: list[int | None], chaos: random.Random
) -> None:
    lines, operations, count = ["Alloc(7),\n"], [(MALLOC, 0, 7)], 1
    for choice in choices:
        if choice is None:
            index = chaos.randrange(count + 2)
            lines.append(f"Free({index}),\n")
            operations.append((FREE, index, 0))
        else:
            lines.append(f"Alloc({choice}),\n")
            operations.append((MALLOC, count, choice))
            count += 1
    noise = chaos.randrange(3)
    for _ in range(noise):
        lines.insert(chaos.randrange(len(lines) + 1), "Recording: pass 1\n")
    trace = read_text(packed("".join(lines).rstrip(chaos.choice(["", ",\n"])), chaos))
    assert trace.format == "wee_alloc"
    assert_same(trace, operations)
    assert [note.lines for note in trace.skipped if "ignored" in note.reason] == [noise] * (
        noise > 0
    )


def test_operations_keep_their_order_kind_and_size() -> None:
    trace = read_text("a 70 8\nr 5 16\nr 70 24\nf 5\na 5 0\n")
    assert list(trace.kinds) == [MALLOC, MALLOC, REALLOC, FREE, MALLOC]
    assert list(trace.ids) == [0, 1, 0, 1, 1]
    assert list(trace.sizes) == [8, 16, 24, 0, 0]
    assert (len(trace), trace.id_count, trace.peak_live) == (5, 2, 40)
    assert (trace.ids.typecode, trace.sizes.typecode) == ("I", "Q")


def test_the_format_is_read_from_the_content_and_not_from_the_suffix(tmp_path: Path) -> None:
    path = tmp_path / "script.rep"
    path.write_bytes(gzip.compress(b"Alloc(1),\n"))
    trace = read(path)
    assert (trace.format, trace.name) == ("wee_alloc", str(path))


# --- Oddities -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "reason", "lines", "first", "misuse"),
    [
        ("a 0 1\n\nf 1\nf 2\nf 1\n", "never allocated", 3, 3, True),
        ("a 0 1\nf 0\n#\nf 0\n", "freed before", 1, 4, True),
        ("a 0 1\na 0 2\na 0 3\n", "leaked", 2, 2, False),
        ("a 0 1\nf -1\n", "NULL", 1, 2, False),
        ("0 1 9 1\na 0 1\n", "announces 9 operations, the file has 1", 1, 1, False),
        ("0\n1\n0\n1\na 0 1\n", "announces 0 operations, the file has 1", 1, 4, False),
        ("run 1:\nAlloc(1),\n\nbye\n", "ignored", 2, 1, False),
        ("Alloc(1),\nFree(1),\nAlloc(5),\n", "never allocated", 1, 2, True),
    ],
)
def test_an_oddity_is_noted_with_its_count_and_first_line(
    text: str, reason: str, lines: int, first: int, misuse: bool
) -> None:
    (note,) = read_text(text).skipped
    assert reason in note.reason
    assert (note.lines, note.first_line, note.misuse) == (lines, first, misuse)
    assert str(first) in str(note)


def test_a_block_allocated_with_id_minus_1_is_never_freed() -> None:
    trace = read_text("0 1 4 1\na -1 8\nr -1 16\nf -1\nr -1 1\n")
    assert states_of(trace) == [[8], [8, 16], [1, 8, 16]]


def test_an_ordinary_trace_has_no_notes() -> None:
    assert read_text("2 1 2 8\na 0 8 \nf 0\n").skipped == ()
