"""Child processes, and the segments of shared memory, for the tests of SharedHeap."""

from __future__ import annotations

import multiprocessing
import os
import signal
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import glassheap
from glassheap import SharedHeap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

SHM = Path("/dev/shm")
START_METHODS = ["fork", "spawn", "forkserver"]
NEEDS_SHARED_MEMORY = [
    pytest.mark.skipif(not SHM.is_dir(), reason="needs shared memory that can be listed"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]


def segments() -> set[str]:
    """The names of all segments of shared memory on this machine."""
    return {path.name for path in SHM.iterdir()}


def in_child(work: Callable[..., Any], *args: Any, how: str = "fork") -> Any:
    """The result of `work(*args)` in a child process."""
    context: Any = multiprocessing.get_context(how)
    ours, theirs = context.Pipe()
    child = context.Process(target=_send_back, args=(theirs, work, args))
    child.start()
    theirs.close()
    try:
        assert ours.poll(60), "A child did not answer."
        return ours.recv()
    finally:
        child.join(60)
        assert child.exitcode == 0


def _send_back(pipe: Connection, work: Callable[..., Any], args: tuple[Any, ...]) -> None:
    pipe.send(work(*args))


@contextmanager
def forked(work: Callable[..., Any], *args: Any) -> Iterator[int]:
    """Fork a child that runs `work(*args)`; kill and reap it at the end of the with statement.

    The value is the pid of the child.
    """
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            signal.alarm(60)
            work(*args)
            os._exit(0)
        os._exit(1)
    try:
        yield child
    finally:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(child, 0)


def kill(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


# --- Work for spawned children, which import it from this module. ---------------------------------


def attach_and_allocate(name: str) -> tuple[list[int], int]:
    """The live addresses of the heap with this name, and the address of a new block."""
    with SharedHeap.attach(name) as heap:
        return list(heap), heap.malloc(10)


def to_upper(block: glassheap.Block) -> bytes:
    """Turn the text in the block into capital letters."""
    with memoryview(block) as view:
        view[:] = bytes(view).upper()
        return bytes(view)
