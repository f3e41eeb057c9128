"""`glassheap fsck` and `glassheap inspect`: what they say, and that they do not touch it."""

from __future__ import annotations

import json
import mmap
import os
import struct
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from glassheap import SharedHeap, _core
from test_cli import assert_mistake, command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KINDS = [
    {},
    {"headers": False},
    {"policy": "buddy"},
    {"policy": "tlsf", "checks": "debug"},
    {"policy": "sequential_fit", "order": "size-", "coalesce": False},
]


def image(path: Path, **options: Any) -> list[int]:
    """A heap of a page in a file, which nobody has; the addresses of its four live blocks."""
    with closing(SharedHeap.create(path=path, size=4096, **options)) as heap:
        addresses = [heap.malloc(100 + i) for i in range(5)]
        heap.free(addresses.pop(1))
        for address in addresses:
            heap.view(address)[:] = b"x" * len(heap.view(address))
    return addresses


def fsck(path: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = command("fsck", str(path), "--json", *arguments)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def header_at(path: Path, address: int) -> int:
    """Where in the file a block's header is."""
    region = path.stat().st_size - 4096
    return region + address - 16


def overwrite(path: Path, at: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


# --- fsck -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("options", KINDS, ids=str)
def test_a_sound_image_is_clean_and_not_touched(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "heap"
    addresses = image(path, **options)
    before = path.read_bytes()
    status, verdict = fsck(path)
    assert (status, verdict["clean"], verdict["bad"]) == (0, True, "")
    assert (verdict["live_blocks"], verdict["size"]) == (len(addresses), 4096)
    assert verdict["policy"] == options.get("policy", "first_fit")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_verdict_is_told_in_words(tmp_path: Path) -> None:
    path = tmp_path / "heap"
    image(path)
    done = command("fsck", str(path))
    assert (done.returncode, done.stderr) == (0, "")
    assert "size          4,096 bytes\n" in done.stdout
    assert "layout        with headers" in done.stdout
    assert "blocks        4 live, 409 bytes\n" in done.stdout
    assert done.stdout.endswith("verdict       clean\n")


def test_rebuilding_a_sound_image_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "heap"
    image(path)
    before = path.read_bytes()
    assert fsck(path, "--rebuild")[0] == 0
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("damage", "field"),
    [
        (lambda path: overwrite(path, 0, b"X"), "magic"),
        (lambda path: overwrite(path, 8, b"\x09"), "version"),
        (lambda path: overwrite(path, 12, b"\x09"), "machine"),
        (lambda path: overwrite(path, 56, b"best_fit"), "policy"),
        (lambda path: overwrite(path, 40, b"\x09"), "checksum"),
        (lambda path: os.truncate(path, 80_000), "size"),
        (lambda path: os.truncate(path, 20), "size"),
        (lambda path: os.truncate(path, 0), "size"),
        (lambda path: path.write_bytes(b"no heap at all, but long" * 50_000), "magic"),
        (lambda path: path.write_bytes(bytes(500_000)), "magic"),
    ],
)
def test_an_image_that_does_not_begin_as_one_is_bad_by_the_name_of_its_field(
    tmp_path: Path, damage: Callable[[Path], object], field: str
) -> None:
    path = tmp_path / "heap"
    image(path)
    damage(path)
    before = path.read_bytes()
    for arguments in ([], ["--rebuild"]):
        status, verdict = fsck(path, *arguments)
        assert (status, verdict["bad"], verdict["mendable"]) == (1, field, False)
        assert verdict["sentence"]
    assert path.read_bytes() == before
    assert "nothing can be rebuilt of it\n" in command("fsck", str(path)).stdout


def test_a_broken_header_costs_its_block_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "heap"
    first, second, *others = image(path)
    overwrite(path, header_at(path, second) + 8, b"XXXX")
    before = path.read_bytes()
    status, verdict = fsck(path)
    assert (status, verdict["bad"], verdict["lost"]) == (1, "magic", [second])
    assert path.read_bytes() == before
    done = command("fsck", str(path), "--rebuild")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"lost          1 block, at {second:#x}\n" in done.stdout
    assert f"rebuilt       with 3 blocks; as it was it is in {path}.bak\n" in done.stdout
    assert Path(f"{path}.bak").read_bytes() == before
    with closing(SharedHeap.attach(path=path)) as heap:
        assert list(heap) == [first, *others]
        assert heap.check() == []
        assert all(set(heap.view(address)) == {ord("x")} for address in heap)


def test_headers_bring_back_the_blocks_of_a_broken_map(tmp_path: Path) -> None:
    path = tmp_path / "heap"
    addresses = image(path)
    overwrite(path, find_map(path.read_bytes(), addresses), bytes(8))
    status, verdict = fsck(path)
    assert (status, verdict["bad"]) == (1, "coverage")
    status, verdict = fsck(path, "--rebuild")
    assert (status, verdict["lost"], verdict["live_blocks"]) == (0, [], 4)
    with closing(SharedHeap.attach(path=path)) as heap:
        assert (list(heap), heap.check()) == (addresses, [])


def test_without_headers_a_broken_map_cannot_be_mended(tmp_path: Path) -> None:
    path = tmp_path / "heap"
    addresses = image(path, headers=False)
    overwrite(path, find_map(path.read_bytes(), addresses), bytes(8))
    before = path.read_bytes()
    status, verdict = fsck(path, "--rebuild")
    assert (status, verdict["bad"], verdict["mendable"]) == (1, "coverage", False)
    assert path.read_bytes() == before


def find_map(content: bytes, addresses: list[int]) -> int:
    """Where the word of the block map is that has these blocks, a freed one and the top."""
    starts = [(address - 16) // 16 for address in addresses]
    live = sum(1 << start for start in starts)
    for at in range(0, len(content) - 4096, 8):
        word = int.from_bytes(content[at : at + 8], "little")
        if word & live == live and word.bit_count() == len(starts) + 2:
            return at
    raise AssertionError("no word of the image looks like the map")


def die_while_freeing_the_first(path: Path, extent: int) -> None:
    """What the image holds of a process that was killed in free: the record of what was in flight.

    Where that record is, the image alone knows: it is looked for.
    """
    record = struct.pack("=6Q", 1, 0, extent, 0, 0, 640)
    for at in range(0, 4096, 64):
        content = bytearray(path.read_bytes())
        content[at : at + len(record)] = record
        with mmap.mmap(-1, len(content)) as copy:
            copy[:] = content
            try:
                found = _core._read_image(copy)[1]
            except OSError:
                continue  # it was what every image begins with
        if found == (0, extent, 0):
            path.write_bytes(content)
            return
    raise AssertionError("no place of the image looks like the record")


def test_what_was_in_flight_is_told_and_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "heap"
    _, *others = image(path)
    die_while_freeing_the_first(path, 128)
    before = path.read_bytes()
    status, verdict = fsck(path)
    assert (status, verdict["in_flight"], verdict["live_blocks"]) == (0, [0, 128], 3)
    assert path.read_bytes() == before
    assert "in flight     bytes 0 to 128 of the region" in command("fsck", str(path)).stdout
    status, verdict = fsck(path, "--rebuild")
    assert (status, verdict["rebuilt"]) == (0, f"{path}.bak")
    assert Path(f"{path}.bak").read_bytes() == before
    status, verdict = fsck(path)
    assert (verdict["in_flight"], verdict["recovered"]) == (None, 1)
    with closing(SharedHeap.attach(path=path)) as heap:
        assert list(heap) == others


def test_a_copy_that_was_kept_before_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "heap"
    first, *_ = image(path)
    overwrite(path, header_at(path, first), b"X")
    kept = Path(f"{path}.bak")
    kept.write_bytes(b"from last time")
    before = path.read_bytes()
    done = command("fsck", "--rebuild", str(path))
    assert_mistake(done, f"{kept} is there already, and is not written over")
    assert (kept.read_bytes(), path.read_bytes()) == (b"from last time", before)


def test_a_heap_that_is_in_use_is_checked_and_not_rebuilt(tmp_path: Path) -> None:
    path = tmp_path / "heap"
    first, *_ = image(path)
    with closing(SharedHeap.attach(path=path)) as heap:
        overwrite(path, header_at(path, first), b"X")
        status, verdict = fsck(path)
        assert (status, verdict["bad"], verdict["users"]) == (1, "size", [os.getpid()])
        assert_mistake(command("fsck", "--rebuild", str(path)), f"process {os.getpid()}", "in use")
        assert len(heap) == 4
    assert list(tmp_path.iterdir()) == [path]


def test_findings_are_told_without_a_bad_field(tmp_path: Path) -> None:
    path = tmp_path / "heap"
    image(path, checks="debug")
    size = path.stat().st_size
    overwrite(path, size - 32, b"late")
    status, verdict = fsck(path)
    assert (status, verdict["bad"], verdict["clean"]) == (1, "", False)
    assert len(verdict["findings"]) == 1
    assert "finding       " in command("fsck", str(path)).stdout


# --- inspect --------------------------------------------------------------------------------------
BUSY = """
import sys
from glassheap import SharedHeap
heap = SharedHeap.attach(sys.argv[1])
kept = [heap.malloc(64) for _ in range(10)]
print("inside", flush=True)
while True:
    heap.free(heap.malloc(100))
"""
LEAKING = """
import os, sys
from glassheap import SharedHeap
heap = SharedHeap.attach(sys.argv[1])
heap.malloc(500)
held = heap.alloc(300).share()
os._exit(0)
"""


@contextmanager
def at_work(name: str) -> Iterator[int]:
    """A process that is nearly always inside the heap."""
    with subprocess.Popen(
        [sys.executable, "-c", BUSY, name], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "inside\n"
            yield process.pid
        finally:
            process.kill()


def inspect(name: object, *arguments: str) -> dict[str, Any]:
    done = command("inspect", str(name), "--json", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def test_a_heap_is_shown_with_its_map_its_figures_and_whose_the_blocks_are() -> None:
    with SharedHeap.create(size=1 << 16) as heap:
        block = heap.alloc(1000).share()
        heap.malloc(24)
        done = command("inspect", str(heap.name), "--width", "80")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("first_fit, 65,536 bytes")
        assert "live blocks             2\n" in done.stdout
        assert f"process {os.getpid()} (alive): 2 live, 1,024 bytes\n" in done.stdout
        assert f"  {block.address:#x}: 1,000 bytes, held 1 times\n" in done.stdout
        assert "LEAK" not in done.stdout
        block.free()


def test_leaks_are_marked_and_nothing_is_changed() -> None:
    with SharedHeap.create(size=1 << 16) as heap:
        heap.malloc(24)
        subprocess.run([sys.executable, "-c", LEAKING, str(heap.name)], check=True, timeout=60)
        segment = Path("/dev/shm", str(heap.name))
        before = segment.read_bytes()
        owners = {owner["alive"]: owner for owner in inspect(heap.name)["owners"]}
        assert [block["leak"] for block in owners[True]["blocks"]] == [False]
        leaked = [(block["size"], block["holders"]) for block in owners[False]["blocks"]]
        assert leaked == [(500, 0), (300, 1)]
        assert [block["leak"] for block in owners[False]["blocks"]] == [True, False]
        assert owners[False]["leaked"] == 1
        assert " 1 LEAKED\n" in command("inspect", str(heap.name)).stdout
        assert segment.read_bytes() == before


def test_a_heap_that_is_never_at_rest_is_shown_all_the_same() -> None:
    with SharedHeap.create(size=1 << 22) as heap, at_work(str(heap.name)) as pid:
        for _ in range(3):
            figures = inspect(heap.name, "--timeout", "2")
            owners = {owner["pid"]: owner for owner in figures["owners"]}
            assert len(owners[pid]["blocks"]) in (10, 11)
            assert owners[pid]["alive"]


def test_a_process_that_was_killed_inside_is_no_reason_to_wait(tmp_path: Path) -> None:
    """The number that is odd while somebody is inside stays odd then."""
    path = tmp_path / "heap"
    image(path)
    front = path.read_bytes()[:4096]
    for at in range(0, 4096, 8):
        odd = bytearray(front)
        odd[at] |= 1
        if _core._image_generation(bytes(odd)) != _core._image_generation(front):
            overwrite(path, at, bytes(odd[at : at + 1]))
    assert inspect(path, "--timeout", "0.2")["stats"]["live_blocks"] == 4
    assert fsck(path, "--timeout", "0")[0] == 0


def test_a_file_is_found_by_its_path_too(tmp_path: Path) -> None:
    path = tmp_path / "heap"
    image(path, policy="tlsf", headers=False)
    figures = inspect(path)
    assert (figures["policy"], figures["headers"]) == ("tlsf", False)
    assert (figures["stats"]["live_blocks"], figures["path"]) == (4, str(path))


# --- Mistakes -------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["fsck", "inspect"])
def test_what_cannot_be_looked_at_is_one_sentence(tmp_path: Path, name: str) -> None:
    assert_mistake(command(name), "required: ")
    assert_mistake(command(name, "none"), "cannot read none: No such file")
    assert_mistake(command(name, ""), "cannot read ")
    assert_mistake(command(name, str(tmp_path)), f"{tmp_path}: it is no regular file")
    assert_mistake(command(name, "/dev/null"), "/dev/null: it is no regular file")
    assert_mistake(command(name, "x", "--timeout", "soon"), "'soon' is no time")
    os.mkfifo(tmp_path / "pipe")
    assert_mistake(command(name, str(tmp_path / "pipe")), "it is no regular file")


def test_what_is_no_heap_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "heap"
    first, *_ = image(path)
    overwrite(path, header_at(path, first) + 8, b"XXXX")
    assert_mistake(command("inspect", str(path)), "cannot be shown: magic: the header of a live")
    path.write_bytes(b"hello" * 50_000)
    assert_mistake(command("inspect", str(path)), "cannot be shown: magic: it does not begin")
