"""`glassheap fsck` and `glassheap inspect`: the check of a heap's file, and a look at a heap."""

from __future__ import annotations

import os
import resource
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from command_helpers import assert_mistake, completed, printed, run
from glassheap import SharedHeap
from image_helpers import (
    fsck,
    header_at,
    image,
    inspect,
    map_at,
    overwrite,
    record_death_in_first_free,
    record_death_inside,
)
from process_helpers import NEEDS_SHARED_MEMORY, forked

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = NEEDS_SHARED_MEMORY


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a heap, in a folder of its own."""
    return tmp_path / "heap"


@pytest.mark.parametrize("name", ["fsck", "inspect"])
def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert_mistake(run(name, "none"), "cannot read none: No such file")
    assert_mistake(run(name, ""), "cannot read ")
    for file in (tmp_path, "/dev/null", tmp_path / "pipe"):
        assert_mistake(run(name, str(file)), f"{file}: it is not a regular file")
    assert_mistake(run(name, "x", "--timeout", "soon"), "'soon' is no time")


def test_a_death_inside_the_heap_causes_no_wait(path: Path) -> None:
    image(path)
    record_death_inside(path)
    assert inspect(path, "--timeout", "0.2")["stats"]["live_blocks"] == 4
    assert fsck(path, "--timeout", "0")[0] == 0


KINDS: list[dict[str, Any]] = [
    {},
    {"headers": False},
    {"policy": "buddy"},
    {"policy": "tlsf", "checks": "debug"},
    {"policy": "sequential_fit", "order": "size-", "coalesce": False},
]


@pytest.mark.parametrize("options", KINDS, ids=str)
@pytest.mark.parametrize("arguments", [[], ["--rebuild"]])
def test_a_sound_image_is_clean_and_unchanged(
    path: Path, options: dict[str, Any], arguments: list[str]
) -> None:
    addresses = image(path, **options)
    before = path.read_bytes()
    status, verdict = fsck(path, *arguments)
    assert (status, verdict["clean"], verdict["bad"]) == (0, True, "")
    assert (verdict["live_blocks"], verdict["size"]) == (len(addresses), 4096)
    assert verdict["policy"] == options.get("policy", "first_fit")
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_the_verdict_is_printed_in_words(path: Path) -> None:
    image(path)
    text = printed("fsck", str(path))
    assert "size          4,096 bytes\n" in text
    assert "layout        with headers" in text
    assert "blocks        4 live, 409 bytes\n" in text
    assert text.endswith("verdict       clean\n")


# --- fsck: bad images. ----------------------------------------------------------------------------

BAD_FRONTS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "the magic number": ("magic", lambda path: overwrite(path, 0, b"X")),
    "the version": ("version", lambda path: overwrite(path, 8, b"\x09")),
    "the machine": ("machine", lambda path: overwrite(path, 12, b"\x09")),
    "the policy": ("policy", lambda path: overwrite(path, 56, b"best_fit")),
    "the checksum": ("checksum", lambda path: overwrite(path, 40, b"\x09")),
    "cut": ("size", lambda path: os.truncate(path, 80_000)),
    "cut short": ("size", lambda path: os.truncate(path, 20)),
    "empty": ("size", lambda path: os.truncate(path, 0)),
    "a text": ("magic", lambda path: path.write_bytes(b"no heap at all, but long" * 50_000)),
    "zeros": ("magic", lambda path: path.write_bytes(bytes(500_000))),
}


@pytest.mark.parametrize(("field", "damage"), BAD_FRONTS.values(), ids=BAD_FRONTS)
def test_an_image_with_a_bad_front_cannot_be_mended_and_the_field_is_named(
    path: Path, field: str, damage: Callable[[Path], object]
) -> None:
    image(path)
    damage(path)
    before = path.read_bytes()
    for arguments in ([], ["--rebuild"]):
        status, verdict = fsck(path, "--timeout", "0.1", *arguments)
        assert (status, verdict["bad"], verdict["mendable"]) == (1, field, False)
        assert verdict["sentence"]
    assert path.read_bytes() == before
    assert "nothing can be rebuilt from it\n" in run("fsck", str(path), "--timeout", "0.1").stdout


def test_a_broken_header_costs_its_block_and_no_other(path: Path) -> None:
    first, second, *others = image(path)
    overwrite(path, header_at(path, second) + 8, b"XXXX")
    before = path.read_bytes()
    status, verdict = fsck(path)
    assert (status, verdict["bad"], verdict["lost"]) == (1, "magic", [second])
    assert path.read_bytes() == before
    text = printed("fsck", str(path), "--rebuild")
    assert f"lost          1 block, at {second:#x}\n" in text
    assert f"rebuilt       with 3 blocks; the original is in {path}.bak\n" in text
    assert Path(f"{path}.bak").read_bytes() == before
    with closing(SharedHeap.attach(path=path)) as heap:
        assert list(heap) == [first, *others]
        assert heap.check() == []
        assert all(set(heap.view(address)) == {ord("x")} for address in heap)


@pytest.mark.parametrize("headers", [True, False])
def test_headers_restore_the_blocks_of_a_broken_map(path: Path, headers: bool) -> None:
    """Without them it cannot be mended."""
    addresses = image(path, headers=headers)
    overwrite(path, map_at(path.read_bytes()), bytes(64))
    before = path.read_bytes()
    status, verdict = fsck(path)
    assert (status, verdict["bad"], verdict["mendable"]) == (1, "coverage", headers)
    status, verdict = fsck(path, "--rebuild")
    if not headers:
        assert (status, path.read_bytes()) == (1, before)
        return
    assert (status, verdict["lost"], verdict["live_blocks"]) == (0, [], 4)
    with closing(SharedHeap.attach(path=path)) as heap:
        assert (list(heap), heap.check()) == (addresses, [])


def test_findings_are_printed_without_a_bad_field(path: Path) -> None:
    image(path, checks="debug")
    overwrite(path, path.stat().st_size - 32, b"late")
    status, verdict = fsck(path)
    assert (status, verdict["bad"], verdict["clean"]) == (1, "", False)
    assert len(verdict["findings"]) == 1
    assert "finding       " in run("fsck", str(path)).stdout


def overflow(path: Path, address: int, headers: bool) -> None:
    """Write over the redzone of a block of 102 bytes, but not over its trailer."""
    overwrite(path, header_at(path, address) + 16 + (102 if headers else 103), b"over")


@pytest.mark.parametrize("policy", ["first_fit", "tlsf", "buddy"])
@pytest.mark.parametrize("headers", [True, False])
def test_a_rebuilt_debug_image_is_good(path: Path, policy: str, headers: bool) -> None:
    """Redzones and the fill of free memory are written anew; no block is lost."""
    addresses = image(path, policy=policy, headers=headers, checks="debug")
    with closing(SharedHeap.attach(path=path)) as heap:
        free = next(info.address for info in heap.walk() if not info.live) + 16
    overwrite(path, header_at(path, free) + 20, b"late")
    assert fsck(path)[1]["findings"]
    overflow(path, addresses[1], headers)
    assert fsck(path)[1]["bad"] == "redzone"
    status, verdict = fsck(path, "--rebuild")
    assert (status, verdict["clean"], verdict["lost"]) == (0, True, [])
    with closing(SharedHeap.attach(path=path)) as heap:
        assert (list(heap), heap.check()) == (sorted(addresses), [])
        for address in addresses:
            assert set(heap.view(address)[:100]) == {ord("x")}
            heap.free(address)
        assert heap.check() == []


def test_findings_alone_are_rebuilt_too(path: Path) -> None:
    addresses = image(path, checks="debug")
    overwrite(path, path.stat().st_size - 32, b"late")
    status, verdict = fsck(path, "--rebuild")
    assert (status, verdict["bad"], len(verdict["findings"])) == (0, "", 1)
    status, verdict = fsck(path)
    assert (status, verdict["findings"]) == (0, [])
    with closing(SharedHeap.attach(path=path)) as heap:
        assert (list(heap), heap.check()) == (addresses, [])


def test_a_broken_header_of_a_debug_image_costs_its_block_alone(path: Path) -> None:
    first, second, *others = image(path, checks="debug")
    overwrite(path, header_at(path, second) + 8, b"XXXX")
    status, verdict = fsck(path, "--rebuild")
    assert (status, verdict["lost"]) == (0, [second])
    with closing(SharedHeap.attach(path=path)) as heap:
        assert (list(heap), heap.check()) == ([first, *others], [])


def limit_files() -> None:
    """Of a program: no file that it writes may have more than 64 KB, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))


