"""The format of recordings: what C++ writes is read as it was, whatever happened to the program.

The oracle (recording_oracle.py) writes and unpacks the same format in Python.
"""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassheap.traces import FREE, MALLOC, REALLOC, Columns, Refused, Stream, Trace, TraceError
from glassheap.traces.recording import (
    CUT_OFF,
    DAMAGED,
    DAMAGED_OPEN,
    EARLY,
    ENDED_EARLY,
    LOST,
    MISPLACED,
    MISSING,
    REUSED,
    UNCHECKED,
    UNKNOWN_FREED,
)
from glassheap.traces.recording_writer import RecordingWriter
from glassheap.traces.trace import OPTIONAL
from glassheap.traces.writing import WRITERS, write
from recording_oracle import (
    FACT,
    FAILED_MALLOC,
    FAILED_PART,
    FAILED_REALLOC,
    OPEN_CAPACITY,
    RESET,
    TAG,
    Call,
    Mark,
    coded,
    frame,
    frames_of,
    header,
    recording,
)
from trace_helpers import SHORT, read_text, samples, states

pytestmark = pytest.mark.any_interpreter

M, R, F = MALLOC, REALLOC, FREE


def rows(trace: Columns) -> list[tuple[int, int, int]]:
    return [*zip(trace.kinds, trace.ids, trace.sizes, strict=True)]


def notes(trace: Trace) -> dict[str, tuple[int, int]]:
    return {note.reason: (note.lines, note.first_line) for note in trace.skipped}


# --- What is read. --------------------------------------------------------------------------------
FIRST: list[Call | Mark] = [
    Mark(FACT, 0, b"command=python3 app.py"),
    Mark(TAG, 7, b"request-17"),
    Call(M, 0x7F00_0000_1000, 100, align=64, tag=7, thread=9, time=5),
    Call(M, 0x7F00_0000_2000, 200, thread=9, time=6),
    Call(FAILED_MALLOC, size=2**40, align=4096, tag=7, thread=8, time=9),
]
LAST: list[Call | Mark] = [
    Call(R, 0x7F00_0000_1000, 300, result=0x7F00_0000_3000, thread=9, time=2**40),
    Call(FAILED_REALLOC, 0x7F00_0000_2000, 2**50, thread=9, time=2**40),
    Call(F, 0x7F00_0000_2000, thread=8, time=2**40 + 2),
    Call(FAILED_PART, size=30, thread=8, time=2**40 + 2),
    Call(FAILED_MALLOC, size=2**20, thread=8, time=2**40 + 2),
]
TAGS = ("", "request-17")


@pytest.mark.parametrize("shift", [0, 3, 12])
@pytest.mark.parametrize("file", ["frames", "open", "both"])
def test_a_recording_is_read_with_all_its_details(file: str, shift: int) -> None:
    content = {
        "frames": recording([FIRST, LAST], shift=shift),
        "open": recording([], [*FIRST, *LAST], shift=shift),
        "both": recording([FIRST], LAST, shift=shift),
    }[file]
    trace = read_text(content)
    assert rows(trace) == [(M, 0, 100), (M, 1, 200), (R, 0, 300), (F, 1, 0)]
    assert list(trace.lines) == [1, 2, 4, 6]
    assert list(trace.aligns) == [64, 0, 0, 0]
    assert (list(trace.tags), trace.tag_names) == ([1, 0, 0, 0], TAGS)
    assert list(trace.threads) == [9, 9, 9, 8]
    assert list(trace.times) == [5000, 6000, 1000 * 2**40, 1000 * (2**40 + 2)]
    assert trace.refused == [
        Refused(2, 3, M, 2**40, 4096, "request-17", 8, 9000),
        Refused(3, 5, R, 2**50, 0, "", 9, 1000 * 2**40, block=1),
        Refused(4, 7, M, 30, 0, "", 8, 1000 * (2**40 + 2), is_part=True),
        Refused(4, 8, M, 2**20, 0, "", 8, 1000 * (2**40 + 2)),
    ]
    assert (trace.format, trace.id_count, trace.peak_live) == ("glassheap recording", 2, 500)
    assert trace.facts == ("command=python3 app.py", "process=4711")
    assert trace.skipped == ()


