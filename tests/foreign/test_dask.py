"""Sweeps on a Dask cluster: a real scheduler and two worker processes, of which one is killed."""

from __future__ import annotations

import os
import random
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from distributed import Client, LocalCluster

from glassheap import policies, sweep
from glassheap.sweeping import Row, SweepError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore")  # Dask's own


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    """A scheduler and two workers on loopback."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as it:
        yield it


@pytest.fixture
def traces(tmp_path: Path) -> list[str]:
    """Two traces, long enough that a worker can be killed in the middle."""
    return [write(tmp_path / f"{seed}.script", seed) for seed in (1, 2)]


def write(path: Path, seed: int) -> str:
    """A script of mallocs and frees."""
    choice = random.Random(seed)
    live: list[int] = []
    lines = []
    for number in range(10_000):
        if live and choice.random() < 0.49:
            lines.append(f"f {live.pop(choice.randrange(len(live)))}")
        else:
            live.append(number)
            lines.append(f"a {number} {choice.randrange(1, 2000)}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


SIZES = [2**18, 2**20, 2**22]


def untimed(rows: Iterable[Row]) -> set[Row]:
    return {row._replace(nanoseconds_per_operation=0.0) for row in rows}


def in_threads(traces: list[str]) -> set[Row]:
    """The same rows, of this process."""
    with ThreadPoolExecutor(1) as threads:
        return untimed(sweep(traces, sizes=SIZES, executor=threads))


def workers(address: str) -> dict[str, int]:
    """The process ids of the workers."""
    with Client(address, set_as_default=False) as client:
        return client.run(os.getpid)  # type: ignore[no-any-return]


def test_a_cluster_gives_the_rows_of_this_machine(cluster: LocalCluster, traces: list[str]) -> None:
    rows = untimed(sweep(traces, sizes=SIZES, scheduler=cluster.scheduler_address))
    assert rows == in_threads(traces)
    assert len(rows) == 2 * 3 * len(policies())


def test_what_a_worker_had_that_was_killed_is_played_again(
    cluster: LocalCluster, traces: list[str]
) -> None:
    victim, *_ = workers(cluster.scheduler_address).values()

    def kill(done: int, total: int) -> None:
        if done == 5:
            os.kill(victim, signal.SIGKILL)

    rows = [*sweep(traces, sizes=SIZES, scheduler=cluster.scheduler_address, progress=kill)]
    assert len(rows) == len({row.part for row in rows}) == 2 * 3 * len(policies())
    assert untimed(rows) == in_threads(traces)


def test_traces_that_were_lost_with_all_workers_are_sent_again(
    cluster: LocalCluster, traces: list[str]
) -> None:
    """The nannies start other workers, which have nothing of what was scattered."""
    victims = workers(cluster.scheduler_address).values()

    def kill(done: int, total: int) -> None:
        if done == 5:
            for victim in victims:
                os.kill(victim, signal.SIGKILL)

    rows = sweep(traces, sizes=SIZES, scheduler=cluster.scheduler_address, progress=kill)
    assert untimed(rows) == in_threads(traces)


def test_a_cluster_that_is_not_there_is_named(traces: list[str]) -> None:
    with pytest.raises(SweepError, match=r"cannot use the cluster at tcp://127[.]0[.]0[.]1:1: "):
        [*sweep(traces, scheduler="tcp://127.0.0.1:1")]
    with pytest.raises(SweepError, match="cannot use the cluster at nowhere://x: "):
        [*sweep(traces, scheduler="nowhere://x")]


def test_a_scheduler_that_is_lost_ends_the_sweep(cluster: LocalCluster, traces: list[str]) -> None:
    def end(done: int, total: int) -> None:
        if done == 5:
            cluster.close()

    with pytest.raises(SweepError):
        [*sweep(traces, sizes=SIZES, scheduler=cluster.scheduler_address, progress=end)]
