"""`glassheap sweep`: its table, its rows as CSV and JSON, its statuses, its mistakes, Ctrl-C."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from command_helpers import assert_mistake, command, completed, printed, run
from glassheap.sweeping import Row, SweepError
from glassheap.sweeping.crews import ExecutorCrew
from sweeping_helpers import NAMES, script
from test_sweep import Immediate

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def trace(tmp_path: Path) -> str:
    """The path of a trace."""
    path = tmp_path / "short.script"
    path.write_text("a 0 100\na 1 200\nf 0\nr 1 3000\n", encoding="utf-8")
    return str(path)


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweeps without worker processes, for speed, except in tests of a process."""
    crew = ExecutorCrew(Immediate())
    monkeypatch.setattr("glassheap.sweeping.running.ProcessCrew", lambda _: crew)


def rows_of(*arguments: str) -> Any:
    return json.loads(printed("sweep", *arguments, "--json"))


# --- What it prints -------------------------------------------------------------------------------
def test_a_table_has_a_line_for_each_row(trace: str) -> None:
    lines = printed("sweep", trace, "--sizes", "512,64K", "--policies", "tlsf,first_fit")
    titles, *rows = [line.split() for line in lines.splitlines()]
    assert titles[:6] == ["trace", "policy", "layout", "region", "failures", "first"]
    assert [row[1:6] for row in rows] == [
        ["first_fit", "headers", "512", "1", "4"],
        ["tlsf", "headers", "512", "1", "4"],
        ["first_fit", "headers", "65,536", "0", "-"],
        ["tlsf", "headers", "65,536", "0", "-"],
    ]


def test_without_options_every_policy_fits_the_trace(trace: str) -> None:
    rows = rows_of(trace)
    assert [row["policy"] for row in rows] == NAMES
    assert {(row["failures"], row["size"], row["headers"]) for row in rows} == {(0, None, True)}


def test_the_layouts(trace: str) -> None:
    assert {row["headers"] for row in rows_of(trace, "--no-headers")} == {False}
    rows = rows_of(trace, "--granules", "16,4K", "--policies", "tlsf")
    assert [(row["granule"], row["headers"]) for row in rows] == [(16, False), (4096, False)]


def test_csv_has_the_same_rows(trace: str) -> None:
    titles, *rows = csv.reader(io.StringIO(printed("sweep", trace, "--csv")))
    assert tuple(titles) == Row._fields
    assert [row[2] for row in rows] == NAMES
    assert {row[5] for row in rows} == {""}


def test_a_sweep_is_resumed(trace: str, tmp_path: Path) -> None:
    file = str(tmp_path / "rows.jsonl")
    first = rows_of(trace, "--resume", file, "--policies", "tlsf")
    again = rows_of(trace, "--resume", file)
    assert first[0] in again
    assert len(Path(file).read_text("utf-8").splitlines()) == len(again) == len(NAMES)


def test_worker_processes_give_the_same_rows(tmp_path: Path, trace: str) -> None:
    done = command("sweep", trace, "--jobs", "2", "--json", "--sizes", "4K,64K")
    assert (done.returncode, done.stderr) == (0, "")
    processes = [row | {"nanoseconds_per_operation": 0} for row in json.loads(done.stdout)]
    here = rows_of(trace, "--sizes", "4K,64K")
    assert processes == [row | {"nanoseconds_per_operation": 0} for row in here]


# --- Statuses and mistakes ------------------------------------------------------------------------
def test_misuse_is_reported_once_a_trace(tmp_path: Path) -> None:
    path = tmp_path / "twice.script"
    path.write_text("a 0 100\nf 0\nf 0\n", encoding="utf-8")
    done = run("sweep", str(path))
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1 + len(NAMES)
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"glassheap: {path}: ")


@pytest.mark.parametrize(
    ("line", "phrase"),
    [
        ("", "the following arguments are required: TRACE"),
        ("x --policies first_fot", "there is no policy 'first_fot'"),
        ("x --policies tlsf,", "there is no policy ''"),
        ("x --sizes 64K,big", "'big' is no size"),
        ("x --granules ,", "'' is no size"),
        ("x --granules 16 --no-headers", "not allowed with"),
        ("x --jobs 0", "'0' is no number of jobs"),
        ("x --jobs 99999", "from 1 to 1,024"),
        ("x --jobs 2 --scheduler tcp://127.0.0.1:1", "not allowed with"),
        ("x --csv --json", "not allowed with"),
        ("x --resume", "expected one argument"),
    ],
)
def test_a_mistake_in_the_arguments_is_a_sentence(line: str, phrase: str) -> None:
    assert_mistake(run("sweep", *shlex.split(line)), phrase, "--help)")


