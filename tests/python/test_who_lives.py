"""Who lives is told by locks that the kernel holds: after any number of restarts, in containers."""

from __future__ import annotations

import ast
import fcntl
import mmap
import os
import random
import signal
import struct
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import glassheap
from command_helpers import completed
from glassheap import SharedHeap
from glassheap.images.segments import clean
from process_helpers import NEEDS_SHARED_MEMORY, fork, forked, in_fork, kill

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [*NEEDS_SHARED_MEMORY, pytest.mark.any_interpreter]

ATTACHING = (1 << 62) + 4096
"""The byte that the one who is attaching has locked (cpp/shared/presence.hpp)."""
OFD_SETLK = 37


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with a heap, which has no user."""
    SharedHeap.create(path=tmp_path / "heap", size=1 << 18).close()
    return tmp_path / "heap"


def hammer(heap: SharedHeap, seconds: float) -> None:
    """Allocate and free for that long; each block keeps the mark that was written into it."""
    draw = random.Random()
    mark = bytes([draw.randrange(1, 256)])
    until = time.monotonic() + seconds
    mine: list[int] = []
    while time.monotonic() < until:
        mine.append(heap.malloc(draw.randrange(1, 300)))
        with heap.view(mine[-1]) as view:
            view[:] = mark * len(view)
        if len(mine) > 30:
            address = mine.pop(draw.randrange(len(mine)))
            with heap.view(address) as view:
                assert set(view) == set(mark)
            heap.free(address)
    heap.free_many(mine)


def attach_and_hammer(path: Path, seconds: float) -> None:
    with SharedHeap.attach(path=path) as heap:
        hammer(heap, seconds)


# --- Numbers. ------------------------------------------------------------------------------------


def test_a_file_can_be_restarted_any_number_of_times(path: Path) -> None:
    """Each process leaves a block, which another one frees: its number comes back."""
    left: list[int] = []
    for _ in range(4200):
        with SharedHeap.attach(path=path) as heap:
            assert heap._number
            left.append(heap.malloc(16))
            if len(left) > 20:
                heap.free(left.pop(0))
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(forked(attach_and_hammer, path, 0.2))
        attach_and_hammer(path, 0.2)
        with SharedHeap.attach(path=path) as heap:
            assert heap.check() == []
            assert set(left) <= set(heap)
            owned = [one for one in heap.owners() if one.address in left]
            assert {(one.pid, one.alive) for one in owned} == {(os.getpid(), False)}


def refusal(heap: SharedHeap) -> str:
    try:
        heap.malloc(1)
    except glassheap.HeapError as error:
        return type(error).__name__
    return ""


def test_the_last_number_is_named_and_comes_back_with_a_block(path: Path) -> None:
    with SharedHeap.attach(path=path) as first:
        blocks = []
        for _ in range(4094):
            with SharedHeap.attach(path=path) as heap:
                blocks.append(heap.malloc(16))
        before = path.read_bytes()[4096 * 40 :]
        with pytest.raises(glassheap.TooManyProcesses, match="4095 processes"):
            SharedHeap.attach(path=path)
        assert in_fork(refusal, first) == "TooManyProcesses"
        assert path.read_bytes()[4096 * 40 :] == before
        assert first.malloc(16), "those that are attached go on"
        first.free(blocks[1000])
        with SharedHeap.attach(path=path) as heap:
            assert heap.malloc(16)


def test_workers_that_are_replaced_leave_no_number_behind(path: Path) -> None:
    """Each task has a process of its own, as in a pool with maxtasksperchild=1."""
    with SharedHeap.attach(path=path) as heap:
        for _ in range(260):
            heap.free(in_fork(heap.malloc, 64))
        kept = [in_fork(heap.malloc, 64) for _ in range(20)]
        assert [one.address for one in heap.owners()] == kept
        assert not any(one.alive for one in heap.owners())
        assert len({one.pid for one in heap.owners()}) == 20


# --- Living and dead. ----------------------------------------------------------------------------


def sleeping_user(path: Path) -> None:
    heap = SharedHeap.attach(path=path)
    heap.malloc(77)
    time.sleep(60)


@contextmanager
def user_asleep(path: Path) -> Iterator[int]:
    """A process that has attached and allocated a block of 77 bytes."""
    with forked(sleeping_user, path) as child, SharedHeap.attach(path=path) as heap:
        until = time.monotonic() + 20
        while 77 not in [info.size for info in heap.walk()]:
            assert time.monotonic() < until
            time.sleep(0.005)
        yield child


def test_alive_is_what_is_attached(path: Path) -> None:
    with SharedHeap.attach(path=path) as heap, user_asleep(path) as child:
        assert [(one.pid, one.alive) for one in heap.owners()] == [(child, True)]
        kill(child)
        assert [(one.pid, one.alive) for one in heap.owners()] == [(child, False)]
        with SharedHeap.attach(path=path) as second:
            second.malloc(10)
            assert [one.alive for one in heap.owners()] == [False, True]
        assert [one.alive for one in heap.owners()] == [False, False]


INSIDE = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from glassheap import SharedHeap
from test_who_lives import hammer
with SharedHeap.attach(path=sys.argv[2]) as heap:
    print([one.alive for one in heap.owners()])
    hammer(heap, 0.5)
"""


