"""Corrupt images: each is attached to, used, inspected, checked and rebuilt, and ends by an error.

An image is the file of a shared heap, with bytes or words overwritten, a part of it copied over
another, or its end cut off. A child process takes a batch of images; it tells in shared memory
which one it works on. A child that crashes, hangs or raises what no call promises ends the batch;
the image is kept, and the next child goes on behind it.
"""

from __future__ import annotations

import mmap
import os
import random
import signal
import struct
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import glassheap
from glassheap import SharedHeap
from glassheap.images import fsck, inspecting
from glassheap.images.errors import BrokenImageError, ImageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

NAME = "images"
HELP = "corrupt images of heaps, attached to, used and rebuilt"
REGION = 1 << 15
"""Bytes of the region of each heap, which is at the end of its image."""
TIMEOUT = 0.05
"""Seconds for the lock, which no other process has."""
PATIENCE = 20
"""Seconds for one image."""
BATCH = 500
"""Images of a child process."""
REFUSED = (glassheap.HeapError, OSError, ValueError, MemoryError, ImageError, BrokenImageError)
"""What a call on a corrupt image may raise."""

Checks = Literal["robust", "debug"]
CHECKS: tuple[Checks, ...] = ("robust", "debug")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("--count", type=int, default=10_000, help="images (10,000)")
    parser.add_argument("--seconds", type=float, default=3600, help="the most time to take (3,600)")
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers (1)")


# --- Images. --------------------------------------------------------------------------------------


def whole_images(folder: Path) -> list[bytes]:
    """The bytes of heaps of every policy and layout, with live blocks and holes."""
    names = [policy.name for policy in glassheap.policies()]
    return [whole_image(folder / "whole", *how) for how in product(names, (True, False), CHECKS)]


def whole_image(path: Path, policy: str, headers: bool, checks: Checks) -> bytes:
    """The bytes of one such heap."""
    heap = SharedHeap.create(None, REGION, path=path, policy=policy, headers=headers, checks=checks)
    blocks = heap.malloc_many([(i * 37) % 300 for i in range(80)])
    heap.free_many(blocks[::3])
    data = path.read_bytes()
    heap.close()
    with suppress(FileNotFoundError):
        path.unlink()
    return data


def corrupt(image: bytes, draw: random.Random) -> bytes:
    """The image, with a few changes; most of them in front of its blocks."""
    data = bytearray(image)
    for _ in range(draw.choice((1, 1, 1, 2, 5, 50))):
        draw.choice((overwrite_bytes, overwrite_word, overwrite_word, move_part))(data, draw)
    return bytes(data[: draw.randrange(len(data))] if draw.random() < 0.03 else data)


def place(data: bytearray, draw: random.Random) -> int:
    """An offset: in the fixed fields, the state, the arrays and owners, the region, or anywhere."""
    region_at = len(data) - REGION
    parts = ((0, 136), (136, 1024), (region_at - 16384, region_at), (region_at, len(data)))
    return draw.randrange(*draw.choices((*parts, (0, len(data))), weights=(1, 8, 16, 8, 4))[0])


def overwrite_bytes(data: bytearray, draw: random.Random) -> None:
    """Up to 16 random bytes."""
    at = place(data, draw)
    size = min(draw.randint(1, 16), len(data) - at)
    data[at : at + size] = draw.randbytes(size)


