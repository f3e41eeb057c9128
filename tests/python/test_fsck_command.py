"""`glassheap fsck`: its verdicts, and the images that it rebuilds or leaves as they are."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from command_helpers import assert_mistake, command
from glassheap import SharedHeap
from image_helpers import (
    find_map,
    fsck,
    header_at,
    image,
    overwrite,
    record_death_in_first_free,
)

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = [
    {},
    {"headers": False},
    {"policy": "buddy"},
    {"policy": "tlsf", "checks": "debug"},
    {"policy": "sequential_fit", "order": "size-", "coalesce": False},
]


# --- Sound images ---------------------------------------------------------------------------------
@pytest.mark.parametrize("options", KINDS, ids=str)
def test_a_sound_image_is_clean_and_unchanged(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "heap"
    addresses = image(path, **options)
    before = path.read_bytes()
    status, verdict = fsck(path)
    assert (status, verdict["clean"], verdict["bad"]) == (0, True, "")
    assert (verdict["live_blocks"], verdict["size"]) == (len(addresses), 4096)
    assert verdict["policy"] == options.get("policy", "first_fit")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_verdict_is_printed_in_words(tmp_path: Path) -> None:
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


# --- Bad images -----------------------------------------------------------------------------------
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
def test_an_image_with_a_bad_front_cannot_be_mended_and_the_field_is_named(
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
    assert "nothing can be rebuilt from it\n" in command("fsck", str(path)).stdout


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
    assert f"rebuilt       with 3 blocks; the original is in {path}.bak\n" in done.stdout
    assert Path(f"{path}.bak").read_bytes() == before
    with closing(SharedHeap.attach(path=path)) as heap:
        assert list(heap) == [first, *others]
        assert heap.check() == []
        assert all(set(heap.view(address)) == {ord("x")} for address in heap)


def test_headers_restore_the_blocks_of_a_broken_map(tmp_path: Path) -> None:
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


def test_findings_are_printed_without_a_bad_field(tmp_path: Path) -> None:
    path = tmp_path / "heap"
    image(path, checks="debug")
    size = path.stat().st_size
    overwrite(path, size - 32, b"late")
    status, verdict = fsck(path)
    assert (status, verdict["bad"], verdict["clean"]) == (1, "", False)
    assert len(verdict["findings"]) == 1
    assert "finding       " in command("fsck", str(path)).stdout


def test_a_call_in_flight_is_reported_and_undone(tmp_path: Path) -> None:
    path = tmp_path / "heap"
    _, *others = image(path)
    record_death_in_first_free(path, 128)
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


# --- Refusals to write ----------------------------------------------------------------------------
def test_an_earlier_original_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "heap"
    first, *_ = image(path)
    overwrite(path, header_at(path, first), b"X")
    kept = Path(f"{path}.bak")
    kept.write_bytes(b"from last time")
    before = path.read_bytes()
    done = command("fsck", "--rebuild", str(path))
    assert_mistake(done, f"{kept} exists, and is not overwritten")
    assert (kept.read_bytes(), path.read_bytes()) == (b"from last time", before)


def test_a_heap_in_use_is_checked_and_not_rebuilt(tmp_path: Path) -> None:
    path = tmp_path / "heap"
    first, *_ = image(path)
    with closing(SharedHeap.attach(path=path)) as heap:
        overwrite(path, header_at(path, first), b"X")
        status, verdict = fsck(path)
        assert (status, verdict["bad"], verdict["users"]) == (1, "size", [os.getpid()])
        assert_mistake(command("fsck", "--rebuild", str(path)), f"process {os.getpid()}", "in use")
        assert len(heap) == 4
    assert list(tmp_path.iterdir()) == [path]
