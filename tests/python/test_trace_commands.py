"""`glassheap info` and `glassheap convert`: their figures, their files, and their mistakes.

The oracle of the figures is a naive count over the states of the trace. A converted trace is read
again and must be the same trace.
"""

from __future__ import annotations

import gzip
import io
import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from command_helpers import assert_mistake, printed, run, shell
from glassheap.cli import convert
from glassheap.traces import FREE, MALLOC, REALLOC, Stream, Trace, read
from glassheap.traces.summary import Summary
from glassheap.traces.writing import WRITERS, write
from trace_helpers import RECORDED, read_text, samples, states

SAMPLES = samples()
each_sample = pytest.mark.parametrize("name", SAMPLES)

SCRIPT = "a 0 100\na 1 200\nf 0\nr 1 3000\n"

OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("f {0}\n"), st.integers(0, 5), st.just(0)),
        st.tuples(st.sampled_from(["a {0} {1}\n", "r {0} {1}\n"]), st.integers(0, 5),
                  st.one_of(st.integers(0, 300), st.sampled_from([2**40, 2**64 - 1]))),
    ),
    max_size=60,
)  # fmt: skip


def script_of(operations: list[tuple[str, int, int]]) -> bytes:
    lines = (
        line.format(block, size) for line, block, size in [("a {0} {1}\n", 99, 7), *operations]
    )
    return "".join(lines).encode()


