"""One heap, many processes: where it lies, who has it, how blocks travel, and what each error says.

What is killed at a certain store is in the C++ tests; here processes are killed wherever they are.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import multiprocessing
import os
import pickle
import random
import re
import signal
import sys
import time
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import glassheap
from glassheap import SharedHeap
from heap_probes import run_child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

# pytest gives this module a name below the project's folder, by which a spawned child imports it.
sys.path.append(str(Path(__file__).resolve().parents[2]))

SHM = Path("/dev/shm")
HERE = str(Path(__file__).parent)
METHODS = ["fork", "spawn", "forkserver"]

pytestmark = [
    pytest.mark.skipif(not SHM.is_dir(), reason="needs shared memory that can be looked at"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]


@pytest.fixture
def name() -> Iterator[str]:
    """Of a segment that nobody has, and that nobody has afterwards."""
    name = f"glassheap-test-{uuid.uuid4().hex}"
    yield name
    (SHM / name).unlink(missing_ok=True)


def segments() -> set[str]:
    return {path.name for path in SHM.iterdir()}


def in_child(work: Callable[..., Any], *args: Any, how: str = "fork") -> Any:
    """What `work` returns in a process of its own."""
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
    """The pid of a child that does this and ends; killed and buried at the latest when we go on."""
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


def ended_well(child: int) -> None:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# --- Where it lies. -------------------------------------------------------------------------------


def test_a_name_is_there_until_it_is_unlinked(name: str) -> None:
    heap = SharedHeap.create(name, 1 << 16)
    assert (heap.name, heap.path, heap.closed) == (name, None, False)
    assert name in segments()
    heap.unlink()
    assert name not in segments()
    heap.malloc(10)  # who has it keeps it
    with pytest.raises(FileNotFoundError):
        heap.unlink()
    heap.close()
    heap.close()
    assert heap.closed
    with pytest.raises(glassheap.HeapClosed):
        heap.malloc(10)


def test_a_name_is_made_up_where_none_is_given() -> None:
    with SharedHeap.create(size=4096) as one, SharedHeap.create(size=4096) as other:
        assert one.name != other.name
        assert {one.name, other.name} <= segments()
        assert one.size == 4096
    assert not {one.name, other.name} & segments()


def test_two_that_have_one_heap_see_the_same(name: str) -> None:
    with SharedHeap.create(name, 1 << 16, policy="best_fit", magic=7) as one:
        address = one.malloc(100)
        one.view(address)[:5] = b"hello"
        with SharedHeap.attach(name) as other:
            assert (other.policy, other.magic, other.size) == ("best_fit", 7, 1 << 16)
            assert bytes(other.view(address)[:5]) == b"hello"
            assert other.walk() == one.walk()
            other.free(address)
        assert name in segments(), "It was not its creator who left."
        assert address not in one
        assert one.stats().frees == 1


def test_a_file_is_there_again_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "heap"
    with SharedHeap.create(size=1 << 16, path=path) as heap:
        assert (heap.name, heap.path) == (None, str(path))
        address = heap.malloc(100)
        heap.view(address)[:] = bytes(range(100))
        heap.flush()
        image = path.read_bytes()
    assert not path.exists()
    path.write_bytes(image)
    with SharedHeap.attach(path=path) as heap:
        assert [*heap] == [address]
        assert bytes(heap.view(address)) == bytes(range(100))
        assert heap.check() == []
    assert path.exists()


def test_a_name_or_a_path_need_not_be_utf_8(name: str, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"heap-\xff")
    with SharedHeap.create(size=4096, path=path) as heap:
        assert heap.path == str(path)
        assert pickle.loads(pickle.dumps(heap)) is heap
    said(FileNotFoundError, repr(str(path)), lambda: SharedHeap.attach(path=path))
    odd = name + os.fsdecode(b"\xff")
    with SharedHeap.create(odd, 4096) as heap:
        assert (heap.name, odd in segments()) == (odd, True)


def make_file(path: str, pipe: Connection) -> None:
    heap = SharedHeap.create(size=1 << 16, path=path)
    addresses = heap.malloc_many([100] * 20)
    for number, address in enumerate(addresses):
        heap.view(address)[:] = bytes([number]) * 100
    pipe.send(list(addresses))
    while True:
        heap.free(heap.realloc(heap.malloc(300), 700))


def test_a_file_is_there_again_after_its_only_process_was_killed(tmp_path: Path) -> None:
    path = str(tmp_path / "heap")
    for _ in range(5):
        ours, theirs = multiprocessing.Pipe()
        with forked(make_file, path, theirs) as child:
            addresses = ours.recv()
            time.sleep(random.uniform(0, 0.02))
            kill(child)
        heap = SharedHeap.attach(path=path)
        assert heap.check() == []
        for number, address in enumerate(addresses):
            assert bytes(heap.view(address)) == bytes([number]) * 100
        assert len(heap) - 20 in (0, 1)
        heap.unlink()
        heap.close()


def test_a_mapped_buffer_is_shared_by_fork() -> None:
    with mmap.mmap(-1, 1 << 18) as memory:
        heap = SharedHeap.create(buffer=memory)
        assert (heap.name, heap.path) == (None, None)
        with pytest.raises(BufferError):
            memory.close()
        address = in_child(lambda: heap.malloc(64))
        assert [*heap] == [address]
        with SharedHeap.attach(buffer=memory) as again:
            assert [*again] == [address]
        heap.close()


def test_a_buffer_is_used_as_far_as_it_goes() -> None:
    for pages in range(20, 60):
        with mmap.mmap(-1, pages * 4096) as memory:
            try:
                heap = SharedHeap.create(buffer=memory)
            except glassheap.InvalidSize:
                assert pages < 30
                continue
            assert heap.size >= pages * 4096 - (120 << 10)
            assert heap.malloc(heap.largest_free())
            assert heap.check() == []
            heap.close()


def look_around(name: str) -> tuple[list[int], int]:
    with SharedHeap.attach(name) as heap:
        return list(heap), heap.malloc(10)


@pytest.mark.parametrize("how", METHODS)
def test_addresses_are_the_same_in_every_process(how: str, name: str) -> None:
    with SharedHeap.create(name, 1 << 16) as heap:
        addresses = list(heap.malloc_many([10, 20, 30]))
        seen, more = in_child(look_around, name, how=how)
        assert seen == addresses
        assert list(heap) == [*addresses, more]


def test_the_heap_of_a_parent_is_its_childs() -> None:
    with SharedHeap.create(size=1 << 16) as heap:
        addresses = [in_child(lambda: heap.malloc(10)) for _ in range(5)]
        assert list(heap) == sorted(addresses)
        heap.free_many(addresses)
        assert in_child(lambda: len(heap)) == 0


# --- How blocks travel. ---------------------------------------------------------------------------


def shout(block: glassheap.Block) -> bytes:
    with memoryview(block) as view:
        view[:] = bytes(view).upper()
        return bytes(view)


@pytest.mark.parametrize("how", METHODS)
def test_a_block_is_opened_on_the_other_side(how: str) -> None:
    with SharedHeap.create(size=1 << 16) as heap, heap.alloc(5) as block:
        memoryview(block)[:] = b"hello"
        assert in_child(shout, block, how=how) == b"HELLO"
        assert bytes(block) == b"HELLO"
        assert block.live, "Who opens it does not free it."


def test_what_travels_is_small_however_large_the_block() -> None:
    with SharedHeap.create(size=1 << 20) as heap:
        small, large = heap.alloc(1), heap.alloc(900_000)
        sizes = [len(pickle.dumps(block)) for block in (small, large)]
        assert max(sizes) < 400
        assert sizes[1] - sizes[0] < 10


def test_a_block_that_was_freed_meanwhile_is_stale() -> None:
    with SharedHeap.create(size=1 << 16) as heap:
        block = heap.alloc(10)
        sent = pickle.dumps(block)
        block.free()
        again = heap.alloc(10)
        assert again.address == block.address
        with pytest.raises(glassheap.StaleHandle):
            memoryview(pickle.loads(sent))


def test_a_block_comes_home_to_the_heap_that_it_is_of() -> None:
    with SharedHeap.create(size=1 << 16) as heap:
        block = heap.alloc(10)
        again = pickle.loads(pickle.dumps(block))
        assert again.heap is heap
        assert again.address == block.address


# --- Holding together. ----------------------------------------------------------------------------


def test_the_last_that_lets_go_frees() -> None:
    with SharedHeap.create(size=1 << 16) as heap:
        block = heap.alloc(10).share()
        assert block.shared
        copy = pickle.loads(pickle.dumps(block))
        assert heap.owners()[0].holders == 2
        block.free()
        assert copy.live
        copy.free()
        assert len(heap) == 0


def hold_for_ever(sent: bytes, pipe: Connection) -> None:
    block = pickle.loads(sent)
    pipe.send(block.address)
    signal.pause()


def test_what_a_killed_process_held_is_let_go_of_by_reap() -> None:
    with SharedHeap.create(size=1 << 16) as heap:
        block = heap.alloc(10).share()
        ours, theirs = multiprocessing.Pipe()
        with forked(hold_for_ever, pickle.dumps(block), theirs) as child:
            assert ours.recv() == block.address
            block.free()
            assert heap.reap() == 0, "Somebody alive has it."
            assert len(heap) == 1
            kill(child)
        assert len(heap) == 1
        assert heap.reap() == 1
        assert len(heap) == 0
        assert heap.check() == []


def test_owners_tell_who_left_a_block() -> None:
    with SharedHeap.create(size=1 << 16) as heap:
        mine = heap.malloc(10)
        pid, theirs = in_child(lambda: (os.getpid(), heap.malloc(20)))
        mine_owned, theirs_owned = heap.owners()
        assert mine_owned == (mine, 10, os.getpid(), True, 0)
        assert theirs_owned == (theirs, 20, pid, False, 0)


def test_nobody_holds_what_a_reset_has_taken_away() -> None:
    """A new block at the address of one that was shared is its maker's alone."""
    with SharedHeap.create(size=1 << 16) as heap:
        heap.alloc(10).share()
        old = heap.alloc(10).share()
        heap.reset()
        heap.malloc(10)
        assert [one.holders for one in heap.owners()] == [0]
        del old
        with heap.alloc(10).share():
            assert [one.holders for one in heap.owners()] == [0, 1]
        assert len(heap) == 1


