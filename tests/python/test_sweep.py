"""Sweeps: equal to a loop of replays, on any executor, through lost workers, and resumed."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import signal
import sys
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE, Popen
from typing import TYPE_CHECKING, Any

import pytest

import glassheap
from glassheap import sweep
from glassheap.errors import InvalidAlignment, InvalidSize
from glassheap.sweeping import Row, SweepError, shelf
from glassheap.sweeping.crews import ProcessCrew
from glassheap.traces import TraceError
from sweeping_helpers import (
    KILLS,
    NAMES,
    comparable,
    deadly,
    in_a_loop,
    kills_once,
    script,
    trace,
    untimed,
)

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = (20_000, 2**20, None)


def spawned() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(2, multiprocessing.get_context("spawn"))


class Immediate(Executor):
    """Runs every call at once, and counts them."""

    calls = 0

    def submit(self, call: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        self.calls += 1
        future: Future[Any] = Future()
        future.set_result(call(*given, **named))
        return future


def swept(*traces: Any, **options: Any) -> list[Row]:
    return [*sweep(traces, **{"executor": Immediate(), "sizes": [20_000], **options})]


# --- The rows -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "options", [{}, {"headers": False}, {"granules": [16, 4096, None]}], ids=repr
)
def test_a_sweep_finds_what_a_loop_of_replays_finds(options: dict[str, Any]) -> None:
    traces = [trace(), trace(300, 2, "other")]
    rows = [*sweep(traces, sizes=SIZES, jobs=2, **options)]
    for row in rows:
        assert row.part == row[:6]
    found = sorted(comparable(row._asdict()) for row in rows)
    assert found == sorted(comparable(one) for one in in_a_loop(traces, SIZES, **options))


@pytest.mark.parametrize("new", [spawned, lambda: ThreadPoolExecutor(3), Immediate])
def test_every_executor_gives_the_same_rows_and_stays_open(new: Callable[[], Executor]) -> None:
    with new() as executor:
        rows = untimed(sweep([trace()], sizes=SIZES, executor=executor))
        assert executor.submit(abs, -1).result(10) == 1
    assert rows == untimed(swept(trace(), sizes=SIZES))


def test_a_path_is_read_and_repeats_are_played_once(tmp_path: Path) -> None:
    path = tmp_path / "a.script"
    path.write_text(script(50), encoding="utf-8")
    rows = swept(path, str(path), sizes=[4096, 4096], policies=["tlsf", "tlsf"])
    assert [row.trace for row in rows] == [str(path)]


def test_a_row_has_plain_values_and_says_where_the_first_failure_is() -> None:
    (row,) = swept(trace(), policies=["first_fit"], sizes=[4096])
    assert json.loads(json.dumps(row._asdict())) == row._asdict()
    assert row.first_failure is not None
    assert row.first_failure_line == row.first_failure
    (fits,) = swept(trace(), policies=["first_fit"], sizes=[2**20])
    assert (fits.failures, fits.first_failure, fits.first_failure_line) == (0, None, None)


def test_two_traces_of_one_name_are_two() -> None:
    first, second = swept(trace(), trace(seed=2), policies=["tlsf"])
    assert first.trace == second.trace
    assert first.content != second.content


def test_a_worker_reads_a_trace_once_and_keeps_two(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.load_once.cache_clear()
    swept(*(trace(60, seed) for seed in range(4)))
    told = shelf.load_once.cache_info()
    assert (told.misses, told.currsize) == (4, shelf.HELD)


def test_progress_is_told_from_the_start_to_the_end() -> None:
    told: list[tuple[int, int]] = []
    swept(trace(), policies=NAMES[:3], progress=lambda *given: told.append(given))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_more_parts_than_the_window_are_all_played_in_turn() -> None:
    sizes = range(4096, 4096 + 16 * 300, 16)
    rows = swept(trace(20), policies=["tlsf"], sizes=sizes)
    assert [row.size for row in rows] == [*sizes]


# --- Mistakes -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("options", "error", "phrase"),
    [
        ({"policies": []}, ValueError, "nothing to replay"),
        ({"policies": ["none"]}, ValueError, "none"),
        ({"sizes": [4096, 0]}, InvalidSize, "not 0"),
        ({"sizes": [2**60]}, InvalidSize, "to 68719476720 bytes"),
        ({"granules": [3]}, InvalidAlignment, "power of two"),
        ({"jobs": 0}, ValueError, "at least 1"),
        ({"jobs": 1, "scheduler": "tcp://127.0.0.1:1"}, ValueError, "exclude each other"),
    ],
)
def test_a_mistake_is_found_before_anything_is_read(
    options: dict[str, Any], error: type[Exception], phrase: str
) -> None:
    with pytest.raises(error, match=phrase):
        sweep(["there is no such file"], **options)


def test_a_broken_trace_is_found_before_anything_is_replayed(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("a 0 1\na 1 eight\n", encoding="utf-8")
    counting = Immediate()
    with pytest.raises(TraceError, match="line 2"):
        swept(trace(), broken, executor=counting)
    with pytest.raises(FileNotFoundError):
        swept(trace(), tmp_path / "none", executor=counting)
    assert counting.calls == 0


# --- Lost workers ---------------------------------------------------------------------------------
def test_what_a_worker_had_that_was_killed_is_played_again(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    rows = [*sweep([trace(), kills_once(mark)], sizes=SIZES, jobs=2)]
    assert mark.exists()
    assert len(rows) == len({row.part for row in rows}) == 2 * len(NAMES) * len(SIZES)
    assert untimed(rows) == untimed(swept(trace(), trace(name="deadly"), sizes=SIZES))


@pytest.mark.any_interpreter
def test_a_sweep_whose_workers_are_killed_again_and_again_is_complete() -> None:
    """From outside, in the middle of long parts: after these rows one is killed."""

    def kill_one(done: int, total: int) -> None:
        if done in (1, 6, 14):
            workers = multiprocessing.active_children()
            os.kill(next(it.pid for it in workers if it.pid), signal.SIGKILL)

    long = trace(20_000)
    rows = [*sweep([long], sizes=[2**20, 2**22], jobs=2, progress=kill_one)]
    assert untimed(rows) == untimed(swept(long, sizes=[2**20, 2**22]))


def test_a_part_that_kills_every_worker_ends_the_sweep_with_a_sentence() -> None:
    rows: list[Row] = []
    with pytest.raises(SweepError, match=r"^cannot replay .*: its worker died 3 times; expected"):
        rows += sweep([trace(), deadly(KILLS)], policies=["tlsf"], jobs=1)
    assert multiprocessing.active_children() == []


def test_an_executor_that_breaks_ends_the_sweep() -> None:
    with spawned() as broken, pytest.raises(SweepError, match="the executor is broken"):
        [*sweep([deadly(KILLS)], executor=broken)]
    closed = ThreadPoolExecutor(1)
    closed.shutdown()
    with pytest.raises(SweepError, match=r"takes no more parts: .* after shutdown"):
        [*sweep([trace()], executor=closed)]


def test_an_error_in_a_worker_names_the_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf.Shelf, "file", lambda *given: Path("/nowhere"))
    pattern = "^cannot replay small with tlsf in 4,096 bytes: .*No such file"
    with ThreadPoolExecutor(1) as threads, pytest.raises(SweepError, match=pattern):
        [*sweep([trace()], policies=["tlsf"], sizes=[4096], executor=threads)]


# --- Ends -----------------------------------------------------------------------------------------
SLOW = "__import__('time').sleep(60)"


def test_a_sweep_that_is_closed_ends_its_workers_in_the_middle_of_a_part() -> None:
    started = time.monotonic()
    with closing(sweep([trace(), deadly(SLOW)], policies=["tlsf"], jobs=2)) as rows:
        next(rows)
        assert multiprocessing.active_children()
    assert multiprocessing.active_children() == []
    assert time.monotonic() - started < 30


def test_an_error_of_the_callers_ends_the_workers_at_once() -> None:
    """Also while its traceback, and so the generator, are kept."""

    def fail(done: int, _total: int) -> None:
        if done:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as kept:
        list(sweep([trace()], policies=["tlsf", "buddy"], jobs=1, progress=fail))
    assert multiprocessing.active_children() == []
    assert kept.tb is not None


def test_a_second_ctrl_c_waits_for_the_end_of_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that still starts would miss the locks of its pool, and print a traceback."""
    crew, ended = ProcessCrew(1), []

    def shutdown(**_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        ended.append(True)

    monkeypatch.setattr(crew._pool, "shutdown", shutdown)
    with pytest.raises(KeyboardInterrupt):
        crew.close(finished=False)
    assert ended == [True]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()


def test_the_traces_are_removed_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with closing(sweep([trace()], executor=Immediate())) as rows:
        next(rows)
        assert len([*tmp_path.glob("*/*")]) == 1
    assert [*tmp_path.iterdir()] == []


ORPHANS = """
import multiprocessing, os, sys
from glassheap import sweep
def tell(done, total):
    if done:
        print(*(it.pid for it in multiprocessing.active_children()), flush=True)
        sys.stdin.read()
if __name__ == "__main__":
    list(sweep([sys.argv[1]], jobs=2, progress=tell))
"""


def test_the_workers_of_a_killed_program_end(tmp_path: Path) -> None:
    path, program = tmp_path / "a.script", tmp_path / "program.py"
    path.write_text(script(50), encoding="utf-8")
    program.write_text(ORPHANS, encoding="utf-8")
    command = [sys.executable, str(program), str(path)]
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True) as parent:
        assert parent.stdout is not None
        workers = parent.stdout.readline().split()
        parent.kill()
    assert workers
    deadline = time.monotonic() + 30
    while any(is_running(worker) for worker in workers):
        assert time.monotonic() < deadline, "a worker is left"
        time.sleep(0.02)


