"""The size of the wheel: what a user downloads."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from measuring.results import Bar, Section, number

if TYPE_CHECKING:
    from pathlib import Path

MOST = 600_000
"""Bytes."""

HEAVIEST = 4


def measure(wheel: Path | None) -> Section:
    """The file and its heaviest members; without one, a bar without a figure."""
    size = None if wheel is None else wheel.stat().st_size
    return Section(
        title="The wheel",
        notes=[] if wheel else ["Not measured: no wheel was given with --wheel FILE."],
        columns=["file", "bytes", "unpacked"],
        rows=[] if wheel is None else [total(wheel), *heaviest(wheel)],
        bars=[Bar("the wheel", "under", MOST, "bytes", size)],
    )


def total(wheel: Path) -> list[str]:
    """The row of the wheel itself."""
    with zipfile.ZipFile(wheel) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    return [wheel.name, number(wheel.stat().st_size), number(unpacked)]


def heaviest(wheel: Path) -> list[list[str]]:
    """A row for each of the heaviest files in it."""
    with zipfile.ZipFile(wheel) as archive:
        members = sorted(archive.infolist(), key=lambda member: -member.compress_size)
    return [
        [member.filename, number(member.compress_size), number(member.file_size)]
        for member in members[:HEAVIEST]
    ]