def overwrite_word(data: bytearray, draw: random.Random) -> None:
    """A word: any number, a small one, an offset, two links, or one with another bit."""
    at = min(place(data, draw) // 8 * 8, len(data) - 8)
    (old,) = struct.unpack_from("<Q", data, at)
    granule, other = draw.randrange(1 << 12), draw.randrange(1 << 12)
    words = (draw.getrandbits(64), draw.randrange(64), granule * 16, granule << 32 | other)
    struct.pack_into("<Q", data, at, draw.choice((*words, old ^ 1 << draw.randrange(64))))


def move_part(data: bytearray, draw: random.Random) -> None:
    """A part of the image, copied over another."""
    size = draw.randint(1, 4096)
    source, target = draw.randrange(len(data) - size), draw.randrange(len(data) - size)
    data[target : target + size] = data[source : source + size]


# --- What is done with each. ----------------------------------------------------------------------


def use(path: Path, draw: random.Random) -> str:
    """Attach to an image and make some calls."""
    try:
        heap = SharedHeap.attach(path=path, timeout=TIMEOUT)
    except REFUSED as error:
        return f"attach raised {type(error).__name__}"
    try:
        for call in draw.choices(CALLS, k=8):
            with suppress(*REFUSED):
                call(heap, draw)
    finally:
        with suppress(*REFUSED):
            heap.close()
    return "attached"


def free_some(heap: SharedHeap, draw: random.Random) -> None:
    """Free some of the live blocks."""
    for address in heap:
        if draw.random() < 0.3:
            heap.free(address)


CALLS: tuple[Callable[[SharedHeap, random.Random], object], ...] = (
    lambda heap, _: heap.check(),
    lambda heap, _: heap.walk(),
    lambda heap, _: heap.free_list(),
    lambda heap, _: heap.stats(),
    lambda heap, _: heap.owners(),
    lambda heap, _: heap.reap(),
    lambda heap, draw: heap.malloc(draw.randrange(2000)),
    lambda heap, draw: heap.malloc_many([draw.randrange(200) for _ in range(10)]),
    lambda heap, draw: heap.realloc(draw.choice([*heap, 0]), draw.randrange(1000)),
    free_some,
)


def examine(path: Path, draw: random.Random) -> str:
    """Inspect, check and rebuild an image, and use it as it was or as it then is."""
    outcome = "refused"
    if draw.random() < 0.3:
        with suppress(*REFUSED):
            [*inspecting.inspect(str(path), TIMEOUT).lines()]
    if draw.random() < 0.7:
        return use(path, draw)
    with suppress(*REFUSED):
        verdict = fsck.check(str(path), TIMEOUT, rebuild=True)
        outcome = "bad, and rebuilt" if verdict.bad and verdict.mendable else "checked"
    if outcome == "bad, and rebuilt" and not use(path, draw).startswith("attached"):
        return "rebuilt, and refused all the same"
    return outcome


# --- Many images. ---------------------------------------------------------------------------------


class Attack:
    """A run: images by number, the outcome of each, and the images that did harm."""

    def __init__(self, arguments: argparse.Namespace, folder: Path) -> None:
        self.count, self.seed, self.folder = arguments.count, arguments.seed, folder
        self.until = time.monotonic() + arguments.seconds
        self.images = whole_images(folder)
        self.at = mmap.mmap(-1, 8)  # the number of an image, shared with the child
        self.outcomes: Counter[str] = Counter()
        self.harm: list[str] = []

    def image(self, number: int) -> bytes:
        """Image `number` of this run."""
        draw = random.Random(self.seed << 32 | number)
        return corrupt(draw.choice(self.images), draw)

    def run(self) -> None:
        """Run all batches."""
        number = 0
        while number < self.count and time.monotonic() < self.until:
            number = self.run_batch(number, min(number + BATCH, self.count))

    def run_batch(self, first: int, end: int) -> int:
        """Run a batch in a child; the number of the next image."""
        ours, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(ours)
            self.work(first, end, theirs)
        os.close(theirs)
        with open(ours, encoding="utf-8") as pipe:
            self.outcomes.update(pipe.read().splitlines())
        _, status = os.waitpid(child, 0)
        (number,) = struct.unpack("<Q", self.at[:8])
        if status == 0:
            return end
        self.record(number, status)
        return int(number) + 1

    def record(self, number: int, status: int) -> None:
        """Record the image that ended its child."""
        signals = signal.strsignal(status & 0x7F) if os.WIFSIGNALED(status) else None
        self.outcomes["harm"] += 1
        self.harm.append(f"image {number}: {signals or 'an error that no call promises'}")
        print(self.harm[-1], file=sys.stderr)

    def work(self, first: int, end: int, pipe: int) -> None:
        """What a child does. Does not return."""
        status = 1
        try:
            with open(pipe, "w", encoding="utf-8", buffering=1) as out:
                for number in range(first, end):
                    self.at[:8] = struct.pack("<Q", number)
                    signal.alarm(PATIENCE)
                    print(self.try_image(number), file=out)
            status = 0
        except Exception:  # noqa: BLE001  (the parent names the image)
            traceback.print_exc()
        finally:
            os._exit(status)

    def try_image(self, number: int) -> str:
        """The outcome of one image."""
        path = self.folder / "image"
        path.write_bytes(self.image(number))
        try:
            return examine(path, random.Random(number))
        finally:
            for left in self.folder.iterdir():
                left.unlink()


def run(arguments: argparse.Namespace) -> int:
    """Run the attack; print figures; 1 if an image did harm."""
    start = time.monotonic()
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        attack = Attack(arguments, Path(folder))
        attack.run()
    done = sum(attack.outcomes.values())
    print(f"{done:,} corrupt images in {time.monotonic() - start:,.0f} s, seed {arguments.seed}")
    for outcome, count in attack.outcomes.most_common():
        print(f"{count:>10,}  {outcome}")
    return int(bool(attack.harm))
