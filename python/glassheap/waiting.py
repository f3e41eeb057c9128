"""Waiting for memory in an event loop: `Heap.amalloc`.

A coroutine waits in the same line as the threads, of all processes that share the heap. Whose turn
it is, and whether it is served, the heap decides (cpp/core/wait_line.hpp); here is how a loop hears
that it may be its turn. It has a datagram socket in the system's abstract namespace, to which the
thread that frees a block sends the number of a bell. So no thread is blocked, and none is needed.
"""

from __future__ import annotations

import asyncio
import errno
import math
import secrets
import socket
import sys
from contextlib import contextmanager, suppress
from itertools import count
from operator import index
from typing import TYPE_CHECKING, SupportsFloat, SupportsIndex
from weakref import WeakValueDictionary

from glassheap.errors import OutOfMemory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glassheap import Heap

LONGEST_SLEEP = 0.1
"""Seconds: who is first in the line looks again so often, in case that a call was lost."""

# --- Bells. ---------------------------------------------------------------------------------------


class Bell:
    """Wakes one coroutine."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._heard: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """Wake the coroutine, if it sleeps."""
        if self._heard and not self._heard.done():
            self._heard.set_result(None)

    async def sleep(self, seconds: float) -> None:
        """Sleep until it rings, at most so many seconds."""
        loop = asyncio.get_running_loop()
        self._heard = loop.create_future()
        alarm = loop.call_later(seconds, self.ring)
        try:
            await self._heard
        finally:
            alarm.cancel()


class Listener:
    """The bells of one event loop, and the socket on which they hang."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._bells: dict[int, Bell] = {}
        self._numbers = count(1)
        self._socket, self._name = new_socket()
        loop.add_reader(self._socket, self._listen)

    @contextmanager
    def bell(self) -> Iterator[Bell]:
        """A new bell of the loop."""
        bell = Bell(self._name << 32 | next(self._numbers) & 0xFFFF_FFFF)
        self._bells[bell.number] = bell
        try:
            yield bell
        finally:
            del self._bells[bell.number]
            if not self._bells:
                self._close()

    def _close(self) -> None:
        _listeners.pop(self._loop, None)
        if not self._loop.is_closed():
            self._loop.remove_reader(self._socket)
        self._socket.close()

    def _listen(self) -> None:
        """Ring the bells whose numbers have come in. Anybody may send there; no other is heard."""
        with suppress(BlockingIOError):
            while True:
                number = int.from_bytes(self._socket.recv(64), sys.byteorder)
                if bell := self._bells.get(number):
                    bell.ring()


_listeners: WeakValueDictionary[asyncio.AbstractEventLoop, Listener] = WeakValueDictionary()
"""A listener lives while a coroutine waits: what a closed loop has left behind is collected."""


def new_socket() -> tuple[socket.socket, int]:
    """A socket with an unused name, and the number in it (cpp/base/bell.hpp)."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.setblocking(False)
    while True:
        number = secrets.randbits(32)
        try:
            listening.bind(f"\0glassheap-bell-{number:08x}")
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                listening.close()
                raise
        else:
            return listening, number


# --- The line. ------------------------------------------------------------------------------------


async def amalloc(
    heap: Heap, size: SupportsIndex, align: SupportsIndex | None, timeout: float | None
) -> int:
    """See Heap.amalloc."""
    seconds = _seconds(timeout)
    address, _ = heap._malloc_in_turn(0, 0, size, align)
    fits = index(size) <= heap.size  # else it would hold up all others
    if address is None and seconds > 0 and fits:
        address = await _wait(heap, size, align, seconds)
    if address is not None:
        return address
    try:
        return heap.malloc(size) if align is None else heap.malloc(size, align=align)
    except OutOfMemory as error:
        if fits:
            error._story = f" It waited {seconds:.2f} seconds for others to free enough."
        raise


def _seconds(timeout: object) -> float:
    """The seconds to wait. Raises TypeError or ValueError as malloc does."""
    if timeout is None:
        return math.inf
    if not isinstance(timeout, (SupportsFloat, SupportsIndex)):
        raise TypeError("timeout must be a number.")
    seconds = float(timeout)
    if not seconds >= 0:
        raise ValueError("timeout is a number of seconds from 0 upwards.")
    return seconds


async def _wait(
    heap: Heap, size: SupportsIndex, align: SupportsIndex | None, seconds: float
) -> int | None:
    """The address; None when the time is over. It leaves the line however it ends."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    listener = _listeners.get(loop) or _listeners.setdefault(loop, Listener(loop))
    ticket = 0
    with listener.bell() as bell:
        try:
            while True:
                address, ticket = heap._malloc_in_turn(ticket, bell.number, size, align)
                left = end - loop.time()
                if address is not None or left <= 0:
                    return address
                await bell.sleep(min(left, LONGEST_SLEEP))
        finally:
            heap._leave_line(ticket)