def is_running(pid: str) -> bool:
    try:
        return Path("/proc", pid, "stat").read_text(encoding="utf-8").rpartition(")")[2][1] != "Z"
    except FileNotFoundError:
        return False


# --- Results in a file ----------------------------------------------------------------------------
def test_what_a_file_of_results_has_is_not_replayed(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    first = swept(trace(), resume=file)
    counting = Immediate()
    again = swept(trace(), trace(name="new"), resume=file, executor=counting)
    assert again[: len(NAMES)] == first
    assert counting.calls == len(NAMES)
    assert [Row(**json.loads(line)) for line in file.read_text("utf-8").splitlines()] == again
    assert swept(trace(), resume=file, executor=counting, sizes=[20_000]) == first
    assert counting.calls == len(NAMES)


@pytest.mark.parametrize("torn", [1, 5, 100, -1])
def test_a_line_that_is_torn_is_replayed(tmp_path: Path, torn: int) -> None:
    file = tmp_path / "rows.jsonl"
    swept(trace(), resume=file, policies=NAMES[:2])
    whole = file.read_bytes()
    end = whole.index(b"\n") + 1
    file.write_bytes(whole[: end + torn] if torn > 0 else whole[:torn])
    counting = Immediate()
    rows = swept(trace(), resume=file, policies=NAMES[:2], executor=counting)
    assert counting.calls == 1
    assert file.read_bytes().count(b"\n") == len(rows) == 2
    assert untimed(
        Row(**json.loads(line)) for line in file.read_text("utf-8").splitlines()
    ) == untimed(rows)


def test_a_trace_that_has_changed_is_replayed(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    old = swept(trace(), resume=file)
    new = swept(trace(seed=2), resume=file)
    assert {row.content for row in old}.isdisjoint({row.content for row in new})


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "hello\n",
        "{}\n",
        "[1]\n",
        '{"trace": 5}\n',
        "\n",
        "a,b\n1,2",
        "\x00\xff",
        "[" * 99999,
    ],
)
def test_another_file_is_refused_and_left_as_it_is(tmp_path: Path, text: str) -> None:
    file = tmp_path / "notes.txt"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SweepError, match="line 1 is no row of a sweep; expected"):
        swept(trace(), resume=file)
    assert file.read_text("utf-8") == text


