"""docs/examples/kv_cache.py: two ways to make room, with the figures of docs/kv_cache.md."""

from __future__ import annotations

import re
import sys

import pytest

from command_helpers import output_of
from source_tree import SOURCE_TREE

pytestmark = pytest.mark.any_interpreter

PAGE = (SOURCE_TREE / "docs" / "kv_cache.md").read_text(encoding="utf-8")


def test_the_cheapest_way_evicts_three_times_fewer_bytes_and_the_page_has_the_figures() -> None:
    """The requests are drawn from a fixed seed, and the heap places them in one way."""
    printed = output_of(sys.executable, SOURCE_TREE / "docs" / "examples" / "kv_cache.py")
    assert f"$ python docs/examples/kv_cache.py\n{printed}```" in PAGE
    found = re.findall(r"^(\w+) +([\d,]+) MiB evicted, ([\d.]+)%", printed, re.M)
    evicted = {way: int(mib.replace(",", "")) for way, mib, _ in found}
    hits = {way: float(share) for way, _, share in found}
    assert evicted["least_recently_used"] >= 3 * evicted["cheapest"] > 0
    assert hits["cheapest"] > hits["least_recently_used"]
