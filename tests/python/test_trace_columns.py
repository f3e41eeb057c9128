"""The operations of a trace in columns: what they hold, and how they stream.

The operations here are those that a grammar's module yields, so the tests need no file format.
"""

from __future__ import annotations

import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassheap.traces import (
    FREE,
    MALLOC,
    REALLOC,
    Columns,
    Stream,
    normalising,
    read,
    source,
    stream,
)
from glassheap.traces.freed_names import FreedNames
from glassheap.traces.normalising import Normaliser
from glassheap.traces.source import NULL, PIECE, PLAIN, RENAME, Details, Operation
from glassheap.traces.trace import Notes

A, B, C = 0x1000, 0x2000, 0x3000


def normalised(*operations: Operation, addresses: bool = True) -> tuple[Columns, Notes]:
    """The operations as columns, and the notes; the names of blocks are addresses."""
    notes, whole = Notes(), Columns()
    for batch in Normaliser(operations, notes, addresses=addresses).batches():
        whole.extend(batch)
    whole.complete()
    return whole, notes


def rows(columns: Columns) -> list[tuple[int, int, int]]:
    return [*zip(columns.kinds, columns.ids, columns.sizes, strict=True)]


# --- Details --------------------------------------------------------------------------------------
def test_a_column_that_the_file_says_nothing_of_is_empty() -> None:
    whole, _ = normalised((1, MALLOC, A, 8, PLAIN, None), (2, FREE, A, 0, PLAIN, None))
    assert list(whole.lines) == [1, 2]
    assert [*whole.aligns, *whole.tags, *whole.threads, *whole.times] == []


def test_a_column_has_an_entry_for_each_operation_if_it_has_one() -> None:
    whole, notes = normalised(
        (1, MALLOC, A, 8, PLAIN, None),
        (2, MALLOC, B, 8, Details(align=64, tag="image", thread=7), 1500),
        (3, FREE, B, 0, PLAIN, None),
        (4, MALLOC, B, 8, Details(tag="text", thread=2**64 - 1), 2500),
        (5, MALLOC, C, 8, Details(tag="image"), None),
        (6, FREE, C, 0, PLAIN, None),
    )
    assert list(whole.aligns) == [0, 64, 0, 0, 0, 0]
    assert list(whole.tags) == [0, 1, 0, 2, 1, 0]
    assert list(whole.threads) == [0, 7, 0, 2**64 - 1, 0, 0]
    assert list(whole.times) == [0, 0, 0, 1000, 0, 0]
    assert notes.all() == ()


def test_times_far_apart_and_strange_alignments_do_no_harm() -> None:
    whole, notes = normalised(
        (1, MALLOC, A, 1, Details(align=3), 2**64),
        (2, MALLOC, B, 1, Details(align=2**64), 0),
        (3, MALLOC, C, 1, Details(align=2**63), 2**70),
    )
    assert list(whole.times) == [0, 1 - 2**63, 2**63 - 1]
    assert list(whole.aligns) == [0, 0, 2**63]
    (note,) = notes.all()
    assert ("no power of two" in note.reason, note.lines, note.first_line) == (True, 2, 1)


def test_details_begin_anywhere_in_a_batch_and_a_free_that_is_added_has_none() -> None:
    whole, _ = normalised(
        (1, MALLOC, A, 8, PLAIN, None),
        (2, MALLOC, A, 9, Details(thread=5), None),
        (3, MALLOC, A, 7, PLAIN, 40),
        (4, FREE, A, 0, PLAIN, 60),
    )
    assert rows(whole) == [(0, 0, 8), (2, 0, 0), (0, 0, 9), (2, 0, 0), (0, 0, 7), (2, 0, 0)]
    assert list(whole.threads) == [0, 0, 5, 0, 0, 0]
    assert list(whole.times) == [0, 0, 0, 0, 0, 20]


def test_the_first_time_is_that_of_the_first_operation_that_is_kept() -> None:
    failed = Details(failed=True)
    whole, _ = normalised(
        (1, FREE, B, 0, PLAIN, 10), (2, MALLOC, A, 8, PLAIN, 30), (3, MALLOC, A, 9, failed, 70)
    )
    assert list(whole.times) == [0]
    assert whole.refused[0].time == 40


# --- Requests that failed -------------------------------------------------------------------------
@pytest.mark.parametrize("kind", [MALLOC, REALLOC])
def test_a_request_that_failed_is_no_operation_but_is_kept_with_its_place(kind: int) -> None:
    failed = Details(align=32, tag="big", thread=3, failed=True)
    whole, _ = normalised(
        (1, MALLOC, A, 8, Details(), 40),
        (2, kind, A, 999, failed, 90),
        (3, FREE, A, 0, PLAIN, None),
    )
    assert rows(whole) == [(MALLOC, 0, 8), (FREE, 0, 0)]
    block = 0 if kind == REALLOC else None
    assert whole.refused == [(1, 2, kind, 999, 32, "big", 3, 50, block, False)]


# --- Blocks named by their addresses --------------------------------------------------------------
def test_a_moved_block_keeps_its_id_and_leaves_its_old_address_to_others() -> None:
    whole, notes = normalised(
        (1, MALLOC, A, 8, PLAIN, None),
        (2, REALLOC, A, 80, PLAIN, None),
        (2, RENAME, A, B, PLAIN, None),
        (3, MALLOC, A, 16, PLAIN, None),
        (4, FREE, B, 0, PLAIN, None),
        (5, FREE, A, 0, PLAIN, None),
    )
    assert rows(whole) == [(0, 0, 8), (1, 0, 80), (0, 1, 16), (2, 0, 0), (2, 1, 0)]
    assert notes.all() == ()