def test_a_block_that_is_unknown_or_lives_twice_is_noted() -> None:
    trace = read_text(
        recording(
            [
                [
                    Call(F, 16),
                    Call(R, 32, 5, result=48),
                    Call(M, 48, 6),
                    Call(M, 64, 7),
                    Call(R, 48, 8, result=64),
                    Mark(RESET),
                    Call(F, 64),
                ]
            ]
        )
    )
    assert rows(trace) == [
        (M, 0, 5), (F, 0, 0), (M, 0, 6), (M, 1, 7), (F, 1, 0), (R, 0, 8), (F, 0, 0),
    ]  # fmt: skip
    assert notes(trace) == {
        UNKNOWN_FREED: (2, 1),
        "realloc of a block allocated before the recording, played as an allocation": (1, 2),
        REUSED: (2, 3),
        "reset of the heap, played as a free of each of its blocks": (1, 5),
    }


# --- What is written. -----------------------------------------------------------------------------
SIZES = st.one_of(st.integers(0, 300), st.integers(0, 2**64 - 1))
CALLS = st.lists(
    st.tuples(st.sampled_from("mrfx"), st.integers(0, 9), SIZES, st.integers(0, 2**64 - 1)),
    max_size=60,
)


def traced(calls: list[tuple[str, int, int, int]]) -> Columns:
    """Valid operations with details drawn from a number each."""
    columns = Columns()
    live: set[int] = set()
    for letter, block, size, detail in calls:
        align, tag, thread = 1 << detail % 64, detail % 4, detail // 7 % 3
        time = detail % 2**63 - 2**62
        if letter == "x":
            kind = REALLOC if detail % 2 else MALLOC
            resized = block if kind == REALLOC and block in live else None
            what = len(columns), 0, kind, size, align, ("", "a", "b", "c")[tag], thread, time
            columns.refused.append(Refused(*what, resized, kind == MALLOC and detail % 3 == 0))
            continue
        kind = MALLOC if block not in live else FREE if letter == "f" else REALLOC
        (live.remove if kind == FREE else live.add)(block)
        columns.kinds.append(kind)
        columns.ids.append(block)
        columns.sizes.append(0 if kind == FREE else size)
        columns.lines.append(0)
        columns.aligns.append(align if detail % 5 else 0)
        columns.tags.append(tag)
        columns.threads.append(thread)
        columns.times.append(time)
    return columns


def resized(columns: Columns) -> list[int | None]:
    """The size that the block has which each request was to resize; ids may differ."""
    held = [{}, *(dict(live) for live in states(columns))]
    return [None if one.block is None else held[one.position][one.block] for one in columns.refused]


def written(columns: Columns) -> bytes:
    writer = RecordingWriter()
    writer.put(columns, ("", "a", "b", "c"), ["key=value"])
    return writer.take() + writer.end()


@given(CALLS)
def test_any_columns_are_read_as_they_were_written(calls: list[tuple[str, int, int, int]]) -> None:
    columns = traced(calls)
    trace = read_text(written(columns))
    assert list(trace.kinds) == list(columns.kinds)
    assert list(trace.sizes) == list(columns.sizes)
    for name in OPTIONAL:
        given_values, read_values = list(getattr(columns, name)), list(getattr(trace, name))
        assert read_values == given_values or (read_values == [] and not any(given_values))
    assert [one._replace(line=0, block=None) for one in trace.refused] == [
        one._replace(block=None) for one in columns.refused
    ]
    assert resized(trace) == resized(columns)
    for before, after in zip(states(columns), states(trace), strict=True):
        assert sorted(before.values()) == sorted(after.values())
    assert trace.skipped == ()


