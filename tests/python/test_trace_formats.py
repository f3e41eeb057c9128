"""What other tools record is read: each call, what is known of it, and a note of what is not read.

Three recordings of one program by three tools must be one trace. Where the tool is installed it
records the program anew.
"""

from __future__ import annotations

import os
import pickle
import re
import shutil
from typing import TYPE_CHECKING

import pytest

from command_helpers import completed
from glassheap.traces import FREE, MALLOC, REALLOC, Trace, TraceError, plain_pickle, read, stream
from glassheap.traces.summary import Summary
from trace_helpers import RECORDED, read_text, samples, states

if TYPE_CHECKING:
    from pathlib import Path

Row = tuple[int, int, int]
"""Kind, id, size."""


def rows(trace: Trace) -> list[Row]:
    for _ in states(trace):  # every operation is valid
        pass
    return [*zip(trace.kinds, trace.ids, trace.sizes, strict=True)]


def notes(trace: Trace) -> dict[str, tuple[int, int]]:
    """The lines and the first line by the first words of each reason."""
    return {" ".join(n.reason.split()[:3]): (n.lines, n.first_line) for n in trace.skipped}


# --- One program, three tools ---------------------------------------------------------------------
PROGRAM: list[Row] = [
    (MALLOC, 0, 100),
    (MALLOC, 1, 120),
    (REALLOC, 0, 5000),
    (REALLOC, 1, 60),
    (MALLOC, 2, 200),
    (MALLOC, 3, 512),
    (MALLOC, 4, 33),
    (MALLOC, 5, 6),
    (FREE, 0, 0),
    (FREE, 2, 0),
    (FREE, 3, 0),
    (FREE, 4, 0),
    (FREE, 5, 0),
    (MALLOC, 5, 17),
    (FREE, 5, 0),
]
"""The calls of program.c, but for the one that fails."""

LTRACE: list[Row] = [
    *PROGRAM[:4],
    (MALLOC, 2, 512),
    (MALLOC, 3, 33),
    (FREE, 0, 0),
    (FREE, 2, 0),
    (FREE, 3, 0),
    (MALLOC, 3, 17),
    (FREE, 3, 0),
]
"""Those that ltrace shows: neither posix_memalign's result, nor strdup's malloc."""

SHOWN = {"mtrace.txt": PROGRAM, "valgrind.txt": PROGRAM, "ltrace.txt": LTRACE}


@pytest.mark.parametrize("name", SHOWN)
def test_the_recordings_of_one_program_are_one_trace(name: str) -> None:
    assert_program(read(RECORDED / name), SHOWN[name])


def assert_program(trace: Trace, expected: list[Row]) -> None:
    assert rows(trace) == expected
    (refused,) = trace.refused
    assert (refused.kind, refused.size) == (MALLOC, 2**60)
    assert not any(note.misuse for note in trace.skipped)


def test_each_tool_tells_what_it_knows_and_the_reader_what_it_skipped() -> None:
    mtrace, ltrace, valgrind = (
        read(RECORDED / f"{tool}.txt") for tool in ("mtrace", "ltrace", "valgrind")
    )
    assert mtrace.tag_names[mtrace.tags[0]] == "./program:[0x11d0]"
    assert list(valgrind.aligns[3:8]) == [0, 64, 256, 32, 0]
    assert list(ltrace.aligns[3:7]) == [0, 256, 32, 0]
    assert list(valgrind.threads) == []
    assert notes(mtrace) == {}
    assert notes(ltrace) == {
        "no call of": (3, 1),
        "posix_memalign, whose result": (1, 6),
        "free of a": (2, 12),
        "free of NULL,": (1, 13),
    }
    assert notes(valgrind)["free of NULL,"] == (3, 18)


def assert_as_valgrind_says(log: Path) -> None:
    """valgrind counts at the end of its log what is left, and what was allocated."""
    with stream(log) as batches:
        summary = Summary.of(batches)
    text = log.read_text("utf-8").replace(",", "")
    for pattern, expected in (
        (r"in use at exit: (\d+) bytes in (\d+) blocks", (summary.live_bytes, summary.live_blocks)),
        (r"total heap usage: .* (\d+) bytes allocated", (summary.requested,)),
    ):
        (found,) = re.findall(pattern, text)
        assert expected == tuple(map(int, [found] if isinstance(found, str) else found))


