"""Every byte of every header and node, overwritten with several values: detected or harmless.

Whatever the byte: each call either raises, naming the very block, and changes nothing; or it did
not meet the damage, and does exactly what it does on the same heap without it, and check() still
finds it. Then bytes at random, all over the region: nothing crashes, and nothing runs in circles.
"""

from __future__ import annotations

import io
import itertools
import random
from typing import TYPE_CHECKING

import pytest

import glassheap
from bench import KINDS, Bench, Kind
from heap_probes import FRONT, assert_sound, fingerprint, first_place, overwrite, peek

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS: dict[str, Callable[[Bench], object]] = {
    "malloc small": lambda b: b.heap.malloc(40),
    "malloc all of a hole": lambda b: b.heap.malloc(144),
    "malloc from the top": lambda b: b.heap.malloc(500),
    "malloc aligned": lambda b: b.heap.malloc(40, align=256),
    "malloc too much": lambda b: b.heap.malloc(4000),
    "malloc_many": lambda b: [*b.heap.malloc_many([64, 20, 200])],
    "free first": lambda b: b.heap.free(b.first),
    "free second": lambda b: b.heap.free(b.second),
    "free third": lambda b: b.heap.free(b.third),
    "free twin": lambda b: b.heap.free(b.twin),
    "free all": lambda b: b.heap.free_many([b.twin, b.second, b.first, b.third]),
    "shrink": lambda b: b.heap.realloc(b.third, 5),
    "grow in place": lambda b: b.heap.realloc(b.third, 400),
    "move": lambda b: b.heap.realloc(b.first, 120),
    "look": lambda b: (b.heap.usable_size(b.second), b.second in b.heap),
    "double free": lambda b: b.heap.free(b.freed),
}
FIRST_FIT = Kind("first_fit", headers=True, base=0)
FRONTS = [info.start for info in FIRST_FIT.bench().heap.walk()]


def look_everywhere(heap: glassheap.Heap) -> list[tuple[int, int, bool]]:
    """All that must work on a damaged heap; the places of its blocks."""
    out = io.StringIO()
    heap.print_free_list(file=out)
    assert heap.stats().size == heap.size
    assert len(heap.free_list()) <= heap.stats().free_blocks
    places = [(info.start, info.extent, info.live) for info in heap.walk()]
    assert sum(extent for _, extent, _ in places) == heap.base + heap.size - first_place(heap)
    return places


def outcome(call: Callable[[Bench], object], bench: Bench) -> object:
    try:
        return call(bench)
    except glassheap.HeapError as error:
        return type(error)


def complaint(
    kind: Kind, call: Callable[[Bench], object], front: int, at: int, value: int
) -> str | None:
    """What is wrong with how a call on a heap with this byte overwritten ends; None if nothing."""
    bench, whole = kind.bench(), kind.bench()
    overwrite(bench.heap, front + at, bytes([value]))
    before = fingerprint(bench.heap)
    try:
        result = call(bench)
    except glassheap.HeapCorrupted as error:
        same = fingerprint(bench.heap) == before and error.offset == front
        return None if same else f"changed something, or blamed {error.offset}"
    except glassheap.HeapError as error:
        result = type(error)
    if result != outcome(call, whole):
        return f"gave {result}"
    if look_everywhere(bench.heap) != look_everywhere(whole.heap):
        return "did something else"
    if [finding.offset for finding in bench.heap.check()] != [front]:
        return f"left {bench.heap.check()}"
    return None


def assert_detected_or_harmless(
    kind: Kind, call: Callable[[Bench], object], front: int, at: int, value: int
) -> None:
    """A seal of 16 bits misses one forgery in 65,536; under another key it must see it."""
    wrong = complaint(kind, call, front, at, value)
    again = wrong and complaint(kind, call, front, at, value)
    assert not again, f"byte {at} of the block at {front}, {value:#x}: {again}"


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_every_overwritten_byte_is_detected_or_harmless(call: Callable[[Bench], object]) -> None:
    heap = FIRST_FIT.bench().heap
    for front, at in itertools.product(FRONTS, range(FRONT)):
        byte = peek(heap, front + at, 1)[0]
        for value in {byte ^ 1, byte ^ 0x80, byte ^ 0xFF, (byte + 16) % 256}:
            assert_detected_or_harmless(FIRST_FIT, call, front, at, value)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_overwritten_byte_is_detected_or_harmless_in_every_policy(kind: Kind) -> None:
    """Without headers those of free blocks are all that the heap keeps in its region."""
    kind = kind._replace(base=4096 if kind.base is None else kind.base)
    heap = kind.bench().heap
    kept = [info.start - heap.base for info in heap.walk() if heap.headers or not info.live]
    for front, at, call in itertools.product(kept, (0, 3, 7, 8, 11, 12, 15), CALLS.values()):
        value = peek(heap, front + at, 1)[0] ^ (1 if at in (8, 12) else 0x80)
        assert_detected_or_harmless(kind, call, front, at, value)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_whatever_is_written_anywhere_nothing_crashes(kind: Kind, seed: int) -> None:
    """And reset() always brings back a heap that is sound."""
    rng = random.Random(f"{kind} {seed}")
    bench = kind.bench()
    heap = bench.heap
    for _ in range(rng.choice([1, 3, 30])):
        data = rng.choice([b"\xff" * 16, bytes(16), rng.randbytes(4), rng.randbytes(300)])
        place = rng.choice([*FRONTS, *range(0, heap.size, 8)])
        overwrite(heap, place, data[: heap.size - place])
    for call in rng.sample([*CALLS.values()], len(CALLS)):
        look_everywhere(heap)
        outcome(call, bench)
    look_everywhere(heap)
    heap.check()
    heap.show(file=io.StringIO())
    heap.reset()
    assert_sound(heap)
    heap.free(heap.malloc(heap.largest_free()))