def test_an_address_that_is_handed_out_again_was_freed_before() -> None:
    whole, notes = normalised(
        (1, MALLOC, A, 8, PLAIN, None),
        (2, MALLOC, A, 9, PLAIN, None),
        (3, MALLOC, B, 7, PLAIN, None),
        (4, REALLOC, B, 70, PLAIN, None),
        (4, RENAME, B, A, PLAIN, None),
    )
    assert rows(whole) == [(0, 0, 8), (2, 0, 0), (0, 0, 9), (0, 1, 7), (1, 1, 70), (2, 0, 0)]
    (note,) = notes.all()
    assert ("its free is missing" in note.reason, note.lines) == (True, 2)


def test_a_free_of_a_block_from_before_the_recording_is_no_misuse_but_a_double_free_is() -> None:
    _, notes = normalised(
        (1, FREE, A, 0, PLAIN, None),
        (2, FREE, NULL, 0, PLAIN, None),
        (3, REALLOC, B, 8, PLAIN, None),
        (4, FREE, B, 0, PLAIN, None),
        (5, FREE, B, 0, PLAIN, None),
    )
    unseen, null, resized, dead = notes.all()
    assert [unseen.misuse, null.misuse, resized.misuse, dead.misuse] == [False, False, False, True]


# --- Names of freed blocks ------------------------------------------------------------------------
@given(st.lists(st.integers(-5, 20_000) | st.sampled_from([2**40, 2**63, NULL]), max_size=50))
def test_a_set_of_names_is_a_set(names: list[int]) -> None:
    freed = FreedNames()
    for done, name in enumerate(names):
        assert (name in freed) == (name in names[:done])
        freed.add(name)
        assert name in freed


def test_many_names_that_are_numbers_take_a_byte_or_two_each() -> None:
    freed = FreedNames()
    for name in range(50_000):
        freed.add(name)
    assert sum(map(sys.getsizeof, vars(freed).values())) < 2 * 50_000


def test_a_cache_of_numbers_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MOST_WORDS", 10)
    numbers = source.Numbers()
    assert [numbers[b"%d" % n] for n in range(50)] == list(range(50))
    assert len(numbers) == 10


def test_a_cache_asks_its_function_once_for_each_key_that_it_keeps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(source, "MOST_WORDS", 2)
    asked: list[int] = []

    def make(key: int) -> int:
        asked.append(key)
        return -key

    cache = source.Cache(make)
    assert [cache[key] for key in (1, 2, 3, 1, 2, 3)] == [-1, -2, -3, -1, -2, -3]
    assert asked == [1, 2, 3, 3]


@pytest.mark.parametrize("word", [b"", b"+1", b"1_0", b" 1", b"18446744073709551616", b"9" * 5000])
def test_a_word_that_is_no_number_of_64_bits_is_refused(word: bytes) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        source.whole_number(word)
    assert source.whole_number(b"0" * 5000 + b"18446744073709551615") == 2**64 - 1


# --- Streaming ------------------------------------------------------------------------------------
SCRIPT = b"a 0 8\nr 0 16\na 1 24\nf 0\nf 1\n"


def test_ids_of_freed_blocks_are_used_again() -> None:
    trace = read(io.BytesIO(b"".join(b"a %d 8\nf %d\n" % (i, i) for i in range(100))))
    assert (trace.id_count, len(trace)) == (1, 200)


@pytest.mark.parametrize("batch", [1, 2, 3, 1000])
def test_the_batches_of_a_stream_are_the_trace(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    text = b"@ f - 0x10\n@ f + 0x20 0x8\n@ g + (nil) 0x99\n@ h - 0x20\n"
    monkeypatch.setattr(normalising, "BATCH", batch)
    for content in (SCRIPT * 20, b"= Start\n" + text * 20):
        whole = read(io.BytesIO(content))
        joined = Columns()
        with stream(io.BytesIO(content)) as batches:
            for columns in batches:
                assert len(columns) <= batch
                joined.extend(columns)
        joined.complete()
        assert {name: getattr(whole, name) for name in vars(joined)} == vars(joined)
        assert (batches.id_count, batches.peak_live) == (whole.id_count, whole.peak_live)
        assert (batches.skipped, batches.tag_names) == (whole.skipped, whole.tag_names)


def test_a_stream_reads_the_file_piece_by_piece() -> None:
    file = io.BytesIO(SCRIPT * 200_000)
    batches = iter(Stream(file, "t"))
    next(batches)
    assert file.tell() <= 3 * PIECE < len(file.getvalue())


def test_a_line_across_two_pieces_is_one_line() -> None:
    text = b"a 0 8\n#" + b"x" * (PIECE - 9) + b"\nf 0\n"
    assert len(read(io.BytesIO(text * 3))) == 6


def test_an_endless_line_is_refused() -> None:
    with pytest.raises(ValueError, match="has a line of over 16,777,216 bytes"):
        read(io.BytesIO(b"a 0 8\na 1 " + b"1" * 2**25))
