"""Helpers for the tests of maps, images and dumps: heaps to draw, and the expected picture.

The expected picture is the walk as a string with one letter for every byte of the region. It shares
no code with the package.
"""

from __future__ import annotations

import io
import random
import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

import glassheap
from fault_fixture import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

SEEDS = range(12)
BIG = 1 << 20
SVG = "{http://www.w3.org/2000/svg}"

each_kind = pytest.mark.parametrize("kind", KINDS, ids=str)
each_seed = pytest.mark.parametrize("seed", SEEDS)


class Screen(io.StringIO):
    """A stream that reports to be a terminal."""

    def isatty(self) -> bool:
        return True


def churn(heap: glassheap.Heap, seed: int, rounds: int = 300, mean: int = 90) -> list[int]:
    """Allocate and free at random; returns the addresses that are still live."""
    rng = random.Random(seed)
    live: list[int] = []
    for _ in range(rounds):
        if live and rng.random() < 0.45:
            heap.free(live.pop(rng.randrange(len(live))))
            continue
        size = rng.choice((0, 1, 15, 16, 17, int(rng.expovariate(1 / mean))))
        try:
            live.append(heap.malloc(size))
        except glassheap.OutOfMemory:
            continue
    return live


def letters(heap: glassheap.Heap) -> str:
    """One letter for every byte of the region: header, payload, rounding, node, free, unused."""
    header = "h" * 16 if heap.headers else ""
    text = "u" * (heap.walk()[0].start - heap.base)
    for info in heap.walk():
        block = header + "p" * info.size if info.live else "n" * 16
        text += block.ljust(info.extent, "r" if info.live else "f")
    assert len(text) == heap.size
    return text


def lines_of(draw: Callable[..., None], *arguments: int, **options: int | None) -> list[str]:
    """The lines that a method of a heap prints."""
    out = io.StringIO()
    draw(*arguments, file=out, **options)
    return out.getvalue().splitlines()


def map_lines(heap: glassheap.Heap, width: int | None = None) -> list[str]:
    return lines_of(heap.show, width=width)


def dump_lines(heap: glassheap.Heap, address: int) -> list[str]:
    return lines_of(heap.hexdump, address)


def cells(lines: list[str]) -> str:
    """The cells of a map, all rows joined."""
    return "".join(line.split(maxsplit=1)[1] for line in lines if line.startswith("0x"))


def number(pattern: str, text: str) -> int:
    """The number matched by the pattern's only group."""
    found = re.search(pattern, text)
    assert found is not None, f"{pattern} is not in {text}"
    return int(found[1].replace(",", ""))


def notebook_svg(heap: glassheap.Heap) -> str:
    """The image for a notebook, as SVG."""
    return heap._repr_html_()


def rectangles(svg: str) -> list[ET.Element]:
    """The rectangles of an image that represent bytes, without those of the key."""
    found = ET.fromstring(svg).iter(f"{SVG}rect")
    return [rect for rect in found if rect.get("class") != "key"]


def total_width(rects: list[ET.Element], *kinds: str) -> float:
    """The sum of the widths of the rectangles of these kinds, or of all."""
    chosen = [rect for rect in rects if not kinds or rect.get("class") in kinds]
    return sum(float(rect.get("width", "")) for rect in chosen)
