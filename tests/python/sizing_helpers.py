"""Traces for the tests of `fit`, `why` and `diff`."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st

from glassheap import policies
from glassheap.replay import Setup
from trace_helpers import read_text

NAMES = [policy.name for policy in policies()]
LAYOUTS = [Setup(), Setup(headers=False), Setup(headers=False, granule=64)]
each_policy = pytest.mark.parametrize("policy", NAMES)
each_layout = pytest.mark.parametrize("layout", LAYOUTS, ids=lambda one: one.layout_name)

IDS, SIZES = st.integers(0, 5), st.integers(0, 200)
LINES = st.lists(
    st.one_of(
        st.builds("f {}\n".format, IDS),
        st.builds("{} {} {}\n".format, st.sampled_from("aaar"), IDS, SIZES),
    ),
    max_size=30,
)
TRACES = LINES.map(lambda lines: read_text("a 99 8\n" + "".join(lines)))
"""Traces that are small enough for a linear search."""

FRAGMENTED = """= Start
@ prompt + 0x1000 0x4000
@ session + 0x5000 0x800
@ step + 0x5800 0x400
@ weights + 0x6000 0x5400
@ prompt - 0x1000
@ step - 0x5800
@ late step + 0x1000 0x400
@ next prompt + 0x9000 0x4000
= End
"""
"""The second story of docs/owners.md, as mtrace would record it."""
