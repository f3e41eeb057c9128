"""Child processes, and the segments of shared memory, for tests of crashes, hangs and sharing."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import warnings
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

import glassheap
from glassheap import SharedHeap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Result = TypeVar("Result")

SHM = Path("/dev/shm")
START_METHODS = ["fork", "spawn", "forkserver"]
NEEDS_FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
NEEDS_SHARED_MEMORY = [
    pytest.mark.skipif(not SHM.is_dir(), reason="needs shared memory that can be listed"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]
SECONDS = 60
"""A child that has not ended by then is killed by an alarm."""


def segments() -> set[str]:
    """The segments of shared memory that this process has named; others may work beside it."""
    return {path.name for path in SHM.glob(f"glassheap-{os.getpid()}-*")}


# --- Forked children. -----------------------------------------------------------------------------


def fork() -> int:
    """Fork, without the warning for a process that has threads, be they only those of NumPy."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def in_fork(work: Callable[..., Result], *args: Any) -> Result:
    """The result of `work(*args)` in a forked child.

    A crash, a hang and an exception in the child are an AssertionError here.
    """
    ours, theirs = os.pipe()
    child = fork()
    if child == 0:
        signal.alarm(SECONDS)
        try:
            answer: tuple[Any, str] = work(*args), ""
        except BaseException as error:  # noqa: BLE001  (asserted below, in the parent)
            answer = None, repr(error)
        with open(theirs, "wb") as pipe:
            pickle.dump(answer, pipe)
        os._exit(0)
    os.close(theirs)
    with open(ours, "rb") as pipe:
        sent = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == 0, f"The child ended with {status}."
    result, failure = pickle.loads(sent)
    assert failure == ""
    return result  # type: ignore[no-any-return]


@contextmanager
def forked(work: Callable[..., Any], *args: Any) -> Iterator[int]:
    """Fork a child that runs `work(*args)`; kill and reap it at the end of the with statement.

    The value is the pid of the child.
    """
    child = fork()
    if child == 0:
        with suppress(BaseException):
            signal.alarm(SECONDS)
            work(*args)
            os._exit(0)
        os._exit(1)
    try:
        yield child
    finally:
        with suppress(ProcessLookupError, ChildProcessError):
            kill(child)


def kill(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


# --- Children of multiprocessing, which import their work from this module. -----------------------


def in_child(work: Callable[..., Any], *args: Any, how: str) -> Any:
    """The result of `work(*args)` in a child process that is started in this way."""
    with ProcessPoolExecutor(1, multiprocessing.get_context(how)) as pool:
        return pool.submit(work, *args).result(SECONDS)


def attach_and_allocate(name: str) -> tuple[list[int], int]:
    """The live addresses of the heap with this name, and the address of a new block."""
    with SharedHeap.attach(name) as heap:
        return list(heap), heap.malloc(10)


def allocate_in(heap: SharedHeap, size: int) -> int:
    """The address of a new block of a heap that was sent."""
    return heap.malloc(size)


def to_upper(block: glassheap.Block) -> bytes:
    """Turn the text in the block into capital letters."""
    with memoryview(block) as view:
        view[:] = bytes(view).upper()
        return bytes(view)


def add_one(array: Any) -> int:
    """Add 1 to each element of the array, in place; their sum."""
    array += 1
    return int(array.sum())
