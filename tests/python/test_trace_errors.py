"""A file that is not a valid trace is refused with one helpful sentence.

The sentence names the file, and for an invalid line its number, its text and the expected text.
For any bytes a reader returns a `Trace` or raises a `TraceError`.
"""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassheap.traces import FREE, MALLOC, Trace, TraceError
from trace_helpers import read_text

BROKEN = [
    "a", "a 0", "a 0 1 2", "f", "f 0 1", "x 0 1", "17", "\x01", "a 0 " + "9" * 5000,
    "a 0 -1", "a -2 1", "a +0 1", "a 0 1.5", "a 0 0x10", "a 0 1_0", "a 0 \u0661", "r 0 ten",
    "a 0 18446744073709551616", "f 18446744073709551616",
]  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN)
@settings(max_examples=15)
@given(before=st.integers(1, 20), after=st.integers(0, 20), rep=st.booleans())
def test_an_invalid_line_is_reported_with_its_number_and_text(
    broken: str, before: int, after: int, rep: bool
) -> None:
    header = "2 1 40 1\n" if rep else ""
    text = header + "a 0 1\n" * before + broken + "\n" + "f 0\n" * after
    with pytest.raises(TraceError) as caught:
        read_text(text)
    error = caught.value
    assert (error.name, error.line) == ("t", before + 1 + rep)
    assert error.text[:20] in (broken[:20], "\\x01")
    assert str(error).startswith(f"t, line {error.line}: cannot read '{error.text}'; expected")
    assert "'a ID SIZE'" in error.expected
    assert len(error.text) <= 60


WEE_ALLOC = ["Alloc(", "Alloc(-1),", f"Alloc({2**64}),", "Free(x),", "Alloc(1) Free(0)", "Free"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        *((f"Alloc(1),\n{line}\n", "line 2: cannot read .*expected 'Alloc") for line in WEE_ALLOC),
        ("1 2 3\n", "line 2: .*header of four whole numbers"),
        ("1 2 3 4 5\n", "line 1: .*header of four whole numbers"),
        ("1\n2\nx\n4\n", "line 3: .*header of four whole numbers"),
        ("1 2\na 0 1\n", "line 2: .*header of four whole numbers"),
        # A trace is recognised as one even if its first line is invalid.
        ("a x 1\na 0 1\n", "line 1: cannot read"),
        ("f -\na 0 1\n", "line 1: cannot read"),
        ("a 0 ten\na 0 1\n", "line 1: cannot read"),
        ("Alloc(ten),\nAlloc(1),\n", "line 1: cannot read"),
    ],
)
def test_an_invalid_line_of_each_grammar_is_named(text: str, sentence: str) -> None:
    with pytest.raises(TraceError, match=f"^t, {sentence}"):
        read_text(text)


SOUND = [(MALLOC, 0, 1), (FREE, 0, 0)] * 50
SOUND_GZIP = gzip.compress(b"a 0 1\nf 0\n" * 50)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (gzip.compress(b""), "is empty"),
        (b"\n \n", "it is blank"),
        (b"\xef\xbb\xbf", "it is blank"),
        (b"\x7fELF\x02\x01\0\0", "is a binary file"),
        ("a 0 1\n".encode("utf-16"), "is UTF-16 text"),
        (gzip.compress("a 0 1\n".encode("utf-16")), "is UTF-16 text"),
        ("a 0 1\n".encode("utf-16-le"), "is a binary file"),
        (b"Dear reader,\nhello\n", "begins with 'Dear reader,'"),
        (b"\xe4\xf6\xfc\x1b[31m\n", r"begins with '\\xe4\\xf6\\xfc\\x1b"),
        (SOUND_GZIP[:-9], "is a truncated gzip file"),
        (SOUND_GZIP[:12], "is a truncated gzip file"),
        (SOUND_GZIP[:2], "is a truncated gzip file"),
        (SOUND_GZIP[:-8] + bytes(8), "is a damaged gzip file"),
        (SOUND_GZIP + b"more", "is a damaged gzip file"),
    ],
)
def test_a_file_that_is_not_a_trace_is_refused_with_a_sentence(content: bytes, why: str) -> None:
    with pytest.raises(TraceError, match=f"^t .*{why}.*expected") as caught:
        read_text(content)
    assert str(caught.value).isprintable()


def test_a_text_larger_than_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glassheap.traces.opening.LARGEST_TEXT", 5000)
    assert len(read_text("a 0 1\nf 0\n" * 500)) == 1000
    for content in (b"a 0 1\nf 0\n" * 501, gzip.compress(b"a 0 1\nf 0\n" * 501)):
        with pytest.raises(TraceError, match="over 5,000 bytes"):
            read_text(content)


def read_or_refuse(content: bytes) -> Trace | None:
    """The trace; None if the bytes are refused with one printable sentence."""
    try:
        return read_text(content)
    except TraceError as error:
        refusal = str(error)
    assert refusal.isprintable()
    return None


@given(st.binary(max_size=200))
def test_any_bytes_are_read_as_a_trace_or_raise_trace_error(content: bytes) -> None:
    for wrapped in (content, gzip.compress(content), b"a 0 1\n" + content, b"1 2 3 4\n" + content):
        trace = read_or_refuse(wrapped)
        assert trace is None or trace.name == "t"


@given(st.integers(0, len(SOUND_GZIP) - 1), st.integers(1, 255))
def test_a_flipped_byte_in_a_gzip_file_never_changes_the_operations(place: int, flip: int) -> None:
    damaged = bytearray(SOUND_GZIP)
    damaged[place] ^= flip
    trace = read_or_refuse(bytes(damaged))
    assert trace is None or [*zip(trace.kinds, trace.ids, trace.sizes, strict=True)] == SOUND
