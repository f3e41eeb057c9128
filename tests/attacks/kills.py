"""Kills processes that use one shared heap, at random moments, and accounts for every block.

Each process notes what it holds (diary.py). A killed process is replaced by another one. From time
to time all are killed at once: then the live blocks must be those of the diaries, to the byte.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import random
import signal
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from diary import BATCH, Call, Diary, new_diaries, verify

import glassheap
from glassheap import OutOfMemory, SharedHeap

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

NAME = "kills"
HELP = "kill processes inside a heap, and account for every block"

SIZE = 1 << 20
"""Bytes of a heap: so few that it is full at times."""
TIMEOUT = 60
"""Seconds that a process waits for the lock: hundreds of them share few cores."""
KINDS = ("memory", "file", "buffer")
ROUNDS_A_HEAP = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add = parser.add_argument
    add("--seconds", type=float, default=600, help="for each kind of segment (600)")
    add("--processes", type=int, default=8, help="that use the heap at a time (8)")
    add("--kind", choices=KINDS, action="append", help="of segment: memory, file, buffer (all)")
    add("--seed", type=int, default=time.time_ns(), help="of the random numbers")


def run(options: argparse.Namespace) -> int:
    """Kill processes for a time on each kind of segment; the exit status."""
    print(f"seed {options.seed}", flush=True)
    for kind in options.kind or KINDS:
        print(kind, attack(kind, options), flush=True)
    return 0


# --- A heap, and how a process opens it. ----------------------------------------------------------


class Target(NamedTuple):
    """A heap of this process, and a way to attach to it from another one."""

    heap: SharedHeap
    attach: Callable[[], SharedHeap]


@contextmanager
def target(kind: str, draw: random.Random) -> Iterator[Target]:
    """A new heap of a random policy and layout, in a segment of this kind."""
    policy = draw.choice(glassheap.policies()).name
    options: dict[str, Any] = {
        "policy": policy,
        "checks": draw.choice(["robust", "debug"]),
        "timeout": TIMEOUT,
    }
    with tempfile.TemporaryDirectory() as folder:
        places: dict[str, dict[str, Any]] = {
            "memory": {"name": f"glassheap-attack-{os.getpid()}"},
            "file": {"path": Path(folder, "heap")},
            "buffer": {"buffer": mmap.mmap(-1, SIZE)},
        }
        place = places[kind]
        size = None if kind == "buffer" else SIZE
        with SharedHeap.create(size=size, **place, **options) as heap:
            yield Target(heap, lambda: SharedHeap.attach(**place, timeout=TIMEOUT))


# --- What a process does until it is killed. ------------------------------------------------------


class Worker:
    """Random calls on a heap, with notes."""

    def __init__(self, heap: SharedHeap, diary: Diary, draw: random.Random) -> None:
        self.heap, self.diary, self.draw = heap, diary, draw
        self.mark = draw.randrange(1, 256)

    def work(self) -> None:
        """Make calls for ever."""
        calls = [self.malloc, self.free, self.realloc, self.malloc_many, self.free_many]
        while True:
            with suppress(OutOfMemory):
                self.draw.choices(calls, weights=[4, 2, 2, 1, 1])[0]()
            self.diary.end()

    def places(self, count: int, *, used: bool) -> list[int]:
        """At most so many random places of the diary, with blocks or without."""
        found = [i for i, held in enumerate(self.diary.held) if bool(held.address) == used]
        return self.draw.sample(found, min(count, len(found)))

    def size(self) -> int:
        return self.draw.choice([0, self.draw.randrange(200), self.draw.randrange(6000)])

    def keep(self, place: int, address: int, size: int) -> None:
        """Fill a new block, and note it."""
        ctypes.memset(self.heap.address + address, self.mark, size)
        held = self.diary.held[place]
        held.size, held.mark, held.address = size, self.mark, address

    def malloc(self) -> None:
        for place in self.places(1, used=False):
            size = self.size()
            self.diary.begin(Call.MALLOC, [place], [size])
            self.keep(place, self.heap.malloc(size), size)

    def malloc_many(self) -> None:
        places = self.places(self.draw.randrange(1, BATCH), used=False)
        sizes = [self.size() for _ in places]
        self.diary.begin(Call.MALLOC_MANY, places, sizes)
        for place, address, size in zip(places, self.heap.malloc_many(sizes), sizes, strict=True):
            self.keep(place, int(address), size)

    def free(self) -> None:
        for place in self.places(1, used=True):
            self.diary.begin(Call.FREE, [place])
            self.heap.free(self.diary.held[place].address)
            self.diary.held[place].address = 0

    def free_many(self) -> None:
        places = self.places(self.draw.randrange(BATCH), used=True)
        self.diary.begin(Call.FREE_MANY, places)
        self.heap.free_many([self.diary.held[place].address for place in places])
        for place in places:
            self.diary.held[place].address = 0

    def realloc(self) -> None:
        for place in self.places(1, used=True):
            size = self.size()
            self.diary.begin(Call.REALLOC, [place], [size])
            self.keep(place, self.heap.realloc(self.diary.held[place].address, size), size)


def start(target: Target, diary: Diary, seed: int) -> int:
    """Fork a process that works on the heap until it is killed; returns its pid.

    Half of the processes use the heap of their parent, the others attach to it.
    """
    child = os.fork()
    if child:
        return child
    try:
        os.nice(10)  # the killer must get its turn among hundreds
        signal.alarm(300)  # if the killer is gone
        diary.pid = os.getpid()
        heap = target.attach() if seed % 2 else target.heap
        Worker(heap, diary, random.Random(seed)).work()
    except BaseException as error:  # noqa: BLE001  (the parent reads it in the diary)
        diary.failure = repr(error).encode()[:399]
    os._exit(1)


# --- The killer. ----------------------------------------------------------------------------------


def attack(kind: str, options: argparse.Namespace) -> str:
    """Kill processes for some seconds; returns the figures in a line."""
    draw = random.Random(f"{kind} {options.seed}")
    until = time.monotonic() + options.seconds
    kills = calls = recovered = heaps = 0
    while time.monotonic() < until:
        with target(kind, draw) as aim:
            heaps += 1
            rounds = ROUNDS_A_HEAP
            while rounds and time.monotonic() < until:
                rounds -= 1
                diaries = kill_some(aim, options.processes, draw)
                verify(aim.heap, diaries)
                clear(aim.heap)
                kills += sum(1 for diary in diaries if diary.pid)
                calls += sum(diary.calls for diary in diaries)
            recovered += aim.heap.stats().recovered
    return (
        f"{kills:,} kills, {recovered:,} inside a call; {calls:,} calls on {heaps:,} heaps; "
        "no block was lost."
    )


def kill_some(aim: Target, processes: int, draw: random.Random) -> Sequence[Diary]:
    """Keep so many processes at work, and kill one after the other; in the end, all."""
    diaries = new_diaries(2 * processes + 16)
    fresh = iter(diaries)
    children = [start(aim, next(fresh), draw.getrandbits(32)) for _ in range(processes)]
    try:
        for diary in fresh:
            time.sleep(draw.uniform(0, 0.01))
            end(children.pop(draw.randrange(len(children))))
            children.append(start(aim, diary, draw.getrandbits(32)))
    finally:
        draw.shuffle(children)
        for child in children:
            os.kill(child, signal.SIGKILL)
        for child in children:
            os.waitpid(child, 0)
    return diaries


def end(child: int) -> None:
    """Kill a child; one that has failed is gone already."""
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def clear(heap: SharedHeap) -> None:
    """Check the heap, and free every block."""
    if findings := heap.check():
        raise AssertionError(str(findings[0]))
    heap.free_many(list(heap))
    heap.reap()
    if heap.check() or len(heap):
        raise AssertionError(f"{len(heap)} blocks are left.")
