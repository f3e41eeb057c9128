"""Images of heaps that were cut short, edited or overwritten: refused by name, or made whole.

For any bytes, attach ends soon. It either raises an AttachError, most often a BadImage that names a
field, or returns a heap that is sound and usable. Each batch of images runs in a process of its
own, so a crash fails one test, and the test names the image.
"""

from __future__ import annotations

import mmap
import os
import random
import struct
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import pytest

import glassheap
from glassheap import SharedHeap
from image_helpers import map_at, with_bytes
from process_helpers import NEEDS_FORK, in_fork

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

pytestmark = [NEEDS_FORK, pytest.mark.any_interpreter]

LAYOUTS = [(policy.name, headers) for policy in glassheap.policies() for headers in (True, False)]
FIXED = 136
"""Bytes at the front that are fixed when the heap is made, and covered by a checksum."""
FIELDS = {"magic", "version", "machine", "policy", "options", "checksum", "size", "layout"}


class Image(NamedTuple):
    """The bytes of a heap, the offset of its region in them, and its blocks."""

    name: str
    data: bytes
    region_at: int
    blocks: list[glassheap.BlockInfo]


@cache
def made(policy: str, headers: bool) -> Image:
    """An image with holes between live blocks, each block filled with its number."""
    with mmap.mmap(-1, 1 << 18) as memory:
        heap = SharedHeap.create(buffer=memory, policy=policy, headers=headers)
        heap.malloc(heap.largest_free() - 8000)
        blocks = heap.malloc_many([0, 16, 100, 200, 1, 48, 300, 100, 100, 64, 700, 16])
        for number, address in enumerate(blocks):
            heap.view(address)[:] = bytes([number]) * len(heap.view(address))
        heap.free_many([blocks[i] for i in (1, 3, 6, 7, 9)])
        data = bytes(memory)
        with heap.region as region:
            start = data.index(region)
            data = data[: start + len(region)]  # the last bytes of the memory may be in no part
            image = Image(f"{policy} {headers}", data, start, heap.walk())
        heap.close()
        return image


@pytest.fixture(params=LAYOUTS, ids=lambda layout: f"{layout[0]}-{layout[1]}")
def any_image(request: pytest.FixtureRequest) -> Image:
    """An image of every policy, with and without headers."""
    return made(*request.param)


def outcome(image: bytes) -> str:
    """The field that the error names, or else the error; "sound" if the heap is usable."""
    with mmap.mmap(-1, max(len(image), 1)) as memory:
        memory[: len(image)] = image
        try:
            heap = SharedHeap._attach_copy(memory)
        except glassheap.BadImage as error:
            return error.field if error.field in str(error) else str(error)
        except glassheap.AttachError as error:
            return type(error).__name__
        try:
            assert_usable(heap)
        finally:
            heap.close()
    return "sound"


def assert_usable(heap: SharedHeap) -> None:
    """Assert that every block can be walked and freed, and the memory then allocated again."""
    assert heap.check() == []
    walk = heap.walk()
    end = heap.size - sum(info.extent for info in walk)
    assert end == (16 if not heap.headers else 0)
    if heap.free_list():
        heap.free(heap.malloc(0))
    for address in heap:
        heap.free(address)
    assert len(heap) == 0
    heap.malloc(heap.largest_free())
    assert heap.check() == []


def outcomes(images: Iterable[bytes]) -> list[str]:
    """The outcome of each image, in a child process: a crash or a hang ends the child alone."""
    number = mmap.mmap(-1, 4)  # shared with the child

    def examine() -> Iterator[str]:
        for count, image in enumerate(images):
            number[:4] = count.to_bytes(4, "little")
            yield outcome(image)

    try:
        return in_fork(lambda: [*examine()])
    except AssertionError as error:
        raise AssertionError(f"{error} Image {int.from_bytes(number[:4], 'little')}.") from None


def test_a_whole_image_gives_the_same_heap(any_image: Image) -> None:
    assert outcomes([any_image.data]) == ["sound"]
    with mmap.mmap(-1, len(any_image.data)) as memory:
        memory[:] = any_image.data
        heap = SharedHeap._attach_copy(memory)
        live = [info for info in any_image.blocks if info.live]
        assert [info for info in heap.walk() if info.live] == live
        for info in live[2:]:
            with heap.view(info.address) as view:
                assert len(set(view)) <= 1, "A block's bytes have changed."
        heap.close()


def test_a_refused_buffer_is_released() -> None:
    with mmap.mmap(-1, 1 << 18) as memory:
        memory[:8] = b"no heap."
        for _ in range(3):
            with pytest.raises(glassheap.BadImage) as caught:
                SharedHeap.attach(buffer=memory)
            assert caught.value.field == "magic"
            del caught
        memory.resize(1 << 12)  # BufferError if the buffer were still exported


