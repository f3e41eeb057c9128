"""The common part of `glassheap fsck` and `glassheap inspect`: the file, and the copy of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from command_helpers import assert_mistake, command
from image_helpers import fsck, image, inspect, record_death_inside

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ["fsck", "inspect"])
def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path, name: str) -> None:
    assert_mistake(command(name), "required: ")
    assert_mistake(command(name, "none"), "cannot read none: No such file")
    assert_mistake(command(name, ""), "cannot read ")
    assert_mistake(command(name, str(tmp_path)), f"{tmp_path}: it is not a regular file")
    assert_mistake(command(name, "/dev/null"), "/dev/null: it is not a regular file")
    assert_mistake(command(name, "x", "--timeout", "soon"), "'soon' is no time")
    os.mkfifo(tmp_path / "pipe")
    assert_mistake(command(name, str(tmp_path / "pipe")), "it is not a regular file")


def test_a_death_inside_the_heap_causes_no_wait(tmp_path: Path) -> None:
    path = tmp_path / "heap"
    image(path)
    record_death_inside(path)
    assert inspect(path, "--timeout", "0.2")["stats"]["live_blocks"] == 4
    assert fsck(path, "--timeout", "0")[0] == 0