def hold_and_die(heap: SharedHeap, address: int) -> None:
    block = heap.block(address).share()
    assert block.shared
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_number_is_not_given_away_while_its_process_holds_a_block() -> None:
    """There are 255 of them; what the dead held is still told to be theirs, and reaped."""
    with SharedHeap.create(size=1 << 16) as heap:
        address = heap.malloc(10)
        for _ in range(260):
            with forked(hold_and_die, heap, address) as child:
                os.waitpid(child, 0)
        holders = heap.owners()[0].holders
        assert holders == 254
        assert heap.reap() == 1
        assert heap.check() == []


# --- Many at once. --------------------------------------------------------------------------------


def churn(heap: SharedHeap, seed: int, operations: int) -> None:
    """Allocate and free, and look at the stamp of each block before it goes."""
    draw = random.Random(seed)
    mine: list[tuple[int, int]] = []
    mark = seed % 255 + 1
    for _ in range(operations):
        if mine and draw.random() < 0.5 + len(mine) / 200:
            address, size = mine.pop(draw.randrange(len(mine)))
            assert ctypes.string_at(heap.address + address, size) == bytes([mark]) * size
            heap.free(address)
        else:
            size = draw.randrange(200)
            address = heap.malloc(size)
            ctypes.memset(heap.address + address, mark, size)
            mine.append((address, size))
    heap.free_many([address for address, _ in mine])


