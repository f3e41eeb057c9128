"""Images of heaps that were cut short, edited or overwritten: refused by name, or made whole.

For any bytes, attach ends soon. It either raises an AttachError, most often a BadImage that names a
field, or returns a heap that is sound and usable. Each batch of images runs in a process of its
own, so a crash fails one test, and the test names the image.
"""

from __future__ import annotations

import mmap
import os
import pickle
import random
import signal
import struct
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import pytest

import glassheap
from glassheap import SharedHeap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

LAYOUTS = [(policy.name, headers) for policy in glassheap.policies() for headers in (True, False)]
every_layout = pytest.mark.parametrize(("policy", "headers"), LAYOUTS)

FIXED = 136
"""Bytes at the front that are fixed when the heap is made, and covered by a checksum."""
FIELDS = {"magic", "version", "machine", "policy", "options", "checksum", "size", "layout"}


class Image(NamedTuple):
    """The bytes of a heap, the offset of its region in them, and its blocks."""

    data: bytes
    region_at: int
    blocks: list[glassheap.BlockInfo]


@cache
def made(policy: str, headers: bool, size: int = 8000) -> Image:
    """An image with holes between live blocks, each block filled with its number."""
    with mmap.mmap(-1, 1 << 17) as memory:
        heap = SharedHeap.create(buffer=memory, policy=policy, headers=headers)
        heap.malloc(heap.largest_free() - size)
        blocks = heap.malloc_many([0, 16, 100, 200, 1, 48, 300, 100, 100, 64, 700, 16])
        for number, address in enumerate(blocks):
            heap.view(address)[:] = bytes([number]) * len(heap.view(address))
        heap.free_many([blocks[i] for i in (1, 3, 6, 7, 9)])
        at = heap.address - address_of(memory)
        image = Image(bytes(memory), at, heap.walk())
        heap.close()
        return image


def address_of(memory: mmap.mmap) -> int:
    import ctypes

    first = ctypes.c_char.from_buffer(memory)
    return ctypes.addressof(first)


# --- Attaching to an image. -----------------------------------------------------------------------


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
    ours, theirs = os.pipe()
    done = mmap.mmap(-1, 8)
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        try:
            answer: object = [counted(image, done) for image in images]
        except BaseException as error:  # noqa: BLE001  every error is reported to the parent
            answer = repr(error)
        with open(theirs, "wb") as pipe:
            pickle.dump(answer, pipe)
        os._exit(0)
    os.close(theirs)
    with open(ours, "rb") as pipe:
        sent = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    number = int.from_bytes(done[:8], "little")
    assert status == 0, f"The child ended with {status} at image {number}."
    answer = pickle.loads(sent)
    assert isinstance(answer, list), f"{answer} at image {number}"
    return answer


def counted(image: bytes, done: mmap.mmap) -> str:
    """The outcome; counts the image in memory that the parent shares."""
    found = outcome(image)
    done[:8] = (int.from_bytes(done[:8], "little") + 1).to_bytes(8, "little")
    return found


def with_bytes(image: bytes, at: int, data: bytes) -> bytes:
    return image[:at] + data + image[at + len(data) :]


# --- Whole images. --------------------------------------------------------------------------------


@every_layout
def test_a_whole_image_gives_the_same_heap(policy: str, headers: bool) -> None:
    image = made(policy, headers)
    assert outcomes([image.data]) == ["sound"]
    with mmap.mmap(-1, len(image.data)) as memory:
        memory[:] = image.data
        heap = SharedHeap._attach_copy(memory)
        live = [info for info in image.blocks if info.live]
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
        image = bytearray(first.read_bytes())
        arrays_at = struct.unpack_from("=Q", image, 24)[0]
        copy.write_bytes(image)
        with SharedHeap.attach(path=copy) as other:
            assert [*other] == [address]
            other.free(address)
        assert address in heap
        image[arrays_at : arrays_at + 64] = b"\xff" * 64
        copy.write_bytes(image)
        with pytest.raises(glassheap.BadImage):
            SharedHeap.attach(path=copy)


# --- Cut short. -----------------------------------------------------------------------------------


def lengths(whole: int) -> list[int]:
    """Lengths to cut an image to: all of the first page, then some."""
    return [*range(4097), *range(4097, whole, 997), whole - 1]


def test_a_buffer_that_was_cut_short_is_refused() -> None:
    image = made("first_fit", True).data
    cut = lengths(len(image))
    found = outcomes(image[:length] for length in cut[1:])
    assert set(found) == {"size"}


