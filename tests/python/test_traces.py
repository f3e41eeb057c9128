"""A trace is read exactly as it was written, and its oddities are noted; the package has traces.

The oracle is a naive interpretation of the file by names, without ids and arrays, that yields the
live sizes after each operation. The trace is run in the same naive way and must have the same
states. Random operations are written in every grammar, in every spelling that the grammar allows.
"""

from __future__ import annotations

import gzip
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassheap.traces import FREE, MALLOC, REALLOC, Trace, read
from trace_helpers import read_strictly, read_text, states

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    Writer = Callable[[list["Op"], random.Random], tuple[str, list["Op"]]]

Op = tuple[int, int, int]
"""Kind, the block's name in the file, size."""

SIZES = st.one_of(st.integers(0, 300), st.sampled_from([2**32, 2**63, 2**63 + 1, 2**64 - 1]))
NAMES = st.one_of(st.integers(0, 6), st.sampled_from([10**6, 2**40]))
FREES = st.tuples(st.just(FREE), NAMES, st.just(0))
TAKES = st.tuples(st.sampled_from([MALLOC, REALLOC]), NAMES, SIZES)
OPERATIONS = st.lists(st.one_of(FREES, TAKES), max_size=60)
CHAOS = st.randoms(use_true_random=False)


# --- The oracle -----------------------------------------------------------------------------------
def interpreted(operations: list[Op]) -> tuple[list[list[int]], Counter[str]]:
    """The sizes of the live blocks after each operation, and the oddities, by definition."""
    live: dict[int, int] = {}
    seen: set[int] = set()
    leaked: list[int] = []
    states: list[list[int]] = []
    oddities: Counter[str] = Counter()
    for kind, name, size in operations:
        if kind == FREE and name not in live:
            oddities["freed before" if name in seen else "never allocated"] += 1
            continue
        if kind == MALLOC and name in live:
            oddities["leaked"] += 1
            leaked.append(live[name])
        live[name] = size
        seen.add(name)
        if kind == FREE:
            del live[name]
        states.append(sorted([*live.values(), *leaked]))
    return states, oddities


def states_of(trace: Trace) -> list[list[int]]:
    return [sorted(live.values()) for live in states(trace)]


def assert_same(trace: Trace, operations: list[Op]) -> None:
    expected, oddities = interpreted(operations)
    assert states_of(trace) == expected
    assert trace.peak_live == max(map(sum, expected), default=0)
    assert sorted(set(trace.ids)) == list(range(trace.id_count))
    for reason, lines in oddities.items():
        assert [note.lines for note in trace.skipped if reason in note.reason] == [lines]


# --- Writers --------------------------------------------------------------------------------------
def letters(operations: list[Op], chaos: random.Random, end: str = "\n") -> list[str]:
    """The operations as `a`, `r` and `f` lines, in any valid spelling."""
    words = {MALLOC: ["a", "alloc", "a_"], REALLOC: ["r", "realloc"], FREE: ["f", "free"]}
    lines = []
    for kind, name, size in operations:
        parts = [chaos.choice(words[kind]), str(name)] + ([] if kind == FREE else [str(size)])
        blanks = chaos.choice([" ", "  ", "\t", " \t "])
        lines.append(blanks.join(parts) + chaos.choice(["", "", " ", "\t "]) + end)
    return lines


def with_noise(lines: list[str], chaos: random.Random, *noise: str) -> str:
    """The text of the lines, with up to three lines between them that are no operations."""
    for _ in range(chaos.randrange(4)):
        lines.insert(chaos.randrange(len(lines) + 1), chaos.choice(noise))
    return "".join(lines)


def as_script(operations: list[Op], chaos: random.Random) -> tuple[str, list[Op]]:
    lines = ["a 99 1\n", *letters(operations, chaos, chaos.choice(["\n", "\r\n"]))]
    noise = "\n", "# a 5 nonsense\n", "   \n", "  # Größe\n"
    return with_noise(lines, chaos, *noise), [(MALLOC, 99, 1), *operations]