def test_processes_of_two_pid_namespaces_see_each_other(path: Path) -> None:
    """As two containers on one volume: neither has a pid that means something to the other."""
    isolated = ["unshare", "--pid", "--fork", "--mount-proc"]
    try:
        if completed(*isolated, "true").returncode != 0:
            pytest.skip("needs the permission to make a PID namespace")
    except FileNotFoundError:
        pytest.skip("needs unshare")
    script = [sys.executable, "-c", INSIDE, str(Path(__file__).parent), str(path)]
    with SharedHeap.attach(path=path) as heap:
        address = heap.malloc(10)
        runs = [threading.Thread(target=hammer, args=(heap, 0.7))]
        done = []
        runs += [
            threading.Thread(target=lambda: done.append(completed(*isolated, *script)))
            for _ in range(2)
        ]
        for run in runs:
            run.start()
        for run in runs:
            run.join()
        for output in done:
            assert (output.returncode, output.stderr) == (0, "")
            assert output.stdout.startswith("[True")
        assert heap.check() == []
        assert [*heap] == [address]


def test_attach_and_close_in_threads_lose_nobody(path: Path) -> None:
    """One of them always stays. Nobody who attaches may think that it is alone."""
    failures: list[BaseException] = []

    def come_and_go() -> None:
        try:
            until = time.monotonic() + 0.5
            while time.monotonic() < until:
                with SharedHeap.attach(path=path) as heap:
                    block = heap.malloc(32)
                    assert sum(one.alive for one in heap.owners()) >= 2
                    heap.free(block)
        except BaseException as error:  # noqa: BLE001  (asserted below)
            failures.append(error)

    with SharedHeap.attach(path=path) as heap:
        heap.malloc(1)
        threads = [threading.Thread(target=come_and_go) for _ in range(4)]
        for thread in threads:
            thread.start()
        hammer(heap, 0.3)
        for thread in threads:
            thread.join()
        assert failures == []
        assert [one.size for one in heap.owners()] == [1]
        assert heap.check() == []


# --- Waiting. ------------------------------------------------------------------------------------


def test_attach_does_not_wait_for_a_users_lock_on_the_file(path: Path) -> None:
    with path.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        began = time.monotonic()
        in_fork(lambda: SharedHeap.attach(path=path, timeout=5).close())
        assert time.monotonic() - began < 4


def lock_of(kind: int, at: int) -> bytes:
    return struct.pack("hhqqi4x", kind, os.SEEK_SET, at, 1, 0)


