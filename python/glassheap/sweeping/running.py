"""The call: it reads the traces, skips what a file of results has, and has the rest played."""

from __future__ import annotations

import os
from contextlib import ExitStack, closing
from functools import partial
from typing import TYPE_CHECKING

from glassheap.progress import Progress, ignore
from glassheap.sweeping.crews import Crew, ExecutorCrew, ProcessCrew
from glassheap.sweeping.driving import Drive
from glassheap.sweeping.parts import Kind, Part, kinds
from glassheap.sweeping.results import Results
from glassheap.sweeping.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from concurrent.futures import Executor

    from glassheap.sweeping.row import Row
    from glassheap.traces import Trace


def sweep(
    traces: Iterable[str | os.PathLike[str] | Trace],
    *,
    policies: Iterable[str] | None = None,
    sizes: Iterable[int | None] = (None,),
    granules: Iterable[int | None] = (None,),
    headers: bool = True,
    jobs: int | None = None,
    executor: Executor | None = None,
    scheduler: str | None = None,
    resume: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Generator[Row, None, None]:
    """Replay every trace with every policy, granule and size, in parallel.

    Yields a row for each as it is ready; to close the generator ends the sweep.  `traces` are
    paths or traces that were read; all are read before the first replay.  `policies` are all of
    them by default.  Sizes and granules are in bytes.  A size of None is a region that grows until
    the trace fits.  A granule of None is a `Heap`, with headers or without; another is an
    `OffsetHeap`, which has none.

    The replays run in `jobs` processes (as many as this process has cores), on any `executor`
    whose workers have the same disk, or on the Dask cluster whose `scheduler` has this address.
    The parts of a worker that dies are replayed again, twice at most.  An executor of the
    caller's stays open; if it breaks, so does the sweep.

    `resume` is a file of results in JSON lines.  Its rows are yielded first, and not replayed; the
    new ones are appended to it.

    Raises `ValueError` for wrong arguments, the errors of `Heap` for a wrong size, granule or
    policy, those of `glassheap.traces.read`, and `SweepError` if and only if a part cannot be
    replayed, a worker died three times at it, the cluster or the executor is lost, or `resume` is
    not a file of results.  O(n) for each row, over the number of workers.
    """
    if sum(it is not None for it in (jobs, executor, scheduler)) > 1:
        raise ValueError("jobs, executor and scheduler exclude each other")
    if jobs is not None and jobs < 1:
        raise ValueError(f"jobs must be at least 1, and {jobs} is not")
    heaps = kinds(policies, sizes, granules, headers)
    crew = partial(new_crew, jobs, executor, scheduler)
    return run(traces, heaps, crew, resume, progress or ignore)


def run(
    traces: Iterable[str | os.PathLike[str] | Trace],
    heaps: list[Kind],
    crew: Callable[[], Crew],
    resume: str | os.PathLike[str] | None,
    progress: Progress,
) -> Generator[Row, None, None]:
    """The rows of a sweep: first those of the file of results, then the new ones."""
    with ExitStack() as stack:
        results = stack.enter_context(closing(Results(resume)))
        shelf = stack.enter_context(closing(Shelf()))
        keys = dict.fromkeys(shelf.add(trace) for trace in traces)
        parts = [Part(key[0], key[1], *heap) for key in keys for heap in heaps]
        known = [results.known[part] for part in parts if part in results.known]
        progress(len(known), len(parts))
        yield from known
        missing = [part for part in parts if part not in results.known]
        if not missing:
            return
        new = stack.enter_context(closing(play_all(missing, crew, shelf)))
        for done, row in enumerate(new, len(known) + 1):
            results.append(row)
            progress(done, len(parts))
            yield row


def play_all(
    parts: list[Part], new: Callable[[], Crew], shelf: Shelf
) -> Generator[Row, None, None]:
    """The rows of the parts, played by a new crew."""
    crew, finished = new(), False
    try:
        yield from Drive(parts, crew, shelf).rows()
        finished = True
    finally:
        crew.close(finished=finished)


def new_crew(jobs: int | None, executor: Executor | None, scheduler: str | None) -> Crew:
    """The crew that the caller asked for."""
    if scheduler is not None:
        from glassheap.sweeping.cluster import ClusterCrew

        return ClusterCrew(scheduler)
    if executor is not None:
        return ExecutorCrew(executor)
    return ProcessCrew(jobs or cores())


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
