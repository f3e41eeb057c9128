"""The image for notebooks is to scale, well formed, free of scripts, and bounded in size."""

from __future__ import annotations

import itertools
import re
import runpy
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

import glassheap
from rendering_helpers import (
    BIG,
    SVG,
    churn,
    each_kind,
    each_seed,
    letters,
    notebook_svg,
    rectangles,
    total_width,
)
from source_tree import SOURCE_TREE

if TYPE_CHECKING:
    from fault_fixture import Configuration

pytestmark = pytest.mark.any_interpreter

KINDS = {"h": "header", "p": "payload", "r": "rounding", "n": "node", "f": "free", "u": "unused"}
"""The classes of the rectangles for each letter."""


def row_bytes(size: int) -> int:
    """Bytes of a row: a power of two, at least 1,024, so that eight rows are enough."""
    return next(row for row in (1024 << n for n in range(60)) if row * 8 >= size)


def rows(rects: list[ET.Element]) -> list[list[tuple[float, float]]]:
    """The first and last place of each rectangle, by rows; all stand on the line of their row."""
    found: dict[float, list[tuple[float, float]]] = {}
    for rect in rects:
        x, y, width, height = (float(rect.get(n, "")) for n in ("x", "y", "width", "height"))
        found.setdefault(round(y + height, 3), []).append((x, x + width))
    return list(found.values())


@each_kind
@pytest.mark.parametrize("size", [48, 4096, 16384, BIG, BIG + 4000])
def test_the_rectangles_of_an_image_are_to_scale(kind: Configuration, size: int) -> None:
    """They leave no gaps. In a large region small blocks are drawn together."""
    with kind.heap(size) as heap:
        churn(heap, 1, rounds=600, mean=max(size // 500, 90))
        text = notebook_svg(heap)
        rects, seen = rectangles(text), letters(heap)
        unit = 1024 / row_bytes(size)
        assert total_width(rects) == pytest.approx(size * unit)
        assert len(rows(rects)) == -(-size // row_bytes(size))
        for row in rows(rects):
            for (_, end), (start, _) in itertools.pairwise(row):
                assert start == pytest.approx(end, abs=0.001)
        for letter in "hprnfu" if size < BIG else "u":
            width = total_width(rects, KINDS[letter], f"next {KINDS[letter]}")
            assert width == pytest.approx(seen.count(letter) * unit), letter
        words = "".join(ET.fromstring(text).itertext())
        assert ("unused" in words) == ("u" in seen)
        assert (", no headers," in words) == (not heap.headers)
        assert ("serial" in words) == (heap.headers and len(heap) > 0)


@each_seed
def test_the_titles_of_a_large_image_account_for_every_live_byte(seed: int) -> None:
    """Blocks drawn alone and blocks drawn together add up to the live blocks of the walk."""
    with glassheap.Heap(BIG) as heap:
        churn(heap, seed, rounds=900, mean=3000)
        text = notebook_svg(heap)
        alone = re.findall(r"<title>live: .*?, ([\d,]+) taken", text)
        together = re.findall(r"<title>[\d,]+ blocks .*?: ([\d,]+) of", text)
        live = sum(int(size.replace(",", "")) for size in alone + together)
        assert alone
        assert together
        assert live == sum(info.extent for info in heap.walk() if info.live)


def test_an_image_has_titles_and_a_label_and_no_active_content() -> None:
    with glassheap.Heap(base=0) as heap:
        heap.malloc_many([100, 200])
        text = notebook_svg(heap)
        root = ET.fromstring(text)
        assert not re.search(r"<script|<style|\son\w+=|href|url\(|\sid=", text)
        titles = [title.text for title in root.iter(f"{SVG}title")]
        assert titles[1] == "live: 200 bytes at 0x0090, 224 taken from 0x0080, serial 2"
        assert "300 requested" in (root.get("aria-label") or "")
        assert "300 requested" in "".join(root.itertext())


def test_the_image_of_a_heap_full_of_small_blocks_is_bounded() -> None:
    """The worst case: every second block is free, so no free blocks can merge."""
    size = 8 << 20
    with glassheap.Heap(size) as heap:
        heap.free_many(heap.malloc_many([16] * (size // 32))[::2])
        text = notebook_svg(heap)
        rects = rectangles(text)
        assert len(text) < 500_000
        assert total_width(rects) == pytest.approx(8 * 1024)
        assert len(rects) > 1000, "the image is still detailed"


def test_adjacent_blocks_of_a_large_image_differ_if_headers_are_too_narrow_to_draw() -> None:
    with glassheap.Heap(BIG) as heap:
        heap.malloc_many([BIG // 16 - 16] * 16)
        classes = [rect.get("class") for rect in rectangles(notebook_svg(heap))]
        assert classes == ["payload", "next payload"] * 8


def test_a_wide_block_among_small_ones_is_drawn_alone() -> None:
    with glassheap.Heap(BIG) as heap:
        heap.malloc_many([16] * 1000 + [100_000] + [16] * 1000)
        titles = re.findall("<title>(.*?)</title>", notebook_svg(heap))
        assert sum(title.startswith("live: 100,000 bytes") for title in titles) == 1


def test_the_picture_in_the_readme_is_up_to_date() -> None:
    """If this fails, the drawing has changed: run `python docs/make_picture.py` and check it."""
    docs = SOURCE_TREE / "docs"
    script = runpy.run_path(str(docs / "make_picture.py"))
    assert (docs / "map.svg").read_text(encoding="utf-8") == script["picture"]()