def test_attach_ends_in_time_while_another_attaches(path: Path) -> None:
    """A signal ends neither the wait nor the exclusion."""
    ticks: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: ticks.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    try:
        with path.open("r+b") as file:
            fcntl.fcntl(file, OFD_SETLK, lock_of(fcntl.F_WRLCK, ATTACHING))
            began = time.monotonic()
            with pytest.raises(glassheap.LockTimeout):
                SharedHeap.attach(path=path, timeout=0.3)
            assert 0.25 < time.monotonic() - began < 10
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    SharedHeap.attach(path=path, timeout=0.3).close()


# --- Mapped memory, which has no file. -----------------------------------------------------------


def stand_in(identity: tuple[int, int]) -> Path:
    """The file that stands for a heap in a buffer."""
    return Path("/dev/shm", "glassheap-{:016x}{:016x}.lock".format(*identity))


def test_users_of_a_buffer_see_each_other() -> None:
    with mmap.mmap(-1, 1 << 18) as memory:
        heap = SharedHeap.create(buffer=memory)
        file = stand_in(heap._identity)
        heap.malloc(1)
        in_fork(heap.malloc, 2)
        with SharedHeap.attach(buffer=memory) as again:
            again.malloc(3)
            owners = [(one.size, one.alive) for one in again.owners()]
            assert owners == [(1, True), (2, False), (3, True)]
            heap.close()
            assert [one.alive for one in again.owners()] == [False, False, True]
            assert file.exists()
        assert not file.exists()
        with SharedHeap.attach(buffer=memory) as alone:
            assert len(alone) == 3
        assert not file.exists()


def test_users_by_path_and_by_mapping_see_each_other(path: Path) -> None:
    """How the heap was made decides where they look, not how they attach."""
    buffer = path.with_name("made in a buffer")
    buffer.write_bytes(bytes(1 << 18))
    for file, made in ((path, False), (buffer, True)):
        with file.open("r+b") as opened, mmap.mmap(opened.fileno(), 0) as memory:
            how = SharedHeap.create if made else SharedHeap.attach
            with how(buffer=memory) as first, SharedHeap.attach(path=file) as second:
                first.malloc(1)
                second.malloc(2)
                in_fork(second.malloc, 3)
                for heap in (first, second):
                    assert [one.alive for one in heap.owners()] == [True, True, False]
    image = path.read_bytes()
    with mmap.mmap(-1, len(image)) as copy, SharedHeap.attach(path=path):
        copy[:] = image
        with SharedHeap.attach(buffer=copy) as heap:
            assert [one.alive for one in heap.owners()] == [False, False, False]


def test_a_mapping_whose_name_is_gone_is_no_copy(path: Path) -> None:
    """Its users are found without the name, or it is refused: the file's locks are out of reach."""
    with SharedHeap.attach(path=path) as heap, path.open("r+b") as opened:
        heap.malloc(1)
        path.unlink()
        memory = mmap.mmap(opened.fileno(), 0)
        with suppress(FileNotFoundError), SharedHeap.attach(buffer=memory) as other:
            assert [one.alive for one in other.owners()] == [True]
        memory.close()


@pytest.mark.parametrize("cleans", [True, False])
def test_the_stand_in_of_a_killed_process_is_removed_by_clean_and_the_next_heap(
    cleans: bool,
) -> None:
    with mmap.mmap(-1, 1 << 18) as memory:
        ours, theirs = os.pipe()
        child = fork()
        if child == 0:
            left = SharedHeap.create(buffer=memory)
            os.write(theirs, repr(left._identity).encode())
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)
        identity: tuple[int, int] = ast.literal_eval(os.read(ours, 100).decode())
        os.close(ours)
        os.close(theirs)
        if cleans:
            clean(names=(), dry_run=True)
            assert stand_in(identity).exists()
            clean(names=())
            assert not stand_in(identity).exists()
        with SharedHeap.create(buffer=memory) as heap:
            assert stand_in(heap._identity).exists()
            assert not stand_in(identity).exists()
            clean(names=())
            assert stand_in(heap._identity).exists()