def as_rep(operations: list[Op], chaos: random.Random) -> tuple[str, list[Op]]:
    first = chaos.choice([0, 1, 2, 3, 20000])
    header = chaos.choice(["{} 9 {} 1\n", "{}\n9\n{}\n1\n", "{} 9\n\n{} \n 1\n"])
    body = "".join(letters(operations, chaos))
    return header.format(first, len(operations)) + body, operations


def as_wee_alloc(operations: list[Op], chaos: random.Random) -> tuple[str, list[Op]]:
    """The grammar has no names, and no reallocations."""
    written: list[Op] = []
    lines: list[str] = []
    for kind, name, size in [(MALLOC, 0, 7), *operations]:
        count = sum(letter.startswith("Alloc") for letter in lines)
        free = kind == FREE
        written.append((FREE, name % (count + 2), 0) if free else (MALLOC, count, size))
        lines.append(f"Free({name % (count + 2)}),\n" if free else f"Alloc({size}),\n")
    text = with_noise(lines, chaos, "Recording: pass 1\n")
    return text.rstrip(chaos.choice(["", ",\n"])), written


def packed(text: str, chaos: random.Random) -> bytes:
    """The text as the bytes of a file: plain, with a byte-order mark, or compressed by gzip."""
    plain = chaos.choice([b"", b"\xef\xbb\xbf"]) + text.encode()
    return chaos.choice([plain, gzip.compress(plain)])


# --- Valid traces ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("writer", "grammar"),
    [(as_script, "CS107 script"), (as_rep, "CS:APP .rep"), (as_wee_alloc, "wee_alloc")],
)
@given(operations=OPERATIONS, chaos=CHAOS)
def test_a_trace_is_read_as_written(
    writer: Writer, grammar: str, operations: list[Op], chaos: random.Random
) -> None:
    text, written = writer(operations, chaos)
    trace = read_text(packed(text, chaos))
    assert trace.format == grammar
    assert_same(trace, written)


def test_the_columns_are_arrays_of_numbers_with_32_and_64_bits() -> None:
    trace = read_text("a 70 8\nr 5 16\nr 70 24\nf 5\na 5 0 \n")
    assert (list(trace.ids), trace.ids.typecode) == ([0, 1, 0, 1, 1], "I")
    assert (list(trace.sizes), trace.sizes.typecode) == ([8, 16, 24, 0, 0], "Q")
    assert (len(trace), trace.skipped) == (5, ())


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


# --- The traces in the package, and their README --------------------------------------------------
DATA = Path(str(files("glassheap") / "data"))
SHIPPED = sorted(DATA.glob("*.script.gz"))
each_trace = pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)


def test_the_package_has_a_trace() -> None:
    """Without a trace, the tests below would have no cases and pass."""
    assert SHIPPED


@each_trace
def test_a_trace_begins_with_a_description_and_is_long_enough_for_fragmentation(path: Path) -> None:
    text = gzip.decompress(path.read_bytes())
    assert text.startswith(b"# What ")
    assert text.count(b"\na ") > 1000


@each_trace
def test_the_file_is_small_and_has_no_date(path: Path) -> None:
    """Bytes 4 to 7 of a gzip file are a time. They are 0: the file depends on the trace alone."""
    assert len(path.read_bytes()) < 150_000
    assert path.read_bytes()[4:8] == bytes(4)


@each_trace
def test_a_trace_is_valid_and_its_totals_are_those_in_the_readme(path: Path) -> None:
    trace = read_strictly(gzip.decompress(path.read_bytes()).decode())
    a, r, f = map(trace.kinds.count, (MALLOC, REALLOC, FREE))
    blocks, left = 0, {}
    for left in states(trace):
        blocks = max(blocks, len(left))
    readme = (DATA / "README.md").read_text(encoding="utf-8")
    for statement in (
        f"`{path.name}`",
        f"| {len(trace):,}: {a:,} `a`, {r:,} `r`, {f:,} `f` |",
        f"| {trace.peak_live:,} bytes; at most {blocks:,} blocks at a time |",
        f"| {len(left)} blocks, {sum(left.values()):,} bytes ",
        f"| {path.stat().st_size:,} bytes, ",
    ):
        assert statement in readme