def test_the_figures_are_those_of_valgrind_itself() -> None:
    assert_as_valgrind_says(RECORDED / "valgrind.txt")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """program.c, compiled; the test is skipped without a compiler and glibc."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not hasattr(os, "confstr") or "glibc" not in libc_version():
        pytest.skip("no C compiler, or no glibc")
    path = tmp_path_factory.mktemp("program") / "program"
    source = str(RECORDED / "program.c")
    done = completed(compiler, "-w", "-O0", "-fno-builtin", source, "-o", str(path))
    assert done.returncode == 0, done.stderr
    return path


def libc_version() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except ValueError:
        return ""


@pytest.mark.parametrize("tool", ["mtrace", "ltrace", "valgrind"])
def test_the_tool_itself_is_read(tool: str, program: Path) -> None:
    log = program.with_name(f"{tool}.log")
    preload = "libc_malloc_debug.so.0"
    commands = {
        "mtrace": ["env", f"MALLOC_TRACE={log}", f"LD_PRELOAD={preload}", str(program)],
        "ltrace": ["ltrace", "-o", str(log), str(program)],
        "valgrind": ["valgrind", "--trace-malloc=yes", f"--log-file={log}", str(program)],
    }
    command = commands[tool]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{tool} is not installed")
    done = completed(*command)
    if done.returncode != 0 or not log.exists() or not log.stat().st_size:
        pytest.skip(f"{tool} cannot run here: {done.stderr[:200]}")
    assert_program(read(log), SHOWN[f"{tool}.txt"])
    if tool == "valgrind":
        assert_as_valgrind_says(log)


# --- Threads and C++ ------------------------------------------------------------------------------
def test_calls_inside_of_operator_new_are_not_counted_twice() -> None:
    trace = read(RECORDED / "ltrace_threads.txt")
    assert rows(trace) == [
        (MALLOC, 0, 4),
        (MALLOC, 1, 64),
        (MALLOC, 2, 16),
        (MALLOC, 3, 77),
        (FREE, 3, 0),
        (FREE, 2, 0),
        (MALLOC, 2, 100),
        (FREE, 2, 0),
        (FREE, 1, 0),
        (FREE, 0, 0),
    ]
    assert list(trace.aligns) == [0, 64, *[0] * 8]
    assert list(trace.threads) == [3491, 3491, 3491, 3492, 3492, 3492, *[3491] * 4]
    assert notes(trace) == {"no call of": (18, 1), "call inside of": (12, 3)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("malloc(8) = 0x10\nfree(0x10) = <void>\n", [(0, 0, 8), (2, 0, 0)]),
        ("[pid 7] malloc(8) = 0x10\n[pid 7] free(0x10) <no return ...>\n", [(0, 0, 8)]),
        ("7 malloc(8 <unfinished ...>\n8 free(0x9) = <void>\n7 <... malloc resumed> ) = 0x10\n",
         [(0, 0, 8)]),
        ("7   0.000020 malloc(8) = 0x10\n", [(0, 0, 8)]),
        ("   0.000020 malloc(8) = 0x10\n", [(0, 0, 8)]),
        ("23:43:57 malloc(8) = 0x10\n", [(0, 0, 8)]),
        ("7 1795996498.280272 [0x55cd05281250] a.out->malloc(8) = 0x10\n", [(0, 0, 8)]),
        ("7 malloc@libc.so.6(8 <unfinished ...>\n7 <... malloc resumed> ) = 0x10\n", [(0, 0, 8)]),
        ("[pid 7] a->operator new(unsigned long)(4, 0x7, 0x7) = 0x10\n"
         "[pid 7] a->operator new[](unsigned long, std::align_val_t)(64, 32, 0) = 0x40\n"
         "[pid 7] a->operator delete(void*, unsigned long)(0x10, 16, 4) = 0\n",
         [(0, 0, 4), (0, 1, 64), (2, 0, 0)]),
        ("malloc(8) = 0x10\nmalloc(9 <unfinished ...>\n", [(0, 0, 8)]),
        ("malloc(007) = 0x10\n", [(0, 0, 7)]),
        ("7 strlen(\"a\")                      = 1\n7 +++ exited (status 0) +++\n", []),
        ("malloc(8) = 0x10\nrealloc(0x10, 9) <no return ...>\n", [(0, 0, 8)]),
    ],
)  # fmt: skip
def test_the_spellings_of_ltrace(text: str, expected: list[Row]) -> None:
    trace = read_text(text)
    assert trace.format == "ltrace"
    assert rows(trace)[: len(expected)] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("--9-- malloc(8) = 0xA\n--9-- cfree(0xA)\n", [(0, 0, 8), (2, 0, 0)]),
        ("--9-- _Znwm(8) = 0xA\n--9-- _ZdlPvm(0xA)\n", [(0, 0, 8), (2, 0, 0)]),
        ("--9-- _ZnwmSt11align_val_t(size 64, al 8) = 0xA\n", [(0, 0, 64)]),
        ("--9-- malloc(8) = 0xA\n--9-- realloc(0xA,9) = 0xB\n--9-- free(0xB)\n",
         [(0, 0, 8), (1, 0, 9), (2, 0, 0)]),
        ("--9-- realloc(0x0,9)malloc(9) = 0xB\n--9-- realloc(0xB,0)free(0xB)\n--9--  = 0\n",
         [(0, 0, 9), (2, 0, 0)]),
        ("--9-- calloc(4294967296,4294967296) = 0x0\n--9-- malloc(1) = 0xA\n", [(0, 0, 1)]),
    ],
)  # fmt: skip
def test_the_spellings_of_valgrind(text: str, expected: list[Row]) -> None:
    trace = read_text(text)
    assert trace.format == "valgrind --trace-malloc"
    assert rows(trace) == expected


@pytest.mark.parametrize(
    ("text", "expected", "noted"),
    [
        ("= Start\n+ 0x10 0x8\n- 0x10\n", [(0, 0, 8), (2, 0, 0)], {}),
        ("@ a:[0x1] < 0x10\n@ a:[0x1] > 0x20 0x8\n", [(0, 0, 8)], {"realloc of a": (1, 2)}),
        ("@ a:[0x1] + 0x10 0x8\n@ a:[0x1] ! 0x10 0x9\n", [(0, 0, 8)], {}),
        ("@ a:[0x1] + 0x10 0\n@ a:[0x1] < 0x10\n@ a:[0x1] - 0x10\n",
         [(0, 0, 0), (2, 0, 0)], {"half of a": (1, 3)}),
        ("@ a:[0x1] + 0x10 0x8\n@ a:[0x1] > 0x10 0x8\n", [(0, 0, 8)], {"half of a": (1, 2)}),
        ("@ a:[0x1] + 0x10 0x8\n@ a:[0x1] < 0x10\n", [(0, 0, 8)], {"half of a": (1, 2)}),
        ("@ a:[0x1] + 0x10 0x8\n@ a:[0x1] < 0x10\n= End\n", [(0, 0, 8)], {"half of a": (1, 3)}),
        ("@ a b:[0x1] + 0x10 0x8\n@ a b:[0x1] + 0x1", [(0, 0, 8)], {"garbled or cut-off": (1, 2)}),
    ],
)  # fmt: skip
def test_the_lines_of_mtrace(
    text: str, expected: list[Row], noted: dict[str, tuple[int, int]]
) -> None:
    trace = read_text(text)
    assert trace.format == "glibc mtrace"
    assert (rows(trace), notes(trace)) == (expected, noted)


def test_a_call_that_ltrace_never_sees_return_is_noted() -> None:
    """The outermost one: calls inside of it are noted already, and a free is done at its begin."""
    text = (
        "7 malloc(8) = 0x10\n9 malloc(99 <unfinished ...>\n7 malloc(98 <unfinished ...>\n"
        "7 malloc(97 <unfinished ...>\n8 free(0x10 <unfinished ...>\n"
    )
    trace = read_text(text)
    assert trace.format == "ltrace"
    assert rows(trace) == [(MALLOC, 0, 8), (FREE, 0, 0)]
    assert notes(trace) == {"call whose result": (2, 2), "call inside of": (1, 4)}


def test_a_child_has_a_memory_of_its_own_and_is_not_read() -> None:
    text = "--9-- malloc(8) = 0xA\n--10-- free(0xA)\n--10-- malloc(7) = 0xA\n--9-- free(0xA)\n"
    trace = read_text(text)
    assert rows(trace) == [(MALLOC, 0, 8), (FREE, 0, 0)]
    assert notes(trace) == {"call of another": (2, 2)}


# --- Android --------------------------------------------------------------------------------------
def test_android_threads_times_and_alignments() -> None:
    trace = read(RECORDED / "memory_replay.txt")
    assert rows(trace) == [
        (MALLOC, 0, 20),
        (MALLOC, 1, 128),
        (MALLOC, 2, 8192),
        (REALLOC, 1, 12),
        (MALLOC, 3, 33),
        (FREE, 0, 0),
        (MALLOC, 0, 8),
        (FREE, 0, 0),
        (FREE, 1, 0),
    ]
    assert list(trace.aligns) == [0, 0, 4096, *[0] * 6]
    assert list(trace.threads) == [186, 186, 187, 186, 186, 187, 186, 186, 186]
    assert list(trace.times[6:]) == [0, 1000, 0]
    assert [(one.line, one.size) for one in trace.refused] == [(9, 2**36)]
    assert notes(trace) == {"free of NULL,": (1, 8), "garbled or cut-off": (1, 14)}


# --- RMM ------------------------------------------------------------------------------------------
def test_an_rmm_log_with_a_failure_at_midnight() -> None:
    trace = read(RECORDED / "rmm.csv")
    assert rows(trace) == [(MALLOC, 0, 2**20), (MALLOC, 1, 4096), (FREE, 0, 0), (MALLOC, 0, 2048)]
    assert [trace.tag_names[tag] for tag in trace.tags] == ["0x0", "0x2", "0x0", "0x2"]
    assert list(trace.times) == [0, 500_000_000, 1_499_999_000, 2_500_000_000]
    assert trace.refused == [(3, 5, MALLOC, 2**34, 0, "0x2", 2342728, 1_500_001_000, None, False)]
    assert notes(trace) == {"free of a": (1, 7), "garbled or cut-off": (1, 8)}


@pytest.mark.parametrize("header", ["", "Thread,Time,Action,Pointer,Size,Stream\n"])
@pytest.mark.parametrize("zero", ["", "0x"])
def test_the_versions_of_rmm(header: str, zero: str) -> None:
    row = "140573312345856,1634567890.123456,{},{}7f8a40000000,1024,{}0\n"
    text = header + row.format("allocate", zero, zero) + row.format("deallocate", zero, zero)
    assert rows(read_text(text)) == [(MALLOC, 0, 1024), (FREE, 0, 0)]


# --- Umpire ---------------------------------------------------------------------------------------
def test_an_umpire_log_of_2019_with_a_failed_allocation_and_a_cut_off_line() -> None:
    trace = read(RECORDED / "umpire_2019.json")
    assert rows(trace) == [(MALLOC, 0, 134), (MALLOC, 1, 774), (FREE, 0, 0)]
    assert [trace.tag_names[tag] for tag in trace.tags] == ["pool", "0x101626b0", "pool"]
    assert list(trace.times) == [0, 8000, 27000]
    assert trace.refused == [(2, 10, MALLOC, 999999999999, 0, "pool", 27494, 17000, None, False)]
    assert notes(trace) == {
        "no event, ignored": (1, 1),
        "event that neither": (4, 2),
        "garbled or cut-off": (1, 12),
    }


def test_an_umpire_log_of_2022() -> None:
    trace = read(RECORDED / "umpire_2022.json")
    assert rows(trace) == [(MALLOC, 0, 256), (MALLOC, 1, 64), (FREE, 0, 0)]
    assert [trace.tag_names[tag] for tag in trace.tags] == ["pool", "0x55d0c0ffee01", "pool"]
    assert notes(trace) == {"event that neither": (3, 1)}


def test_an_allocation_of_umpire_that_is_announced_at_the_end_failed() -> None:
    text = (RECORDED / "umpire_2019.json").read_text().splitlines()[9]
    assert [one.size for one in read_text(text).refused] == [999999999999]
    garbled = text.replace('"allocate"', '"deallocate"')
    trace = read_text(f"{text}\n{garbled}\n")
    assert [one.line for one in trace.refused] == [1]
    assert notes(trace) == {"garbled or cut-off": (1, 2)}


# --- PyTorch --------------------------------------------------------------------------------------
SNAPSHOTS = ["snapshot.json", *(f"snapshot.pickle.{n}" for n in (2, 3, 4, 5))]


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_a_snapshot_of_pytorch_as_json_and_as_a_pickle(name: str) -> None:
    trace = read_text(samples()[name])
    assert trace.format.startswith("PyTorch snapshot")
    assert rows(trace) == [(MALLOC, 0, 512), (MALLOC, 1, 1024), (FREE, 0, 0)]
    assert [trace.tag_names[tag] for tag in trace.tags] == ["train.py:7 step", "", ""]
    assert list(trace.times) == [0, 4000, 7000]
    assert trace.refused == [(2, 5, MALLOC, 2**33, 0, "vector.cu:3 grow", 0, 6000, None, False)]
    assert [(note.reason.split(",")[0], note.lines) for note in trace.skipped] == [
        ("action of another device than 1", 1),
        ("action of the allocator itself (segment_alloc)", 1),
        ("action of the allocator itself (free_requested)", 1),
        ("action of the allocator itself (snapshot)", 1),
        ("garbled action", 1),
    ]


class Named:
    """A value whose pickle calls a function, which must not happen."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch ran",)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_that_names_a_class_is_refused_and_runs_nothing(
    protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content = pickle.dumps({"device_traces": [[Named()]]}, protocol=protocol)
    with pytest.raises(TraceError, match=r"^t is a pickle that names a class or calls a function"):
        read_text(content)
    assert list(tmp_path.iterdir()) == []


VALUES: list[object] = [
    None, True, False, 0, -1, 255, 70000, 2**40, -(2**70), 1.5, "text", "ä" * 300, b"bytes", [],
    {}, (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), {"a": [1, {"b": (None, [])}], 3: "x", None: 1},
    [[]] * 3, list(range(2000)), {str(n): n for n in range(2000)},
]  # fmt: skip


@pytest.mark.parametrize("protocol", range(6))
def test_a_plain_pickle_is_read_as_python_reads_it(protocol: int) -> None:
    for value in [*VALUES, VALUES]:
        if protocol > 2 or b"bytes" not in repr(value).encode():  # bytes were a call until then
            assert plain_pickle.load(pickle.dumps(value, protocol=protocol)) == value


@pytest.mark.parametrize(
    "content",
    [
        b".", b"", b"]", b"e.", b"(a.", b"((u.", b"}(](s.", b"}](K\x01s.", b"h\x07.", b"(.",
        b"(K\x01\x86.", b"K\x01K\x02a.", b"K\x01(K\x02e.", b"}(K\x01u.", b"K\x01(K\x01K\x02u.",
        b"}]K\x01s.", b"\x86.", b"q\x00.", b"\xff.", b"X\xff\xff\xff\x7fab.", b"P1\n.",
        b"r\xff\xff\xff\xff.",
    ],
)  # fmt: skip
def test_a_broken_pickle_is_refused_with_a_sentence(content: bytes) -> None:
    with pytest.raises(TraceError, match=r"^t is a pickle that .*; expected the plain values"):
        read_text(b"\x80\x02" + content)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (pickle.dumps([1]), "has no history"),
        (pickle.dumps({"device_traces": []}), "has no history"),
        (pickle.dumps({"device_traces": [[], []]}), "has no history"),
        (pickle.dumps({"device_traces": {"a": 1}}), "has no history"),
        (b'{"device_traces": [[', "is broken JSON"),
        (b'{"segments": ' + b"[" * 100_000, "is broken JSON"),
        (b'{"segments": []}', "has no history"),
    ],
)  # fmt: skip
def test_a_snapshot_without_history_is_refused_with_a_sentence(content: bytes, why: str) -> None:
    with pytest.raises(TraceError, match=f"^t {why}.*; expected"):
        read_text(content)


# --- OSTEP ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("text", ["+10,+7,-0,+3", " +10 , +7,\n-0,\n\n+3\n"])
def test_an_ostep_list(text: str) -> None:
    trace = read_text(text)
    assert trace.format == "OSTEP list"
    assert rows(trace) == [(MALLOC, 0, 10), (MALLOC, 1, 7), (FREE, 0, 0), (MALLOC, 0, 3)]


@pytest.mark.parametrize("broken", ["10", "+x", "-", "", "+1 2", f"+{2**64}"])
def test_an_entry_that_is_none_is_named(broken: str) -> None:
    with pytest.raises(TraceError, match=r"^t, line 2: .*'\+SIZE' or '-INDEX'"):
        read_text(f"+1,\n+2,{broken},+3\n")