def test_without_room_for_the_original_nothing_is_written(path: Path) -> None:
    first, *_ = image(path)
    overwrite(path, header_at(path, first), b"X")
    before = path.read_bytes()
    arguments = (sys.executable, "-m", "glassheap", "fsck", "--rebuild", str(path))
    done = completed(*arguments, preexec_fn=limit_files)
    assert_mistake(done, f"cannot keep a copy of {path}")
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_call_in_flight_is_reported_and_undone(path: Path) -> None:
    _, *others = image(path)
    record_death_in_first_free(path, 128)
    before = path.read_bytes()
    status, verdict = fsck(path)
    assert (status, verdict["in_flight"], verdict["live_blocks"]) == (0, [0, 128], 3)
    assert path.read_bytes() == before
    assert "in flight     bytes 0 to 128 of the region" in run("fsck", str(path)).stdout
    status, verdict = fsck(path, "--rebuild")
    assert (status, verdict["rebuilt"]) == (0, f"{path}.bak")
    assert Path(f"{path}.bak").read_bytes() == before
    status, verdict = fsck(path)
    assert verdict["in_flight"] is None
    with closing(SharedHeap.attach(path=path)) as heap:
        assert list(heap) == others


def test_an_earlier_original_is_not_overwritten(path: Path) -> None:
    first, *_ = image(path)
    overwrite(path, header_at(path, first), b"X")
    kept = Path(f"{path}.bak")
    kept.write_bytes(b"from last time")
    before = path.read_bytes()
    done = run("fsck", "--rebuild", str(path))
    assert_mistake(done, f"{kept} exists, and is not overwritten")
    assert (kept.read_bytes(), path.read_bytes()) == (b"from last time", before)