# --- info: the figures ----------------------------------------------------------------------------
def assert_figures(content: bytes) -> None:
    trace, summary = read_text(content), Summary.of(Stream(io.BytesIO(content), "t"))
    born: dict[int, int] = {}
    lifetimes = Counter[int]()
    peak = 0, 0, 0
    live: dict[int, int] = {}
    for done, live in enumerate(states(trace)):
        kind, block = trace.kinds[done], trace.ids[done]
        if kind == MALLOC:
            born[block] = done
        elif kind == FREE:
            lifetimes[done - born.pop(block)] += 1
        if sum(live.values()) > peak[0]:
            peak = sum(live.values()), len(live), done + 1
    sizes = sorted(s for s, kind in zip(trace.sizes, trace.kinds, strict=True) if kind != FREE)
    assert summary.operations == len(trace)
    assert (summary.peak_bytes, summary.peak_blocks, summary.peak_at) == peak
    assert (summary.live_bytes, summary.live_blocks) == (sum(live.values()), len(live))
    assert summary.requested == sum(sizes)
    assert summary.peak_bytes == trace.peak_live
    for share in (0.5, 0.9) if sizes else ():
        assert (
            summary.size_quantile(share)
            == sizes[max(0, -(-int(share * 100) * len(sizes) // 100) - 1)]
        )
    assert_bars(summary.size_classes(), Counter(sizes))
    assert_bars(summary.lifetime_classes(), lifetimes)
    assert summary.refused == len(trace.refused)
    tagged = sum(
        size
        for size, kind, tag in zip(trace.sizes, trace.kinds, trace.tags, strict=False)
        if kind != FREE and tag
    )
    assert sum(figures.bytes for figures in summary.tags) == tagged
    assert_live_tags(summary, trace, live)


def assert_live_tags(summary: Summary, trace: Trace, live: dict[int, int]) -> None:
    """The live blocks have the tags of their mallocs."""
    rows = zip(trace.kinds, trace.ids, trace.tags, strict=False)
    owners = {block: tag for kind, block, tag in rows if kind == MALLOC}
    expected: dict[str, tuple[int, int]] = {}
    for block, size in live.items() if any(trace.tags) else ():
        name = trace.tag_names[owners[block]]
        blocks, total = expected.get(name, (0, 0))
        expected[name] = blocks + 1, total + size
    assert {one.tag: (one.blocks, one.bytes) for one in summary.live_tags} == expected
    assert summary.live_tags == sorted(summary.live_tags, key=lambda one: (-one.bytes, one.tag))


def assert_bars(bars: list[Any], numbers: Counter[int]) -> None:
    """The bars follow each other, and each has the numbers in its range."""
    for before, after in pairwise(bars):
        assert before.last + 1 == after.first
    for bar in bars:
        assert bar.number == sum(n for key, n in numbers.items() if bar.first <= key <= bar.last)
    assert sum(bar.number for bar in bars) == numbers.total()


@given(OPERATIONS)
def test_the_figures_are_those_of_a_naive_count(operations: list[tuple[str, int, int]]) -> None:
    assert_figures(script_of(operations))


@each_sample
def test_the_figures_of_each_format(name: str) -> None:
    assert_figures(SAMPLES[name])


def test_the_figures_are_printed_with_histograms() -> None:
    text = printed("info", str(RECORDED / "memory_replay.txt"))
    for line in (
        "operations              9: 5 mallocs, 1 realloc, 3 frees\n",
        "sizes                   8 to 8,192 bytes, median 20, 6 different sizes, 8,393 bytes in",
        "alignments              4,096 (1 request)\n",
        "peak                    8,340 bytes in 3 blocks, at operation 3 (line 3)\n",
        "still live              2 blocks (8,225 bytes)\n",
        "failed                  1 request, the first of 68,719,476,736 bytes on line 9\n",
        "threads                 2\n",
        "note                    garbled or cut-off line, skipped: line 14\n",
        "\nsizes of the requests, in bytes\n          8 to 15  2  ▇▇▇",
        "\nlifetimes of the freed blocks, in operations\n       1  1  ▇▇▇",
    ):
        assert line in text
    assert max(map(len, text.splitlines()[-20:])) <= 80


def test_the_tags_are_listed_by_their_bytes() -> None:
    text = printed("info", str(RECORDED / "rmm.csv"))
    assert "bytes requested by tag (2 tags)\n  1,048,576 in 1 request  0x0\n" in text
    many = "".join(f"@ caller{n} + {n:#x} 0x8\n" for n in range(1, 20))
    assert "  and 9 more\n" in printed("info", "-", stdin=many)


def test_the_tags_of_what_is_still_live_are_listed_by_their_bytes() -> None:
    """Those of the mallocs: a free, and another size, leave the rest as it is."""
    text = (
        "= Start\n@ a + 0x10 0x8\n@ b + 0x20 0x400\n+ 0x30 0x5\n@ a + 0x40 0x9\n@ c + 0x50 0x63\n"
        "@ c - 0x50\n@ d < 0x10\n@ d > 0x60 0x14\n"
    )
    shown = printed("info", "-", stdin=text)
    assert "still live              4 blocks (1,058 bytes)\n" in shown
    table = "  1,024 in 1 block  b\n     29 in 2 blocks  a\n      5 in 1 block  (no tag)\n"
    assert f"\nbytes still live by tag (3 tags)\n{table}" in shown
    rows = json.loads(printed("info", "-", "--json", stdin=text))["leaked_tags"]
    assert rows == [
        {"tag": "b", "blocks": 1, "bytes": 1024},
        {"tag": "a", "blocks": 2, "bytes": 29},
        {"tag": "", "blocks": 1, "bytes": 5},
    ]
    assert "by tag" not in printed("info", "-", stdin="a 0 8\n")


def test_an_encoding_without_blocks_gets_other_bars() -> None:
    done = run("info", "-", stdin="a 0 8\n", encoding="ascii")
    assert (done.returncode, "########" in done.stdout) == (0, True)


@each_sample
def test_the_figures_in_json_are_those_of_the_summary(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(SAMPLES[name])
    figures = json.loads(run("info", str(path), "--json").stdout)
    trace = read(path)
    assert (figures["trace"], figures["format"]) == (str(path), trace.format)
    assert figures["operations"] == figures["mallocs"] + figures["reallocs"] + figures["frees"]
    assert figures["skipped"] == [note._asdict() for note in trace.skipped]
    assert figures["failed_requests"] == len(trace.refused)


def test_a_trace_without_operations_has_figures() -> None:
    text = printed("info", "-", stdin="= Start\n= End\n")
    assert "operations              0: 0 mallocs, 0 reallocs, 0 frees\n" in text
    assert json.loads(printed("info", "-", "--json", stdin="= Start\n"))["median_size"] is None


def test_misuse_has_the_status_1() -> None:
    for arguments in (["info", "-"], ["info", "-", "--json"], ["convert", "-", "-", "--to", "rep"]):
        done = run(*arguments, stdin="a 0 8\nf 0\nf 0\n")
        assert done.returncode == 1
        assert (
            "glassheap: standard input: free of a block freed before, skipped: line 3"
            in done.stderr
        )


# --- convert: round trips -------------------------------------------------------------------------
def converted(content: bytes, form: str) -> Trace:
    out = io.BytesIO()
    write(Stream(io.BytesIO(content), "t"), out, form)
    return read_text(out.getvalue())


def rows(trace: Trace) -> list[tuple[int, int, int]]:
    return [*zip(trace.kinds, trace.ids, trace.sizes, strict=True)]


def live_sizes(trace: Trace) -> list[list[int]]:
    return [sorted(live.values()) for live in states(trace)]


def assert_round_trip(content: bytes) -> None:
    """A lab's format keeps all operations; one without realloc has an allocation and a free."""
    trace = read_text(content)
    for form in ("script", "rep") if len(trace) else ():
        again = converted(content, form)
        assert rows(again) == rows(trace)
        assert (again.id_count, again.peak_live) == (trace.id_count, trace.peak_live)
        assert again.skipped == ()
    for form in ("wee_alloc", "ostep") if len(trace) else ():
        moved = iter(live_sizes(converted(content, form)))
        for kind, sizes in zip(trace.kinds, live_sizes(trace), strict=True):
            if kind == REALLOC:
                next(moved)  # both the old block and the new one are live
            assert next(moved) == sizes
        assert next(moved, None) is None


@each_sample
def test_a_trace_in_another_format_is_the_same_trace(name: str) -> None:
    assert_round_trip(SAMPLES[name])


@given(OPERATIONS)
def test_any_trace_in_another_format_is_the_same_trace(
    operations: list[tuple[str, int, int]],
) -> None:
    assert_round_trip(script_of(operations))


@each_sample
def test_what_a_format_loses_is_noted(name: str) -> None:
    trace = read_text(SAMPLES[name])
    _, notes = write(Stream(io.BytesIO(SAMPLES[name]), "t"), io.BytesIO(), "wee_alloc")
    lost = {note.reason.split(",")[0]: note.lines for note in notes}
    known = {
        "alignment": trace.aligns,
        "tag": trace.tags,
        "thread": trace.threads,
        "time": trace.times,
    }
    expected = {what: sum(map(bool, column)) for what, column in known.items()}
    expected["request that failed in the program"] = len(trace.refused)
    expected["realloc"] = trace.kinds.count(REALLOC)
    assert lost == {what: count for what, count in expected.items() if count}


# --- convert: files -------------------------------------------------------------------------------
def test_every_format_that_is_written_has_a_suffix() -> None:
    assert {*convert.SUFFIXES.values()} == {*WRITERS}


@pytest.mark.parametrize("suffix", [*convert.SUFFIXES, ".script.gz"])
def test_the_suffix_names_the_format(suffix: str, tmp_path: Path) -> None:
    out = tmp_path / f"out{suffix}"
    text = printed("convert", "-", str(out), stdin=SCRIPT)
    assert text.startswith(f"{out}: 4 operations\n")
    assert ("note: realloc" in text) == (suffix in (".wee_alloc", ".ostep"))
    assert len(read(out)) == (5 if suffix in (".wee_alloc", ".ostep") else 4)
    assert [*tmp_path.iterdir()] == [out]


def test_a_compressed_file_depends_on_the_trace_alone(tmp_path: Path) -> None:
    for name in ("a.rep.gz", "b.rep.gz"):
        printed("convert", "-", str(tmp_path / name), stdin=SCRIPT)
    first, second = (path.read_bytes() for path in tmp_path.iterdir())
    assert first == second
    assert gzip.decompress(first).startswith(b"3000\n2\n4\n1\na 0 100\n")


def test_the_trace_alone_is_on_standard_output() -> None:
    done = run("convert", "-", "-", "--to", "script", stdin="7 malloc(8) = 0x10\n")
    assert (done.returncode, done.stdout) == (0, "a 0 8\n")
    assert done.stderr.splitlines() == [
        "standard output: 1 operations",
        "note: thread, for which the format has no room: line 1",
    ]


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    out = tmp_path / "out.script"
    printed("convert", "-", str(out), stdin=SCRIPT)
    assert_mistake(run("convert", "-", str(out), stdin="a 0 8\nbroken\n"), "line 2: cannot read")
    assert out.read_text() == SCRIPT.replace("0 100", "0 100")
    printed("convert", str(out), str(out), "--to", "rep")
    assert read(out).format == "CS:APP .rep"
    assert [*tmp_path.iterdir()] == [out]


def test_the_name_of_a_file_is_printed_without_control_characters(tmp_path: Path) -> None:
    shown = printed("convert", "-", str(tmp_path / "a\033[31m.rep"), stdin=SCRIPT)
    assert shown.startswith(f"{tmp_path}/a\\x1b[31m.rep: ")


def test_a_device_is_written_to_and_not_replaced() -> None:
    printed("convert", "-", "/dev/null", "--to", "script", stdin=SCRIPT)
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize(
    ("out", "redirection", "what"),
    [
        ("/dev/full", "", "glassheap: /dev/full"),
        ("-", "> /dev/full", "glassheap: cannot write the output"),
    ],
)
def test_a_full_disk_is_a_sentence(out: str, redirection: str, what: str) -> None:
    done = shell(redirection, "convert", str(RECORDED / "mtrace.txt"), out, "--to", "rep")
    assert_mistake(done, f"{what}: No space left on device", status=1)


# --- Mistakes -------------------------------------------------------------------------------------
MISTAKES = {
    b"Dear reader,\n": "is not a trace (it begins with 'Dear reader,'); expected a CS107 script",
    b"\x7fELF\x02\x01\0\0": "is a binary file; expected a CS107 script",
    b"": "is empty; expected a CS107 script",
    gzip.compress(b"a 0 8\n" * 99)[:-9]: "is a truncated gzip file",
    b"a 0 8\nf 0\na 1 99"[:-3]: "line 3: cannot read 'a 1'; expected 'a ID SIZE'",
    SAMPLES["snapshot.pickle.4"][:-40]: "is a pickle that is broken or cut off",
    SAMPLES["snapshot.json"][:-40]: "is broken JSON",
}


@pytest.mark.parametrize("content", MISTAKES)
def test_a_file_that_is_no_whole_trace_is_one_sentence(content: bytes, tmp_path: Path) -> None:
    path, out = tmp_path / "trace", tmp_path / "out.rep"
    path.write_bytes(content)
    sentence = MISTAKES[content]
    assert_mistake(run("info", str(path)), str(path), sentence)
    assert_mistake(run("convert", str(path), str(out)), str(path), sentence)
    assert_mistake(run("replay", str(path)), str(path), sentence)
    assert [*tmp_path.iterdir()] == [path]


def test_a_message_about_an_unknown_format_lists_all_that_are_known() -> None:
    text = run("info", "-", stdin="?").stderr
    for name in ("CS107", ".rep", "OSTEP", "wee_alloc", "ltrace", "mtrace", "Android", "valgrind",
                 "RMM", "Umpire", "PyTorch"):  # fmt: skip
        assert name in text


def test_files_that_cannot_be_read_or_written_are_one_sentence(tmp_path: Path) -> None:
    assert_mistake(run("info", "none.rep"), "cannot read none.rep: No such file")
    assert_mistake(run("info", str(tmp_path)), f"cannot read {tmp_path}: Is a directory")
    assert_mistake(run("convert", "none.rep", "-", "--to", "rep"), "cannot read none.rep: No such")
    missing = str(tmp_path / "no" / "out.rep")
    done = run("convert", "-", missing, stdin=SCRIPT)
    assert_mistake(done, f"{missing}: No such file or directory", status=1)
    done = run("convert", "-", str(tmp_path), "--to", "rep", stdin=SCRIPT)
    assert_mistake(done, f"{tmp_path}: Is a directory", status=1)


@pytest.mark.parametrize("out", ["-", "trace", "trace.gz", "app.txt"])
def test_a_format_that_nothing_names_is_one_sentence(out: str) -> None:
    done = run("convert", "-", out, stdin=SCRIPT)
    assert_mistake(
        done, f"'{out}' by its suffix; expected .trace, .script, .rep, .wee_alloc, .ostep", "--to"
    )


def test_an_unknown_format_to_write_is_one_sentence() -> None:
    done = run("convert", "-", "-", "--to", "repp", stdin=SCRIPT)
    assert_mistake(done, "invalid choice: 'repp'", "did you mean rep?")