def test_a_file_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "heap"
    image = made("first_fit", True).data
    path.write_bytes(image)
    for length in reversed(lengths(len(image))):
        os.truncate(path, length)
        error: type[glassheap.AttachError] = glassheap.BadImage
        if length == 0:
            error = glassheap.AttachTimeout  # its creator may have just opened the file
        with pytest.raises(error) as caught:
            SharedHeap.attach(path=path, timeout=0)
        assert length == 0 or vars(caught.value)["field"] == "size"


# --- The fixed part, byte by byte. ----------------------------------------------------------------


@every_layout
def test_a_change_to_any_byte_of_the_fixed_part_is_refused(policy: str, headers: bool) -> None:
    image = made(policy, headers).data
    found = outcomes(
        with_bytes(image, at, bytes([other]))
        for at in range(FIXED)
        for other in (image[at] ^ 0xFF, image[at] ^ 1)
    )
    assert set(found) <= FIELDS
    assert found[:16] == ["magic"] * 16
    assert found[16:24] == ["version"] * 8
    assert found[24:32] == ["machine"] * 8


# --- The region. ----------------------------------------------------------------------------------


def nodes(image: Image) -> list[int]:
    """The offsets of the free blocks' nodes in the image."""
    return [image.region_at + info.start for info in image.blocks if not info.live]


def linked(image: Image, size: int, links: Callable[[int, int], tuple[int, int]]) -> bytes:
    """The image with this size in every node, and links computed from its number and the count."""
    data, places = image.data, nodes(image)
    for number, at in enumerate(places):
        data = with_bytes(data, at, struct.pack("=QII", size, *links(number, len(places))))
    return data


def with_wild_links(image: Image) -> Iterator[bytes]:
    """Images whose free blocks are linked to themselves, in circles, or out of the region."""
    starts = [(at - image.region_at) // 16 for at in nodes(image)]
    for size in (0, 16, 2**64 - 16, 2**63):
        yield linked(image, size, lambda number, _: (starts[number], starts[number]))
        yield linked(image, size, lambda number, count: (starts[(number + 1) % count],) * 2)
        yield linked(image, size, lambda number, _: (starts[number - 1], starts[0]))
        for offset in (0, 1, 2**31, 2**32 - 2, 2**32 - 1):
            yield linked(image, size, lambda *_, offset=offset: (offset, offset))


@every_layout
def test_circular_and_wild_links_of_free_blocks_are_rebuilt(policy: str, headers: bool) -> None:
    """Nothing in free memory is trusted."""
    assert set(outcomes(with_wild_links(made(policy, headers)))) == {"sound"}


# --- Damage anywhere. -----------------------------------------------------------------------------


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
    small = draw.choice([0, 1, 2, 16, 255, 256, 4096, 2**31, 2**32, 2**63, 2**64 - 1])
    kind = draw.randrange(6)
    if kind == 0:
        data[at + draw.randrange(8)] ^= 1 << draw.randrange(8)
    elif kind == 1:
        data[at : at + 8] = draw.randbytes(8)
    elif kind == 2:
        data[at : at + 8] = small.to_bytes(8, "little")
    elif kind == 3:
        length = min(draw.choice([64, 512, 4096]), len(data) - at)
        data[at : at + length] = draw.randbytes(length)
    elif kind == 4:
        length = min(draw.choice([64, 512, 4096]), len(data) - at)
        data[at : at + length] = bytes([draw.choice([0, 255])]) * length
    else:
        other = draw.randrange(len(data) - 64)
        data[at : at + 64] = data[other : other + len(data[at : at + 64])]


@every_layout
def test_a_randomly_overwritten_image_is_refused_or_sound(policy: str, headers: bool) -> None:
    image = made(policy, headers)
    draw = random.Random(f"{policy} {headers}")
    found = outcomes(damaged(image, draw) for _ in range(700))
    assert {"sound"} < set(found)


@every_layout
def test_any_word_behind_the_fixed_part_may_be_damaged(policy: str, headers: bool) -> None:
    """The words that change in use: flags, the lock, the intent record, the heap's state."""
    image = made(policy, headers)
    outcomes(
        with_bytes(image.data, at, word.to_bytes(8, "little"))
        for at in range(FIXED, 1200, 8)
        for word in (1, 2**64 - 1, 16, 4096)
    )


@every_layout
def test_any_bit_of_the_block_map_may_be_damaged(policy: str, headers: bool) -> None:
    """The bits behind the last granule and around both ends of the map are damaged too."""
    image = made(policy, headers)
    arrays_at = struct.unpack_from("=Q", image.data, 24)[0]
    outcomes(
        with_bytes(image.data, at, bytes([image.data[at] ^ flip]))
        for at in range(arrays_at, arrays_at + 1500, 2)
        for flip in (1, 0xFF)
    )
