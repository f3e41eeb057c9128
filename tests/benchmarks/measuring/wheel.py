"""The size of the wheel that a user downloads."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from measuring.results import Bar, Section, number

if TYPE_CHECKING:
    from pathlib import Path

MOST = 600_000
"""The bar, in bytes."""

FILES = 4
"""The number of files to list."""


def measure(wheel: Path | None) -> Section:
    """The sizes of the wheel and of its largest files; without a wheel, a bar without a figure."""
    size = None if wheel is None else wheel.stat().st_size
    return Section(
        title="The wheel",
        notes=[] if wheel else ["Not measured: no wheel was given with --wheel FILE."],
        columns=["file", "bytes", "unpacked"],
        rows=[] if wheel is None else [total(wheel), *largest(wheel)],
        bars=[Bar("the wheel", "under", MOST, "bytes", size)],
    )


def total(wheel: Path) -> list[str]:
    """The row of the wheel itself."""
    with zipfile.ZipFile(wheel) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    return [wheel.name, number(wheel.stat().st_size), number(unpacked)]


def largest(wheel: Path) -> list[list[str]]:
    """A row for each of the largest files in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        members = sorted(archive.infolist(), key=lambda member: -member.compress_size)
    return [
        [member.filename, number(member.compress_size), number(member.file_size)]
        for member in members[:FILES]
    ]
