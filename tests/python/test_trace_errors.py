"""A file that is not a valid trace is refused with one helpful sentence.

The sentence names the file, and for an invalid line its number, its text and the expected text.
For any bytes a reader returns a `Trace` or raises a `TraceError`.
"""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassheap.traces import FREE, MALLOC, Trace, TraceError, read

if TYPE_CHECKING:
    from pathlib import Path


def read_text(text: str | bytes) -> Trace:
    return read(io.BytesIO(text.encode() if isinstance(text, str) else text), "t")


BROKEN = [
    "a", "a 0", "a 0 1 2", "f", "f 0 1", "x 0 1", "17", "\x01", "a 0 " + "9" * 5000,
    "a 0 -1", "a -2 1", "a +0 1", "a 0 1.5", "a 0 0x10", "a 0 1_0", "a 0 \u0661", "r 0 ten",
    "a 0 18446744073709551616", "f 18446744073709551616",
]  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN)
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


@pytest.mark.parametrize("line", ["Alloc(", "Alloc(-1),", "Free(x),", "Alloc(1) Free(0)", "Free"])
def test_a_malformed_wee_alloc_line_is_not_ignored(line: str) -> None:
    with pytest.raises(TraceError, match=r"line 2: cannot read .*expected 'Alloc"):
        read_text(f"Alloc(1),\n{line}\n")


@pytest.mark.parametrize(
    ("text", "line"), [("1 2 3\n", 2), ("1 2 3 4 5\n", 1), ("1\n2\nx\n4\n", 3), ("1 2\na 0 1\n", 2)]
)
def test_an_invalid_header_is_refused(text: str, line: int) -> None:
    with pytest.raises(TraceError, match=f"line {line}: .*header of four whole numbers"):
        read_text(text)


@pytest.mark.parametrize("first", ["a x 1", "f -", "a 0 ten", "Alloc(ten),"])
def test_a_trace_with_an_invalid_first_line_is_still_recognised_as_a_trace(first: str) -> None:
    rest = "Alloc(1),\n" if first.startswith("Alloc") else "a 0 1\n"
    with pytest.raises(TraceError, match="line 1: cannot read"):
        read_text(f"{first}\n{rest}")


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
    assert "\n" not in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_text_larger_than_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glassheap.traces.opening.LARGEST_TEXT", 5000)
    assert len(read_text("a 0 1\nf 0\n" * 500)) == 1000
    for content in (b"a 0 1\nf 0\n" * 501, gzip.compress(b"a 0 1\nf 0\n" * 501)):
        with pytest.raises(TraceError, match="over 5,000 bytes"):
            read_text(content)


def read_or_refusal(content: bytes) -> Trace | str:
    """The trace, or the message of the `TraceError`; no other exception may be raised."""
    try:
        return read_text(content)
    except TraceError as error:
        return str(error)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_as_a_trace_or_raise_trace_error(content: bytes) -> None:
    for wrapped in (content, gzip.compress(content), b"a 0 1\n" + content, b"1 2 3 4\n" + content):
        result = read_or_refusal(wrapped)
        assert result.isprintable() if isinstance(result, str) else result.name == "t"


@given(st.integers(0, len(SOUND_GZIP) - 1), st.integers(1, 255))
def test_a_flipped_byte_in_a_gzip_file_never_changes_the_operations(place: int, flip: int) -> None:
    damaged = bytearray(SOUND_GZIP)
    damaged[place] ^= flip
    result = read_or_refusal(bytes(damaged))
    if isinstance(result, str):
        assert result.isprintable()
    else:
        assert list(zip(result.kinds, result.ids, result.sizes, strict=True)) == SOUND


def test_a_file_that_the_system_cannot_open_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "nothing")
    with pytest.raises(IsADirectoryError):
        read(tmp_path)
