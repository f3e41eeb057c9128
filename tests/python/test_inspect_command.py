"""`glassheap inspect`: a heap at one moment, which is not changed, and its leaks."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from command_helpers import assert_mistake, command
from glassheap import SharedHeap
from image_helpers import header_at, image, inspect, overwrite

if TYPE_CHECKING:
    from collections.abc import Iterator

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
def busy_process(name: str) -> Iterator[int]:
    """A process that is nearly always inside the heap; its process id."""
    with subprocess.Popen(
        [sys.executable, "-c", BUSY, name], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "inside\n"
            yield process.pid
        finally:
            process.kill()


def test_a_heap_is_shown_with_its_map_its_figures_and_the_owners_of_its_blocks() -> None:
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


def test_a_heap_that_is_never_at_rest_is_shown_too() -> None:
    with SharedHeap.create(size=1 << 22) as heap, busy_process(str(heap.name)) as pid:
        for _ in range(3):
            figures = inspect(heap.name, "--timeout", "2")
            owners = {owner["pid"]: owner for owner in figures["owners"]}
            assert len(owners[pid]["blocks"]) in (10, 11)
            assert owners[pid]["alive"]


def test_a_file_is_found_by_its_path_too(tmp_path: Path) -> None:
    path = tmp_path / "heap"
    image(path, policy="tlsf", headers=False)
    figures = inspect(path)
    assert (figures["policy"], figures["headers"]) == ("tlsf", False)
    assert (figures["stats"]["live_blocks"], figures["path"]) == (4, str(path))


def test_a_bad_image_is_not_shown_and_its_field_is_named(tmp_path: Path) -> None:
    path = tmp_path / "heap"
    first, *_ = image(path)
    overwrite(path, header_at(path, first) + 8, b"XXXX")
    assert_mistake(command("inspect", str(path)), "cannot be shown: magic: the header of a live")
    path.write_bytes(b"hello" * 50_000)
    assert_mistake(command("inspect", str(path)), "cannot be shown: magic: it does not begin")