def test_a_mistake_in_a_value_is_a_sentence(trace: str) -> None:
    assert_mistake(run("sweep", trace, "--sizes", "0"), "cannot sweep: the region", "not 0")
    assert_mistake(run("sweep", trace, "--granules", "3"), "must be a power of two")
    huge = run("sweep", trace, "--sizes", str(2**64 - 1))
    assert_mistake(huge, "cannot sweep: ")


def test_a_mistake_in_a_file_is_a_sentence(trace: str, tmp_path: Path) -> None:
    assert_mistake(run("sweep", trace, "none.rep"), "cannot read none.rep: No such file")
    broken = tmp_path / "broken"
    broken.write_bytes(b"a 0 1\na 1 eight\n")
    assert_mistake(run("sweep", trace, str(broken)), f"{broken}, line 2: cannot read 'a 1 eight'")
    assert_mistake(run("sweep", trace, "--resume", str(broken)), f"{broken}: line 1 is no row")
    assert_mistake(
        run("sweep", trace, "--resume", str(tmp_path)), "cannot open", "not a regular file"
    )


def test_a_file_of_results_has_one_sweep_at_a_time(trace: str, tmp_path: Path) -> None:
    results = tmp_path / "results"
    with open(results, "wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        done = run("sweep", trace, "--resume", str(results))
        assert_mistake(done, f"cannot sweep: cannot open {results}: another sweep writes to it")
    assert run("sweep", trace, "--resume", str(results)).returncode == 0
    assert run("sweep", trace, "--resume", str(results)).returncode == 0
    assert len(results.read_text().splitlines()) == len(NAMES)


def test_a_scheduler_without_a_port_is_one_sentence(trace: str) -> None:
    """Also when the interpreter ends, and destroys what Dask has begun."""
    pytest.importorskip("distributed")
    done = completed(sys.executable, "-m", "glassheap", "sweep", trace, "--scheduler", "foo")
    assert_mistake(done, "cannot use the cluster at foo: missing port number")


def test_without_dask_a_scheduler_is_a_mistake(trace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    done = run("sweep", trace, "--scheduler", "tcp://127.0.0.1:1")
    assert_mistake(done, "pip install 'glassheap[dask]'")


def test_a_sweep_that_ends_early_prints_the_rows_that_it_has(
    trace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Breaking(Immediate):
        def submit(self, *given: Any, **named: Any) -> Any:
            if self.calls == 2:
                raise RuntimeError("it broke")
            return super().submit(*given, **named)

    class Narrow(ExecutorCrew):
        def window(self) -> int:
            return 1

    monkeypatch.setattr("glassheap.sweeping.running.ProcessCrew", lambda _: Narrow(Breaking()))
    done = run("sweep", trace)
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1 + 2
    told = "cannot sweep: the executor takes no more parts: it broke"
    assert done.stderr == f"glassheap: {told}\n"
    assert issubclass(SweepError, RuntimeError)


# --- Ctrl-C and SIGTERM ---------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kill", "number", "status"),
    [
        (os.killpg, signal.SIGINT, 130),
        (os.kill, signal.SIGTERM, 143),
    ],
)
def test_an_interrupt_prints_the_rows_that_were_ready(
    tmp_path: Path, kill: Callable[[int, int], None], number: signal.Signals, status: int
) -> None:
    """In a terminal every process of the group gets it.  Nothing is left behind."""
    path = tmp_path / "long.script"
    path.write_text(script(40_000), encoding="utf-8")
    sizes = ",".join(map(str, range(2**20, 2**20 + 16 * 5000, 16)))
    arguments = "sweep", str(path), "--jobs", "2", "--csv", "--sizes", sizes
    process = subprocess.Popen(
        [sys.executable, "-m", "glassheap", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert process.stdout is not None
    for _ in range(3):
        assert process.stdout.readline()
    kill(process.pid, number)
    _, error = process.communicate(timeout=60)
    assert error == "glassheap: interrupted: the output has the rows that were ready\n"
    assert process.returncode == status
    assert [*tmp_path.iterdir()] == [path]