@pytest.mark.parametrize(("processes", "operations"), [(2, 100_000), (4, 20_000)])
def test_processes_work_in_one_heap_at_once(processes: int, operations: int) -> None:
    with SharedHeap.create(size=1 << 17) as heap:
        context = multiprocessing.get_context("fork")
        workers = [
            context.Process(target=churn, args=(heap, seed, operations))
            for seed in range(processes)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(120)
        assert [worker.exitcode for worker in workers] == [0] * processes
        assert (heap.check(), len(heap), heap.stats().recovered) == ([], 0, 0)


@pytest.mark.parametrize("policy", [policy.name for policy in glassheap.policies()])
def test_survivors_go_on_when_workers_are_killed(policy: str) -> None:
    draw = random.Random(policy)
    with SharedHeap.create(size=1 << 17, policy=policy) as heap:
        ours = heap.malloc(100)
        heap.view(ours)[:] = b"x" * 100
        for round_ in range(20):
            with forked(churn, heap, round_, 10**9) as one, forked(churn, heap, 99, 10**9) as two:
                time.sleep(draw.uniform(0, 0.01))
                kill(one)
                churn(heap, 100, 50)
                kill(two)
            assert heap.check() == []
            dead = [owned.address for owned in heap.owners() if not owned.alive]
            heap.free_many(dead)
            assert bytes(heap.view(ours)) == b"x" * 100
            assert len(heap) <= 1 + 2, "Nobody knows of at most a block for each that was killed."
            for address in heap:
                if address != ours:
                    heap.free(address)
        assert heap.check() == []


def stop_inside(heap: SharedHeap) -> None:
    while True:
        heap.check()


def test_a_process_that_is_stopped_inside_is_waited_for_in_vain(name: str) -> None:
    with SharedHeap.create(name, 1 << 20, timeout=0.2) as heap:
        heap.malloc_many([16] * 20_000)
        with forked(stop_inside, heap) as child:
            refused = None
            for _ in range(200):
                os.kill(child, signal.SIGSTOP)
                began = time.monotonic()
                try:
                    len(heap)
                except glassheap.LockTimeout as error:
                    refused = error
                    assert 0.15 < time.monotonic() - began < 5
                    break
                finally:
                    os.kill(child, signal.SIGCONT)
                time.sleep(0.001)
            assert refused is not None
            assert isinstance(refused, TimeoutError)
            assert str(refused).endswith(".")
            heap_works_again(heap)
            kill(child)
        heap_works_again(heap)


def heap_works_again(heap: SharedHeap) -> None:
    for _ in range(100):
        with suppress(glassheap.LockTimeout):
            heap.free(heap.malloc(10))
            return
    pytest.fail("The heap did not come back.")


def test_a_million_blocks_lie_in_one_segment_behind_one_descriptor(name: str) -> None:
    before = set(os.listdir("/proc/self/fd"))
    with SharedHeap.create(name, 40 << 20) as heap:
        heap.malloc_many([16] * 1_000_000)
        assert len(heap) == 1_000_000
        assert len(set(os.listdir("/proc/self/fd")) - before) == 1
        assert in_child(lambda: len(heap)) == 1_000_000
        assert heap.check() == []


# --- Who takes the name away. ---------------------------------------------------------------------

ATTACHES_AND_LEAVES = """
import sys
from multiprocessing import shared_memory
import glassheap
with glassheap.SharedHeap.attach(sys.argv[1] if len(sys.argv) > 1 else {name!r}) as heap:
    heap.malloc(10)
"""


def test_nobody_but_its_creator_takes_the_name_away(name: str) -> None:
    """Not by its exit, nor the end of its process, nor anything that tracks resources."""
    with SharedHeap.create(name, 1 << 16) as heap:
        done = run_child(ATTACHES_AND_LEAVES.format(name=name))
        assert (done.returncode, done.stderr) == (0, "")
        for how in METHODS:
            in_child(look_around, name, how=how)
        assert in_child(leave_the_parents, heap) is None
        time.sleep(0.05)
        assert name in segments()
        assert len(heap) == 4
    assert name not in segments()


def leave_the_parents(heap: SharedHeap) -> None:
    with heap:
        pass


def test_an_exit_after_somebody_elses_unlink_is_no_error(name: str) -> None:
    with SharedHeap.create(name, 1 << 16):
        (SHM / name).unlink()
        with SharedHeap.create(name, 1 << 16):
            pass


# --- What goes wrong. -----------------------------------------------------------------------------


def said(error: type[BaseException], text: str, call: Callable[[], object]) -> BaseException:
    """What `call` raises: exactly this class, with a sentence that has this in it."""
    with pytest.raises(error, match=re.escape(text)) as caught:
        call()
    assert caught.type is error
    assert str(caught.value).endswith((".", "'"))
    return caught.value


def test_a_name_that_exists_is_refused_and_left_alone(name: str) -> None:
    with SharedHeap.create(name, 1 << 16) as heap:
        heap.malloc(10)
        before = (SHM / name).read_bytes()
        error = said(
            FileExistsError,
            f"there is a shared heap '{name}' already: attach to it, or unlink it first.",
            lambda: SharedHeap.create(name, 4096),
        )
        assert isinstance(error, OSError)
        assert error.errno == errno.EEXIST
        assert (SHM / name).read_bytes() == before


def test_what_is_not_there_cannot_be_attached_to(name: str, tmp_path: Path) -> None:
    text = "it was never made, or has been unlinked."
    said(FileNotFoundError, text, lambda: SharedHeap.attach(name))
    said(FileNotFoundError, text, lambda: SharedHeap.attach(path=tmp_path / "none"))
    said(FileNotFoundError, text, lambda: SharedHeap.create(size=4096, path=tmp_path / "no" / "x"))
    heap = SharedHeap.create(name, 4096)
    heap.unlink()
    said(FileNotFoundError, text, lambda: SharedHeap.attach(name))
    heap.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do everything")
def test_no_permission(tmp_path: Path) -> None:
    path = tmp_path / "heap"
    SharedHeap.create(size=4096, path=path).close()
    path.chmod(0)
    said(PermissionError, "there is no permission", lambda: SharedHeap.attach(path=path))


def test_a_segment_is_for_its_owner_alone(name: str) -> None:
    with SharedHeap.create(name, 4096):
        assert (SHM / name).stat().st_mode & 0o777 == 0o600


def test_no_room_leaves_nothing_behind(name: str) -> None:
    room = os.statvfs(SHM)
    too_much = room.f_blocks * room.f_frsize + (1 << 30)
    if too_much > 32 << 30:
        pytest.skip("the file system has more than a heap may have")
    before = segments()
    error = said(OSError, "there is no room for", lambda: SharedHeap.create(name, too_much))
    assert isinstance(error, OSError)
    assert error.errno == errno.ENOSPC
    assert segments() == before


def test_a_file_that_is_shorter_than_it_says(tmp_path: Path) -> None:
    path = tmp_path / "heap"
    SharedHeap.create(size=1 << 16, path=path).close()
    os.truncate(path, path.stat().st_size - 4096)
    error = said(glassheap.BadImage, "size", lambda: SharedHeap.attach(path=path))
    assert isinstance(error, glassheap.BadImage)
    assert error.field == "size"


def test_another_policy_than_asked_for(name: str) -> None:
    with SharedHeap.create(name, 1 << 16, policy="tlsf"):
        SharedHeap.attach(name, policy="tlsf").close()
        error = said(glassheap.BadImage, "policy", lambda: SharedHeap.attach(name, policy="buddy"))
        assert isinstance(error, glassheap.BadImage)
        assert error.field == "policy"


@pytest.mark.parametrize("size", [0, 1 << 17])
def test_what_nobody_finishes_is_waited_for_in_vain(size: int, name: str, tmp_path: Path) -> None:
    """As a creator leaves it who was killed before there was a heap in it."""
    path = tmp_path / "heap"
    for place in (SHM / name, path):
        place.write_bytes(bytes(size))
    for attach in (
        lambda: SharedHeap.attach(name, timeout=0.2),
        lambda: SharedHeap.attach(path=path, timeout=0.2),
    ):
        began = time.monotonic()
        said(glassheap.AttachTimeout, "time", attach)
        assert 0.2 <= time.monotonic() - began < 2


def finish_late(name: str) -> None:
    time.sleep(0.2)
    SharedHeap.create(name + "-made", 4096).close()
    (SHM / (name + "-made")).rename(SHM / name)


def test_who_comes_early_waits(name: str) -> None:
    (SHM / name).write_bytes(b"")
    with forked(finish_late, name), SharedHeap.attach(name, timeout=20) as heap:
        assert heap.size == 4096


def test_a_block_of_a_heap_that_is_nowhere(name: str) -> None:
    heap = SharedHeap.create(name, 1 << 16)
    sent = pickle.dumps(heap.alloc(10))
    heap.unlink()
    heap.close()
    text = f"the shared heap '{name}' cannot be attached to"
    said(glassheap.AttachError, text, lambda: pickle.loads(sent))
    with SharedHeap.create(name, 1 << 16):
        said(glassheap.AttachError, "is another one", lambda: pickle.loads(sent))


def test_a_block_in_a_buffer_that_this_process_does_not_have() -> None:
    with mmap.mmap(-1, 1 << 18) as memory:
        with SharedHeap.create(buffer=memory) as heap:
            sent = pickle.dumps(heap.alloc(10))
        said(glassheap.AttachError, "this process has not attached", lambda: pickle.loads(sent))


def test_a_block_that_no_other_process_has() -> None:
    block = glassheap.Heap(4096).alloc(10)
    said(TypeError, "only one of a SharedHeap can travel", lambda: pickle.dumps(block))
    said(TypeError, "only a block of a SharedHeap", block.share)


BAD_CALLS: dict[str, tuple[type[BaseException], str, Callable[[], object]]] = {
    "two places": (TypeError, "give one of them", lambda: SharedHeap.create("a", 1, path="b")),
    "no size": (TypeError, "needs its size", lambda: SharedHeap.create("a")),
    "no place": (TypeError, "attach needs", SharedHeap.attach),
    "a slash": (ValueError, "slash", lambda: SharedHeap.create("a/b", 4096)),
    "a zero": (ValueError, "zero", lambda: SharedHeap.create("a\0b", 4096)),
    "no letter": (ValueError, "1 to 200 bytes", lambda: SharedHeap.create("", 4096)),
    "a long name": (ValueError, "1 to 200 bytes", lambda: SharedHeap.create("é" * 101, 4096)),
    "bytes": (TypeError, "must be a string", lambda: SharedHeap.create(b"a", 4096)),  # type: ignore[arg-type]
    "size 0": (glassheap.InvalidSize, "", lambda: SharedHeap.create(size=0)),
    "size -1": (glassheap.InvalidSize, "", lambda: SharedHeap.create(size=-1)),
    "size 2^64": (glassheap.InvalidSize, "", lambda: SharedHeap.create(size=2**64)),
    "a float": (TypeError, "", lambda: SharedHeap.create(size=1.5)),  # type: ignore[arg-type]
    "a policy": (ValueError, "no policy", lambda: SharedHeap.create(size=4096, policy="worse")),
    "base": (TypeError, "no option 'base'", lambda: SharedHeap.create(size=4096, base=0)),  # type: ignore[call-arg]
    "a fit": (ValueError, "", lambda: SharedHeap.create(size=4096, fit="best")),
    "timeout": (ValueError, "timeout", lambda: SharedHeap.create(size=4096, timeout=-1)),
    "no number": (TypeError, "timeout", lambda: SharedHeap.attach("a", timeout="1")),  # type: ignore[arg-type]
    "nan": (ValueError, "timeout", lambda: SharedHeap.attach("a", timeout=float("nan"))),
    "dots": (ValueError, "neither '.' nor '..'", lambda: SharedHeap.create("..", 4096)),
}


@pytest.mark.parametrize("call", BAD_CALLS)
def test_bad_input_makes_no_segment(call: str) -> None:
    error, text, make = BAD_CALLS[call]
    before = segments()
    with pytest.raises(error, match=re.escape(text) if text else None):
        make()
    assert segments() == before


BAD_BUFFERS: dict[str, tuple[type[BaseException], dict[str, Any]]] = {
    "a policy": (ValueError, {"policy": "worse"}),
    "a fit": (ValueError, {"fit": "best"}),
    "a size": (TypeError, {"size": 4096}),
    "an order": (ValueError, {"policy": "tlsf", "order": "size+"}),
}


@pytest.mark.parametrize("case", BAD_BUFFERS)
def test_bad_options_leave_a_buffer_alone(case: str) -> None:
    error, options = BAD_BUFFERS[case]
    with mmap.mmap(-1, 1 << 18) as memory:
        with pytest.raises(error):
            SharedHeap.create(buffer=memory, **options)
        assert memory[:] == bytes(1 << 18)


def test_buffers_that_will_not_do() -> None:
    for buffer in (bytes(1 << 18), memoryview(bytearray(1 << 18))[::2]):
        with pytest.raises((BufferError, ValueError)):
            SharedHeap.create(buffer=buffer)
    with mmap.mmap(-1, 1 << 18) as memory, memoryview(memory)[8:] as crooked:
        said(ValueError, "multiple of 64", lambda: SharedHeap.create(buffer=crooked))
    for size in (1, 64, 4096, 70_000):
        with mmap.mmap(-1, size) as memory:
            with pytest.raises(glassheap.InvalidSize):
                SharedHeap.create(buffer=memory)
            with pytest.raises(glassheap.AttachError):
                SharedHeap.attach(buffer=memory, timeout=0.01)