def test_a_copied_file_is_checked_although_the_original_has_a_living_user(tmp_path: Path) -> None:
    """A user of the original does not use the copy, and does not hold its lock."""
    first, copy = tmp_path / "first", tmp_path / "copy"
    with SharedHeap.create(size=1 << 14, path=first) as heap:
        address = heap.malloc(100)
        image = first.read_bytes()
        copy.write_bytes(image)
        with SharedHeap.attach(path=copy) as other:
            assert [*other] == [address]
            other.free(address)
        assert address in heap
        copy.write_bytes(with_bytes(image, map_at(image), b"\xff" * 64))
        with pytest.raises(glassheap.BadImage):
            SharedHeap.attach(path=copy)


FIRST = made("first_fit", True).data
LENGTHS = [*range(4097), *range(4097, len(FIRST), 997), len(FIRST) - 1]
"""Lengths to cut an image to: all of the first page, then some."""


def test_a_buffer_that_was_cut_short_is_refused() -> None:
    assert set(outcomes(FIRST[:length] for length in LENGTHS[1:])) == {"size"}


def test_a_file_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "heap"
    path.write_bytes(FIRST)
    for length in LENGTHS[::-1]:
        os.truncate(path, length)
        with pytest.raises(glassheap.BadImage) as caught:
            SharedHeap.attach(path=path, timeout=0)
        assert caught.value.field == "size"


def test_a_change_to_any_byte_of_the_fixed_part_is_refused(any_image: Image) -> None:
    image = any_image.data
    found = outcomes(
        with_bytes(image, at, bytes([image[at] ^ flip])) for at in range(FIXED) for flip in (255, 1)
    )
    assert set(found) <= FIELDS
    assert found[:32] == ["magic"] * 16 + ["version"] * 8 + ["machine"] * 8


def with_wild_links(image: Image) -> Iterator[bytes]:
    """Images whose free blocks are linked to themselves, in circles, or out of the region."""
    starts = [info.start // 16 for info in image.blocks if not info.live]
    links = [
        [(start, start) for start in starts],
        [(start, start) for start in starts[1:] + starts[:1]],
        [(start, starts[0]) for start in starts[-1:] + starts[:-1]],
        *([(far, far)] * len(starts) for far in (0, 1, 2**31, 2**32 - 2, 2**32 - 1)),
    ]
    for size, pairs in product((0, 16, 2**64 - 16, 2**63), links):
        data = image.data
        for start, pair in zip(starts, pairs, strict=True):
            node = struct.pack("=QII", size, *pair)
            data = with_bytes(data, image.region_at + start * 16, node)
        yield data


def test_circular_and_wild_links_of_free_blocks_are_rebuilt(any_image: Image) -> None:
    """Nothing in free memory is trusted."""
    assert set(outcomes(with_wild_links(any_image))) == {"sound"}


def damaged(image: Image, draw: random.Random) -> bytes:
    """The image with some of its bytes overwritten, preferably bytes that are not zero."""
    data = bytearray(image.data)
    for _ in range(draw.choice([1, 1, 1, 2, 5])):
        at = draw.randrange(len(data) // 8) * 8
        for _ in range(draw.choice([0, 0, 50])):
            if any(data[at : at + 8]):
                break
            at = draw.randrange(len(data) // 8) * 8
        damage(data, at, draw)
    return bytes(data)


def damage(data: bytearray, at: int, draw: random.Random) -> None:
    """Flip a bit, or overwrite a word or a range: random, small, uniform or copied bytes."""
    word = int.from_bytes(data[at : at + 8], "little")
    small = draw.choice([0, 1, 2, 16, 255, 256, 4096, 2**31, 2**32, 2**63, 2**64 - 1])
    length = min(draw.choice([64, 512, 4096]), len(data) - at)
    other = draw.randrange(len(data) - 64)
    kinds = [
        lambda: (word ^ 1 << draw.randrange(64)).to_bytes(8, "little"),
        lambda: draw.randbytes(8),
        lambda: small.to_bytes(8, "little"),
        lambda: draw.randbytes(length),
        lambda: bytes([draw.choice([0, 255])]) * length,
        lambda: bytes(data[other : other + min(64, length)]),
    ]
    new = draw.choice(kinds)()
    data[at : at + len(new)] = new


def test_a_randomly_overwritten_image_is_refused_or_sound(any_image: Image) -> None:
    draw = random.Random(any_image.name)
    assert {"sound"} < set(outcomes(damaged(any_image, draw) for _ in range(700)))


def test_any_word_behind_the_fixed_part_may_be_damaged(any_image: Image) -> None:
    """The words that change in use: flags, the lock, the intent record, the heap's state."""
    outcomes(
        with_bytes(any_image.data, at, word.to_bytes(8, "little"))
        for at in range(FIXED, 1200, 8)
        for word in (1, 2**64 - 1, 16, 4096)
    )


def test_any_bit_of_the_block_map_may_be_damaged(any_image: Image) -> None:
    """The bits behind the last granule and around both ends of the map are damaged too."""
    image = any_image.data
    outcomes(
        with_bytes(image, at, bytes([image[at] ^ flip]))
        for at in range(map_at(image), map_at(image) + 1500, 2)
        for flip in (1, 0xFF)
    )