@given(CALLS, st.integers(1, 3000))
def test_the_frames_are_those_that_the_oracle_unpacks(
    calls: list[tuple[str, int, int, int]], repeats: int
) -> None:
    """Long ones, so that they are packed, and are more than one."""
    columns = traced([*calls, ("m", 0, 1, 1)] * (1 + repeats // (len(calls) + 1)))
    frames = [*frames_of(written(columns))]
    content = header() + b"".join(frame(n, plain) for n, plain in enumerate(frames))
    again = read_text(content.replace(b"\xe8\x03\0\0", b"\1\0\0\0", 1))  # the tick: 1 ns
    assert rows(again) == rows(read_text(written(columns)))
    assert again.refused == read_text(written(columns)).refused
    assert all(len(plain) <= 2**14 for plain in frames)


def without_line(one: Refused) -> Refused:
    """A request that states no time has the time 0 in a recording with times."""
    return one._replace(line=0, time=one.time or 0)


@pytest.mark.parametrize("name", samples())
def test_a_trace_of_any_format_loses_nothing_as_a_recording(name: str) -> None:
    """But the numbers of its lines. It goes back to a script as the same operations."""
    content = samples()[name]
    trace, out = read_text(content), io.BytesIO()
    assert write(Stream(io.BytesIO(content), "t"), out, "recording") == (len(trace), ())
    again = read_text(out.getvalue())
    assert rows(again) == rows(trace)
    for column in OPTIONAL:
        assert list(getattr(again, column)) == list(getattr(trace, column))
    tags = [[one.tag_names[tag] for tag in one.tags] for one in (trace, again)]
    assert tags[0] == tags[1]
    assert [without_line(one) for one in again.refused] == [*map(without_line, trace.refused)]
    assert (again.id_count, again.peak_live) == (trace.id_count, trace.peak_live)
    for form in ("script", "rep"):
        text = io.BytesIO()
        write(Stream(io.BytesIO(out.getvalue()), "t"), text, form)
        assert rows(read_text(text.getvalue())) == rows(trace)


def test_there_is_a_writer_for_each_short_format() -> None:
    assert {*WRITERS} == {"recording", *SHORT}


# --- A program that was killed, and files that were cut off. --------------------------------------
ALL: list[Call | Mark] = [Call(M, 16 * n, n) for n in range(1, 60)]


def test_a_file_cut_off_anywhere_is_a_prefix_of_the_calls_or_a_sentence() -> None:
    content = recording([ALL[:20], ALL[20:40], ALL[40:]])
    whole = [(M, n, n + 1) for n in range(59)]
    lengths = set()
    for length in range(1, len(content)):
        if length < len(header()):
            with pytest.raises(TraceError, match=r"cut off in its header|is not a trace"):
                read_text(content[:length])
            continue
        trace = read_text(content[:length])
        assert rows(trace) == whole[: len(trace)]
        assert notes(trace) == {CUT_OFF: (1, len(trace) + 1)}
        lengths.add(len(trace))
    assert lengths == {0, 20, 40, 59}


def test_a_recording_with_an_open_block_that_is_cut_off_anywhere_is_noted() -> None:
    """Also between two frames: the number of the open block tells how many there were."""
    content = recording([ALL[:20], ALL[20:40]], ALL[40:])
    assert read_text(content).skipped == ()
    ends = [2**14, 2**14 + len(frame(0, coded(ALL[:20]))), len(content)]
    for length in range(len(header()), len(content)):
        frames = sum(end <= length for end in ends[1:])
        found = notes(read_text(content[:length]))
        assert found[MISSING] == (2 - frames, 20 * frames + 1)
        assert (CUT_OFF in found) == (length not in ends and length >= ends[0]) or frames == 0


def test_a_cut_in_the_open_block_is_noted_if_it_cuts_calls() -> None:
    content = recording([ALL[:20]], ALL[20:])
    length = len(header()) + len(coded(ALL[20:]))
    assert notes(read_text(content[:length])) == {MISSING: (1, 1)}
    assert notes(read_text(content[: length - 1])) == {MISSING: (1, 1), CUT_OFF: (1, 1)}


def test_a_frame_cut_off_is_read_from_the_open_block() -> None:
    """As a program leaves it that is killed, or whose disk is full, while it writes a frame."""
    content = recording([ALL[:20]], ALL[20:]) + frame(1, coded(ALL[20:]))[:-1]
    assert (len(read_text(content)), read_text(content).skipped) == (59, ())


def test_an_open_block_that_became_a_frame_is_not_read_twice() -> None:
    """As a program leaves it that is killed just after it has written a frame."""
    content = recording([ALL[:20]], ALL[20:]) + frame(1, coded(ALL[20:]))
    assert (len(read_text(content)), read_text(content).skipped) == (59, ())


def test_a_damaged_frame_is_skipped_and_the_others_are_read() -> None:
    content = bytearray(recording([ALL[:20], ALL[20:40], ALL[40:]]))
    at = content.index(b"GHFR", 100)
    content[at + 25] ^= 1
    trace = read_text(bytes(content))
    assert rows(trace) == [(M, n, size) for n, size in enumerate([*range(1, 21), *range(41, 60)])]
    assert notes(trace) == {DAMAGED: (1, 21)}


def test_what_follows_a_damaged_header_of_a_frame_is_lost() -> None:
    content = bytearray(recording([ALL[:20], ALL[20:40]]))
    content[content.index(b"GHFR", 100)] = 0
    assert notes(read_text(bytes(content))) == {LOST: (1, 21)}


def test_missing_frames_are_counted() -> None:
    bodies = [frame(n, coded(ALL[20 * n :][:20])) for n in (0, 2)]
    trace = read_text(header() + b"".join(bodies))
    assert (len(trace), notes(trace)) == (39, {MISSING: (1, 21)})
    trace = read_text(header() + bodies[0] + frame(9, coded(ALL[40:])))
    assert (len(trace), notes(trace)) == (39, {MISSING: (8, 21)})


@pytest.mark.parametrize("number", [0, 2**31 + 1])
def test_a_frame_with_a_wrong_number_is_no_gap_and_hides_no_open_block(number: int) -> None:
    content = bytearray(recording([ALL[:20], ALL[20:40]], ALL[40:]))
    at = content.rindex(b"GHFR") + 4
    content[at : at + 4] = number.to_bytes(4, "little")
    trace = read_text(bytes(content))
    assert (len(trace), notes(trace)) == (59, {MISPLACED: (1, 21)})


# --- The open block: its checksum, and its end. ---------------------------------------------------
def test_any_flipped_bit_in_a_sealed_open_block_is_noted() -> None:
    content = bytearray(recording([ALL[:20]], ALL[20:]))
    for bit in range(8 * len(coded(ALL[20:]))):
        at = len(header()) + bit // 8
        content[at] ^= 1 << bit % 8
        trace = read_text(bytes(content))
        assert (len(trace), notes(trace)) == (20, {DAMAGED_OPEN: (1, 21)})
        content[at] ^= 1 << bit % 8


@pytest.mark.parametrize("sealed", [0, 1, 20])
def test_the_calls_without_a_checksum_are_counted(sealed: int) -> None:
    """All of the open block of a program that was killed; what followed the seal, after exit."""
    length = len(coded(ALL[20:][:sealed]))
    trace = read_text(recording([ALL[:20]], ALL[20:], sealed=length))
    assert (len(trace), notes(trace)) == (59, {UNCHECKED: (39 - sealed, 21 + sealed)})


def test_a_damaged_open_block_without_a_checksum_is_read_as_far_as_it_goes() -> None:
    content = bytearray(recording([ALL[:20]], ALL[20:], sealed=0))
    content[len(header()) + len(coded(ALL[20:30]))] = 6  # no kind of call
    trace = read_text(bytes(content))
    assert rows(trace) == [(M, n, n + 1) for n in range(30)]
    assert notes(trace) == {UNCHECKED: (10, 21), DAMAGED_OPEN: (1, 31)}


@pytest.mark.parametrize("ending", [1, 2, 3, 4, 77])
def test_a_recording_that_ended_early_says_where_and_why(ending: int) -> None:
    content = recording([ALL[:20]], ALL[20:], ending=ending)
    reason = EARLY.get(ending, ENDED_EARLY)
    assert notes(read_text(content)) == {reason: (1, 60)}
    assert ("the disk was full" in reason) == (ending == 1)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (header(version=7), "is a recording of version 7; expected version 1: read it with the"),
        (header()[:30], "is a recording cut off in its header; expected a longer one"),
        (header().replace(b"\r\n", b"\n"), "cut off in its header"),
        (header().replace(b"\r\n", b"\n") + b"x", "was damaged by a program that converts line"),
        (header(shift=64), "is a recording with a damaged header; expected an intact one"),
        (header(capacity=2**14 + 1), "is a recording with a damaged header"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_sentence(content: bytes, sentence: str) -> None:
    with pytest.raises(TraceError, match=r"^t ") as raised:
        read_text(content)
    assert sentence in str(raised.value)


def test_an_open_block_longer_than_it_can_be_is_noted() -> None:
    content = header(capacity=OPEN_CAPACITY, opened=OPEN_CAPACITY + 1).ljust(2**14, b"\0")
    assert notes(read_text(content)) == {CUT_OFF: (1, 1)}
