"""The child: `python -m glassheap.grading.child FOLDER` does the job in FOLDER, and no other.

It ends without the exit handlers of the library: the job is done by then, and a crash in one of
them says nothing about malloc.
"""

from __future__ import annotations

import ctypes
import json
import os
import pickle
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path

from glassheap.grading.checking import Checker
from glassheap.grading.job import JOB, LOAD, PLACE, RESULT, START, TIME, Job, LibraryError, Place
from glassheap.grading.library import Library, load
from glassheap.grading.timing import measure
from glassheap.traces import REALLOC

PR_SET_PDEATHSIG = 1
"""From sys/prctl.h."""
LONG_AFTER = 60
"""Seconds of CPU time beyond any time limit, for a child that was forgotten."""


def main(folder: Path) -> None:
    """Do the job, and write the result; the end of this process."""
    job: Job = pickle.loads((folder / JOB).read_bytes())
    end_with(job.parent)
    limit(job.memory, job.seconds)
    place = Place(folder / PLACE)
    try:
        result = perform(job, place)
    except LibraryError as error:
        result = {"error": str(error)}
    unfinished = folder / "unfinished"
    unfinished.write_text(json.dumps(result), encoding="utf-8")
    unfinished.rename(folder / RESULT)
    os._exit(0)


def end_with(parent: int) -> None:
    """Have the system kill this process when its parent ends: a Ctrl-C may come at any moment.

    Linux alone can; elsewhere the limit of CPU time ends a child that nobody waits for.
    """
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def limit(memory: int, seconds: float) -> None:
    """Limit the address space and the CPU time, where the system can; and write no core file."""
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, LONG_AFTER + 10 * int(seconds)),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(ValueError, OSError):  # more than this user may have is no limit for it
            resource.setrlimit(what, (most, resource.getrlimit(what)[1]))


def perform(job: Job, place: Place) -> dict[str, object]:
    """Load the library, start it, and play the trace."""
    place.stage = LOAD
    library = load(job.library, job.names)
    if library.realloc is None and REALLOC in job.trace.kinds:
        raise LibraryError(
            f"{job.library} has no function {realloc_name(library)}, and {job.trace.name} resizes "
            "blocks; name yours with --realloc"
        )
    place.stage = START
    start(library)
    return measure(library, job, place) if job.task == TIME else Checker(library, job, place).run()


def realloc_name(library: Library) -> str:
    """The name under which realloc was expected."""
    return str(library.names.malloc).replace("malloc", "realloc")


def start(library: Library) -> None:
    """Call the functions that start the library.  Raises LibraryError if one returns -1."""
    for name, function in zip(library.names.start, library.start, strict=True):
        if function() == -1:
            raise LibraryError(f"{name} returned -1: it could not start the heap")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