def test_a_value_of_another_type_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    (row,) = swept(trace(), resume=file, policies=["tlsf"])
    for name in Row._fields:
        wrong = row._asdict() | {name: [1]}
        file.write_text(json.dumps(wrong) + "\n", encoding="utf-8")
        with pytest.raises(SweepError, match="line 1 is no row"):
            swept(trace(), resume=file)


def test_a_file_that_cannot_be_opened_or_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(SweepError, match=r"cannot open .*: it is not a regular file"):
        swept(trace(), resume=tmp_path)
    with pytest.raises(SweepError, match="cannot open /dev/zero: it is not a regular file"):
        swept(trace(), resume="/dev/zero")
    with pytest.raises(SweepError, match=r"cannot open .*: No such file or directory"):
        swept(trace(), resume=tmp_path / "none" / "rows.jsonl")


def test_a_full_disk_ends_the_sweep_with_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    swept(trace(20), resume=file, policies=["tlsf"], sizes=range(4096, 8192, 16))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size, limits[1]))
    try:
        with pytest.raises(SweepError, match=r"cannot write .*rows.jsonl: File too large"):
            swept(trace(20), resume=file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_the_package_has_the_call_and_the_digest_is_of_what_is_replayed() -> None:
    assert glassheap.sweep is sweep
    one = trace()
    assert shelf.digest(one) == shelf.digest(replace(one, name="other"))
    assert shelf.digest(one) != shelf.digest(trace(399))
