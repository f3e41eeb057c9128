"""`glassheap.record`: what the running interpreter asks of its allocators."""

from __future__ import annotations

import errno
import os
import sys
import sysconfig
import threading
import tracemalloc
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

import glassheap
from command_helpers import completed, python
from glassheap.traces import FREE, MALLOC, REALLOC, read
from glassheap.traces.recording import UNKNOWN_FREED, UNKNOWN_RESIZED
from process_helpers import NEEDS_FORK, in_fork
from trace_helpers import states

if TYPE_CHECKING:
    from pathlib import Path

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
needs_gil = pytest.mark.skipif(FREE_THREADED, reason="a free-threaded interpreter is refused")

LARGE = 1_234_567
BYTEARRAY = LARGE + 1
"""What a bytearray of that size asks for."""


def rows(path: Path) -> list[tuple[int, int, str, int]]:
    """Kind, size, tag and thread of each call."""
    trace = read(path)
    tags = [trace.tag_names[tag] for tag in trace.tags]
    return [*zip(trace.kinds, trace.sizes, tags, trace.threads, strict=True)]


@needs_gil
def test_blocks_of_all_sizes_are_recorded_once_with_their_domain(tmp_path: Path) -> None:
    """A large request goes from the domain of objects to the raw one, and is recorded once."""
    out = tmp_path / "app.trace"
    with glassheap.record(out) as path:
        kept = bytearray(LARGE)
        small = bytearray(77)
        del kept
    assert path == out
    assert len(small) == 77
    found = [(kind, size, tag) for kind, size, tag, _ in rows(out) if size in {BYTEARRAY, 78}]
    assert found == [(MALLOC, BYTEARRAY, found[0][2]), (MALLOC, 78, found[1][2])]
    assert {tag for *_, tag in found} <= {"object", "mem"}
    trace = read(out)
    assert {note.reason for note in trace.skipped} <= {UNKNOWN_FREED, UNKNOWN_RESIZED}
    assert LARGE < trace.peak_live < 2 * LARGE
    *_, left = states(trace)
    assert 78 in left.values()
    assert BYTEARRAY not in left.values()


@needs_gil
def test_a_list_that_grows_is_resized(tmp_path: Path) -> None:
    with glassheap.record(tmp_path / "app.trace"):
        grown: list[int] = []
        for number in range(1000):
            grown.append(number)  # noqa: PERF402
    kinds = [kind for kind, *_ in rows(tmp_path / "app.trace")]
    assert kinds.count(REALLOC) > 10


@needs_gil
def test_the_facts_name_the_program(tmp_path: Path) -> None:
    with glassheap.record(tmp_path / "app.trace"):
        pass
    facts = dict(fact.split("=", 1) for fact in read(tmp_path / "app.trace").facts)
    assert facts["recorder"] == "python"
    assert sys.orig_argv[-1] in facts["command"]
    assert facts["process"] == str(os.getpid())


@needs_gil
def test_threads_are_recorded_while_the_recording_begins_and_ends(tmp_path: Path) -> None:
    """Their allocations meet the wrappers at any moment."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            bytearray(4321)
            stop.wait(0.0001)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    natives = {thread.native_id for thread in threads}
    seen: set[int | None] = set()
    for number in range(1000):
        with glassheap.record(tmp_path / f"{number}.trace"):
            stop.wait(0.003)
        found = rows(tmp_path / f"{number}.trace")
        seen |= {thread for _, size, _, thread in found if size == 4322}
        if natives <= seen and number > 30:
            break
    stop.set()
    for thread in threads:
        thread.join()
    assert natives <= seen


@needs_gil
def test_one_recording_at_a_time(tmp_path: Path) -> None:
    with glassheap.record(tmp_path / "one"):
        with pytest.raises(RuntimeError, match="is being recorded already"):
            glassheap.record(tmp_path / "two").__enter__()
        kept = bytearray(LARGE)
    assert kept
    assert not (tmp_path / "two").exists()
    assert [size for _, size, *_ in rows(tmp_path / "one")].count(BYTEARRAY) == 1


@needs_gil
def test_a_recording_ends_with_its_block(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), glassheap.record(tmp_path / "app.trace"):
        raise ZeroDivisionError
    before = (tmp_path / "app.trace").read_bytes()
    kept = bytearray(LARGE)
    del kept
    assert (tmp_path / "app.trace").read_bytes() == before


@needs_gil
def test_a_file_that_cannot_be_made_is_an_os_error(tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "app.trace"
    with pytest.raises(FileNotFoundError) as caught, glassheap.record(missing):
        pass
    assert (caught.value.errno, caught.value.filename) == (errno.ENOENT, str(missing))
    with pytest.raises(FileExistsError, match="is a folder, and"), glassheap.record(tmp_path):
        pass
    with pytest.raises(ValueError, match="null byte"), glassheap.record("a\0b"):
        pass
    with glassheap.record(tmp_path / "app.trace"):  # the failure left nothing behind
        pass


@needs_gil
def test_any_name_of_a_file_is_taken(tmp_path: Path) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.trace")
    with glassheap.record(name):
        kept = bytearray(LARGE)
    with open(name, "rb") as file:
        assert BYTEARRAY in read(file).sizes
    assert kept


@needs_gil
def test_tracemalloc_and_a_recording_bear_each_other(tmp_path: Path) -> None:
    """tracemalloc wraps the same allocators, and puts back what it found when it stops."""
    for number in range(4):
        recording = ExitStack()
        if number % 2:
            tracemalloc.start()
        recording.enter_context(glassheap.record(tmp_path / str(number)))
        if not number % 2:
            tracemalloc.start()
        bytearray(LARGE)
        if number < 2:
            tracemalloc.stop()
        recording.close()
        tracemalloc.stop()
        assert [size for _, size, *_ in rows(tmp_path / str(number))].count(BYTEARRAY) == 1


RAW_REALLOCS = """
import ctypes, sys, threading, tracemalloc
import glassheap

