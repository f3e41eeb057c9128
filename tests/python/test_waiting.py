"""Waits inside a heap: other threads run, signals are handled, and the timeout holds.

A child process is stopped in the middle of a call, so that every other call waits for it.
"""

from __future__ import annotations

import _thread
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

import glassheap
from glassheap import SharedHeap
from process_helpers import NEEDS_SHARED_MEMORY, forked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = NEEDS_SHARED_MEMORY

LONG = 60.0
"""A timeout that no test waits for."""


# --- A process that is stopped inside. -----------------------------------------------------------


def check_for_ever(name: str, ready: int) -> None:
    heap = SharedHeap.attach(name)
    os.write(ready, b"1")
    while True:
        heap.check()


def is_waited_for(probe: SharedHeap) -> bool:
    try:
        len(probe)
    except glassheap.LockTimeout:
        return True
    return False


@contextmanager
def stopped_inside(heap: SharedHeap) -> Iterator[int]:
    """The pid of a child that is stopped inside a call on that heap, and killed at the end."""
    name = str(heap.name)
    probe = SharedHeap.attach(name, timeout=0.05)
    ours, theirs = os.pipe()
    with open(ours, "rb") as pipe, forked(check_for_ever, name, theirs) as child:
        os.close(theirs)
        assert pipe.read(1) == b"1"
        for _ in range(500):
            os.kill(child, signal.SIGSTOP)
            if is_waited_for(probe):
                break
            os.kill(child, signal.SIGCONT)
            time.sleep(0.001)
        yield child


@pytest.fixture(name="heap")
def heap_with_blocks(segment_name: str) -> Iterator[SharedHeap]:
    with SharedHeap.create(segment_name, 1 << 20, timeout=LONG) as heap:
        heap.malloc_many([16] * 20_000)
        yield heap


def attach(heap: SharedHeap) -> None:
    SharedHeap.attach(heap.name, timeout=LONG)


CALLS: dict[str, Callable[[SharedHeap], Any]] = {
    "malloc": lambda heap: heap.malloc(16),
    "malloc_many": lambda heap: heap.malloc_many([16]),
    "check": SharedHeap.check,
    "stats": SharedHeap.stats,
    "repr": repr,
    "attach": attach,
}


# --- Signals. ------------------------------------------------------------------------------------


class HandlerError(Exception):
    """Raised by a signal handler."""


@contextmanager
def handling(handler: Callable[..., None]) -> Iterator[None]:
    """Handle SIGUSR1, which another thread sends over and over."""
    before = signal.signal(signal.SIGUSR1, handler)
    ended = threading.Event()

    def send() -> None:
        while not ended.wait(0.02):
            _thread.interrupt_main(signal.SIGUSR1)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        ended.set()
        signal.signal(signal.SIGUSR1, lambda *_: None)
        sender.join()
        signal.signal(signal.SIGUSR1, before)


def raise_once(*_: object) -> None:
    signal.signal(signal.SIGUSR1, lambda *_: None)
    raise HandlerError


def test_a_wait_lets_threads_run_and_ends_with_what_a_signal_handler_raises(
    heap: SharedHeap,
) -> None:
    """The signal comes from another thread, which therefore runs."""
    with stopped_inside(heap):
        for call in CALLS.values():
            with pytest.raises(HandlerError), handling(raise_once):
                call(heap)
    assert len(heap) == 20_000
    assert heap.check() == []


def test_ctrl_c_ends_a_wait(heap: SharedHeap) -> None:
    with stopped_inside(heap):
        threading.Timer(0.05, _thread.interrupt_main).start()
        with pytest.raises(KeyboardInterrupt):
            heap.malloc(16)


def test_a_wait_goes_on_after_a_handler_that_returns_and_ends_with_its_timeout(
    heap: SharedHeap,
) -> None:
    handled: list[int] = []
    impatient = SharedHeap.attach(heap.name, timeout=0.3)
    with stopped_inside(heap), handling(lambda number, _: handled.append(number)):
        began = time.monotonic()
        with pytest.raises(glassheap.LockTimeout):
            impatient.malloc(16)
        assert 0.3 <= time.monotonic() - began < 10
    assert handled


def test_a_block_that_is_collected_during_a_wait_is_freed_before_a_handler_raises(
    heap: SharedHeap,
) -> None:
    """The destructor of a block cannot raise, so nothing would free the block later."""
    block = heap.alloc(16)
    with stopped_inside(heap) as child:
        threading.Timer(0.1, os.kill, (child, signal.SIGCONT)).start()
        with pytest.raises(HandlerError), handling(raise_once):
            del block
    assert len(heap) == 20_000


# --- The end of Python. --------------------------------------------------------------------------

DAEMONS = """
import sys, threading, time
from glassheap import Heap, SharedHeap
name = sys.argv[1]
shared = SharedHeap.create(name, 1 << 20)
shared.malloc_many([16] * 2_000)
private = Heap(1 << 20)

def batches():
    private.free_many(private.malloc_many([16] * 2_000))

def attach():
    SharedHeap.attach(name).close()

def create():
    SharedHeap.create(buffer=memoryview(bytearray((1 << 20) + 64))).close()

def run(call):
    while True:
        try:
            call()
        except ValueError:  # a buffer that begins at another place
            pass

for call in (shared.check, batches, attach, create, private.check, private.walk):
    threading.Thread(target=run, args=(call,), daemon=True).start()
time.sleep(0.1)
shared.unlink()
"""


def test_python_ends_while_daemon_threads_are_inside(segment_name: str) -> None:
    for _ in range(8):
        ended = subprocess.run(
            [sys.executable, "-c", DAEMONS, segment_name],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (ended.returncode, ended.stderr) == (0, "")
