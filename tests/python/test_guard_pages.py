"""An access outside the region stops the program at that instruction."""

from __future__ import annotations

import signal

import pytest

from command_helpers import python

STRAY = """
import ctypes, resource
import glassheap
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
heap = glassheap.Heap({size})
ctypes.memset(heap.address, 1, heap.size)
print("inside", flush=True)
ctypes.{access}
print("outside", flush=True)
"""
END, BEFORE = "heap.address + heap.size", "heap.address - 1"


@pytest.mark.parametrize("access", ["memset({}, 1, 1)", "string_at({}, 1)"], ids=["write", "read"])
@pytest.mark.parametrize(
    ("size", "place"),
    [(16, END), (1000, END), (4096, END), (4096, BEFORE), (65536, END), (65536, BEFORE)],
)
def test_guard_pages_enclose_the_region(size: int, place: str, access: str) -> None:
    """The faulting access changes no other data of the process."""
    done = python("-c", STRAY.format(size=size, access=access.format(place)))
    assert done.stdout == "inside\n"
    assert done.returncode == -signal.SIGSEGV