def test_a_heap_in_use_is_checked_and_not_rebuilt(path: Path) -> None:
    first, *_ = image(path)
    with closing(SharedHeap.attach(path=path)) as heap:
        overwrite(path, header_at(path, first), b"X")
        status, verdict = fsck(path)
        assert (status, verdict["bad"], verdict["users"]) == (1, "size", [os.getpid()])
        assert_mistake(run("fsck", "--rebuild", str(path)), f"process {os.getpid()}", "in use")
        assert len(heap) == 4
    assert list(path.parent.iterdir()) == [path]


# --- inspect. -------------------------------------------------------------------------------------


def test_a_heap_is_shown_with_its_map_its_figures_and_the_owners_of_its_blocks() -> None:
    with SharedHeap.create(size=1 << 16) as heap:
        block = heap.alloc(1000).share()
        heap.malloc(24)
        text = printed("inspect", str(heap.name), "--width", "80")
        assert text.startswith("first_fit, 65,536 bytes")
        assert "live blocks             2\n" in text
        assert f"process {os.getpid()} (alive): 2 live, 1,024 bytes\n" in text
        assert f"  {block.address:#x}: 1,000 bytes, held 1 time\n" in text
        assert "LEAK" not in text


def leak(heap: SharedHeap) -> None:
    heap.malloc(500)
    held = heap.alloc(300).share()
    assert held.live
    os._exit(0)


def test_leaks_are_marked_and_nothing_is_changed() -> None:
    with SharedHeap.create(size=1 << 16) as heap:
        heap.malloc(24)
        with forked(leak, heap) as child:
            os.waitpid(child, 0)
        segment = Path("/dev/shm", str(heap.name))
        before = segment.read_bytes()
        owners = {owner["alive"]: owner for owner in inspect(heap.name)["owners"]}
        assert [block["leak"] for block in owners[True]["blocks"]] == [False]
        leaked = [(one["size"], one["holders"], one["leak"]) for one in owners[False]["blocks"]]
        assert leaked == [(500, 0, True), (300, 1, False)]
        assert owners[False]["leaked"] == 1
        assert " 1 LEAKED\n" in run("inspect", str(heap.name)).stdout
        assert segment.read_bytes() == before


def work_for_ever(heap: SharedHeap) -> None:
    heap.malloc_many([64] * 10)
    while True:
        heap.free(heap.malloc(100))


def test_a_heap_that_is_never_at_rest_is_shown_too() -> None:
    with SharedHeap.create(size=1 << 22) as heap, forked(work_for_ever, heap) as pid:
        while len(heap) < 10:
            pass
        for _ in range(3):
            figures = inspect(heap.name, "--timeout", "2")
            owners = {owner["pid"]: owner for owner in figures["owners"]}
            assert len(owners[pid]["blocks"]) in (10, 11)
            assert owners[pid]["alive"]


def test_a_file_is_found_by_its_path_too(path: Path) -> None:
    image(path, policy="tlsf", headers=False)
    figures = inspect(path)
    assert (figures["policy"], figures["headers"]) == ("tlsf", False)
    assert (figures["stats"]["live_blocks"], figures["path"]) == (4, str(path))


def test_a_bad_image_is_not_shown_and_its_field_is_named(path: Path) -> None:
    first, *_ = image(path)
    overwrite(path, header_at(path, first) + 8, b"XXXX")
    assert_mistake(run("inspect", str(path)), "cannot be shown: magic: the header of a live")
    path.write_bytes(b"hello" * 50_000)
    done = run("inspect", str(path), "--timeout", "0.1")
    assert_mistake(done, "cannot be shown: magic: it does not begin")