tracemalloc.start()
c = ctypes.CDLL(None)  # its calls are made without the GIL
c.PyMem_RawMalloc.restype = c.PyMem_RawRealloc.restype = ctypes.c_void_p
c.PyMem_RawRealloc.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
c.PyMem_RawFree.argtypes = [ctypes.c_void_p]

def resize():
    block = c.PyMem_RawMalloc(1000)
    for size in range(1000, 6000):
        block = c.PyMem_RawRealloc(block, size)
    c.PyMem_RawFree(block)

with glassheap.record(sys.argv[1]):
    threads = [threading.Thread(target=resize) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


@needs_gil
def test_a_raw_realloc_does_not_wait_for_a_thread_that_waits_for_it(tmp_path: Path) -> None:
    """tracemalloc takes the GIL in one, and the thread that has it may wait for the recording."""
    out = tmp_path / "app.trace"
    done = completed(sys.executable, "-c", RAW_REALLOCS, str(out))
    assert (done.returncode, done.stderr) == (0, "")
    trace = read(out)
    assert {note.reason for note in trace.skipped} <= {UNKNOWN_FREED}
    assert {*range(1000, 6000)} <= {*trace.sizes}


@needs_gil
@NEEDS_FORK
def test_a_forked_child_leaves_the_recording_to_its_parent(tmp_path: Path) -> None:
    """It may make one of its own."""
    with glassheap.record(tmp_path / "parent"):
        in_fork(allocate_and_record, tmp_path / "child")
        kept = bytearray(LARGE)
    assert kept
    sizes = [size for _, size, *_ in rows(tmp_path / "parent")]
    assert sizes.count(BYTEARRAY) == 1
    assert BYTEARRAY + 5 not in sizes
    child = rows(tmp_path / "child")
    assert [thread for _, size, _, thread in child if size == BYTEARRAY + 5] != [os.getpid()]
    assert read(tmp_path / "child").facts[-1] != f"process={os.getpid()}"


def allocate_and_record(path: Path) -> None:
    bytearray(LARGE + 5)
    with glassheap.record(path):
        bytearray(LARGE + 5)


@needs_gil
def test_a_full_disk_ends_the_recording_with_one_sentence(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    assert resource
    program = f"""
import glassheap, resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
with glassheap.record({str(tmp_path / "app.trace")!r}):
    kept = [[bytearray(i) for i in range(300)] for _ in range(100)]
print("done")
"""
    done = python("-c", program)
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert done.stderr.count("\n") == 1
    assert "File too large; the recording ends here, and the program runs on" in done.stderr
    assert len(read(tmp_path / "app.trace")) > 500


@needs_gil
def test_frees_are_recorded_before_the_address_is_given_again(tmp_path: Path) -> None:
    with glassheap.record(tmp_path / "app.trace"):
        for size in range(2000):
            bytearray(size)
    trace = read(tmp_path / "app.trace")
    assert {note.reason for note in trace.skipped} <= {UNKNOWN_FREED, UNKNOWN_RESIZED}
    assert [*trace.kinds].count(FREE) >= 2000


@pytest.mark.skipif(not FREE_THREADED, reason="this interpreter has the GIL")
def test_a_free_threaded_interpreter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="a free-threaded interpreter cannot be recorded"):
        glassheap.record(tmp_path / "app.trace").__enter__()
    assert not (tmp_path / "app.trace").exists()
