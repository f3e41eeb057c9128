"""Every byte of every header and node, overwritten with several values: detected or harmless.

For each byte a call either raises, names the damaged block and changes nothing; or it does not use
the damaged bytes, has the same effect as on an undamaged heap, and check() still finds the damage.
Then random bytes are written all over the region: nothing crashes, and every call terminates.
"""

from __future__ import annotations

import io
import itertools
import random
from typing import TYPE_CHECKING

import pytest

import glassheap
from fault_fixture import KINDS, Kind, PreparedHeap
from heap_probes import FRONT, assert_sound, fingerprint, first_block_address, overwrite, peek

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS: dict[str, Callable[[PreparedHeap], object]] = {
    "malloc small": lambda p: p.heap.malloc(40),
    "malloc all of a hole": lambda p: p.heap.malloc(144),
    "malloc from the top": lambda p: p.heap.malloc(500),
    "malloc aligned": lambda p: p.heap.malloc(40, align=256),
    "malloc too much": lambda p: p.heap.malloc(4000),
    "malloc_many": lambda p: [*p.heap.malloc_many([64, 20, 200])],
    "free first": lambda p: p.heap.free(p.first),
    "free second": lambda p: p.heap.free(p.second),
    "free third": lambda p: p.heap.free(p.third),
    "free twin": lambda p: p.heap.free(p.twin),
    "free all": lambda p: p.heap.free_many([p.twin, p.second, p.first, p.third]),
    "shrink": lambda p: p.heap.realloc(p.third, 5),
    "grow in place": lambda p: p.heap.realloc(p.third, 400),
    "move": lambda p: p.heap.realloc(p.first, 120),
    "look": lambda p: (p.heap.usable_size(p.second), p.second in p.heap),
    "double free": lambda p: p.heap.free(p.freed),
}
FIRST_FIT = Kind("first_fit", headers=True, base=0)
FRONTS = [info.start for info in FIRST_FIT.prepared().heap.walk()]


def inspect(heap: glassheap.Heap) -> list[tuple[int, int, bool]]:
    """Make every query that must work on a damaged heap; returns the places of its blocks."""
    out = io.StringIO()
    heap.print_free_list(file=out)
    assert heap.stats().size == heap.size
    assert len(heap.free_list()) <= heap.stats().free_blocks
    places = [(info.start, info.extent, info.live) for info in heap.walk()]
    assert sum(extent for _, extent, _ in places) == heap.base + heap.size - first_block_address(
        heap
    )
    return places


def outcome(call: Callable[[PreparedHeap], object], prepared: PreparedHeap) -> object:
    try:
        return call(prepared)
    except glassheap.HeapError as error:
        return type(error)


def failure(
    kind: Kind, call: Callable[[PreparedHeap], object], front: int, at: int, value: int
) -> str | None:
    """A description of the wrong outcome of a call after this byte was overwritten, or None."""
    prepared, undamaged = kind.prepared(), kind.prepared()
    overwrite(prepared.heap, front + at, bytes([value]))
    before = fingerprint(prepared.heap)
    try:
        result = call(prepared)
    except glassheap.HeapCorrupted as error:
        same = fingerprint(prepared.heap) == before and error.offset == front
        return None if same else f"changed something, or named the block at {error.offset}"
    except glassheap.HeapError as error:
        result = type(error)
    if result != outcome(call, undamaged):
        return f"returned {result}"
    if inspect(prepared.heap) != inspect(undamaged.heap):
        return "had another effect"
    if [finding.offset for finding in prepared.heap.check()] != [front]:
        return f"left the findings {prepared.heap.check()}"
    return None


def assert_detected_or_harmless(
    kind: Kind, call: Callable[[PreparedHeap], object], front: int, at: int, value: int
) -> None:
    """Try under four keys, each in a heap of its own.

    One seal byte in 256 is the written value already, and a seal of 16 bits misses one change in
    65,536. A byte whose change is never detected fails under every key.
    """
    failures = (failure(kind, call, front, at, value) for _ in range(4))
    found = list(itertools.takewhile(bool, failures))
    assert len(found) < 4, f"byte {at} of the block at {front}, {value:#x}: {found[-1]}"


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_every_overwritten_byte_is_detected_or_harmless(
    call: Callable[[PreparedHeap], object],
) -> None:
    heap = FIRST_FIT.prepared().heap
    for front, at in itertools.product(FRONTS, range(FRONT)):
        byte = peek(heap, front + at, 1)[0]
        for value in {byte ^ 1, byte ^ 0x80, byte ^ 0xFF, (byte + 16) % 256}:
            assert_detected_or_harmless(FIRST_FIT, call, front, at, value)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_an_overwritten_byte_is_detected_or_harmless_in_every_policy(kind: Kind) -> None:
    """Without headers, the nodes of free blocks are the heap's only bytes in the region."""
    kind = kind._replace(base=4096 if kind.base is None else kind.base)
    heap = kind.prepared().heap
    kept = [info.start - heap.base for info in heap.walk() if heap.headers or not info.live]
    for front, at, call in itertools.product(kept, (0, 3, 7, 8, 11, 12, 15), CALLS.values()):
        value = peek(heap, front + at, 1)[0] ^ (1 if at in (8, 12) else 0x80)
        assert_detected_or_harmless(kind, call, front, at, value)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_random_writes_to_the_region_never_crash_a_call(kind: Kind, seed: int) -> None:
    """Afterwards reset() restores a sound heap."""
    rng = random.Random(f"{kind} {seed}")
    prepared = kind.prepared()
    heap = prepared.heap
    for _ in range(rng.choice([1, 3, 30])):
        data = rng.choice([b"\xff" * 16, bytes(16), rng.randbytes(4), rng.randbytes(300)])
        place = rng.choice([*FRONTS, *range(0, heap.size, 8)])
        overwrite(heap, place, data[: heap.size - place])
    for call in rng.sample([*CALLS.values()], len(CALLS)):
        inspect(heap)
        outcome(call, prepared)
    inspect(heap)
    heap.check()
    heap.show(file=io.StringIO())
    heap.reset()
    assert_sound(heap)
    heap.free(heap.malloc(heap.largest_free()))
