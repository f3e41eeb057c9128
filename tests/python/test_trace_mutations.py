"""Damaged files: 10,000 mutations of a file in each format, the same ones in each run.

For any bytes a reader returns a trace whose every operation is valid, or raises `TraceError` with
one printable sentence. The command line prints a sentence and never a traceback.
"""

from __future__ import annotations

import gzip
import io
import random
import time

import pytest

from command_helpers import run
from glassheap.traces import Stream, Trace, TraceError
from glassheap.traces.writing import write
from trace_helpers import read_text, samples, states

pytestmark = pytest.mark.any_interpreter

SAMPLES = samples()
MUTATIONS = 10_000
PARTS = 10
"""The mutations are spread over as many tests, so that a failure is soon found again."""

WORDS = [
    b"", b"-1", b"0", b"007", b"4294967296", b"18446744073709551616", b"9" * 5000, b"0x", b"(nil)",
    b"0xffffffffffffffff", b"\n", b"\r\n", b"\0", b" ", b",", b"\xff\xfe", b"(", b"]" * 50, b"{",
    b"[" * 2000, b'"', b"realloc", b"free", b"<unfinished ...>", b"null", b"1e999", b"NaN",
    b"\x80\x04", b"c__builtin__\neval\n",
]  # fmt: skip


def mutated(content: bytes, chaos: random.Random) -> bytes:
    """The content with one to four changes of any kind."""
    data = bytearray(content)
    for _ in range(chaos.randint(1, 4)):
        at = chaos.randrange(len(data) + 1)
        until = at + chaos.choice([0, 1, 1, 2, 8, 40])
        change = chaos.randrange(6)
        if change == 0:
            data[at:until] = chaos.randbytes(until - at)
        elif change == 1:
            data[at:until] = chaos.choice(WORDS)
        elif change == 2:
            other = chaos.choice([*SAMPLES.values()])
            start = chaos.randrange(len(other))
            data[at:at] = other[start : start + chaos.randrange(200)]
        elif change == 3:
            data[at:at] = data[chaos.randrange(len(data) + 1) :][:100]
        elif change == 4 and at < len(data):
            data[at] ^= 1 << chaos.randrange(8)
        else:
            del data[at : at + chaos.choice([1, 5, 50, len(data)])]
    return gzip.compress(data, 1) if chaos.randrange(50) == 0 else bytes(data)


def mutations(seed: int, count: int) -> list[bytes]:
    """As many damaged files, of each format in turn."""
    chaos = random.Random(seed)
    names = [*SAMPLES]
    return [mutated(SAMPLES[names[n % len(names)]], chaos) for n in range(count)]


def read_or_refuse(content: bytes) -> Trace | None:
    """The trace; None if the bytes are refused with one printable sentence."""
    try:
        return read_text(content)
    except TraceError as error:
        refusal = str(error)
    assert refusal.isprintable()
    return None


@pytest.mark.parametrize("part", range(PARTS))
def test_a_damaged_file_is_a_valid_trace_or_a_sentence(part: int) -> None:
    found = [read_or_refuse(content) for content in mutations(part, MUTATIONS // PARTS)]
    traces = [trace for trace in found if trace is not None]
    for trace in traces:
        for _ in states(trace):
            pass
        for column in (trace.aligns, trace.tags, trace.threads, trace.times):
            assert len(column) in (0, len(trace))
        assert all(tag < len(trace.tag_names) for tag in trace.tags)
        assert all(0 <= one.position <= len(trace) for one in trace.refused)
        assert len(trace.lines) == len(trace)
    # The mutations are neither too wild nor too tame.
    assert len(found) // 20 < len(traces) < len(found) * 19 // 20


@pytest.mark.parametrize("line", ["info -", "info - --json", "replay - --size 64K --no-map"])
def test_a_command_answers_a_damaged_file_with_a_status_and_sentences(line: str) -> None:
    for content in mutations(99, 60):
        done = run(*line.split(), stdin=content)
        assert done.returncode in (0, 1, 2, 3)
        assert all(text.startswith("glassheap: ") for text in done.stderr.splitlines())
        assert bool(done.stdout) == (done.returncode != 2)


@pytest.mark.parametrize("form", ["recording", "script", "rep", "wee_alloc", "ostep"])
def test_a_damaged_file_that_is_a_trace_is_converted_to_one(form: str) -> None:
    for content in mutations(7, 500):
        out = io.BytesIO()
        try:
            stream = Stream(io.BytesIO(content), "t")
            written, _ = write(stream, out, form)
        except TraceError:
            continue
        if written:
            assert read_text(out.getvalue()).peak_live >= stream.peak_live


BINARY = [name for name in SAMPLES if "pickle" in name or name.endswith(".trace")]
RUN = 20_000
"""The length of a run of one character: time that grows with its square would be seconds a line."""


def with_runs(lines: list[bytes], character: bytes) -> bytes:
    """The lines, with a run of the character at many places of each."""
    return b"".join(
        line[:place] + character * RUN + line[place:].rstrip() + b"!\n"
        for line in lines
        for place in range(0, min(len(line), 99), 9)
    )


@pytest.mark.parametrize(
    "name", [name for name in SAMPLES if "pickle" not in name and name != "app.trace"]
)
def test_a_long_run_of_a_character_anywhere_takes_no_long_time(name: str) -> None:
    lines = SAMPLES[name].splitlines(keepends=True)[:20:5]
    began = time.process_time()
    for character in (b" ", b"7", b"a", b"@", b"(", b"<", b'"'):
        runs = with_runs(lines, character)
        read_or_refuse(runs)
        read_or_refuse(b"".join(lines) + runs)
    assert time.process_time() - began < 10
