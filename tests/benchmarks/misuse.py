"""Commits the same misuse on each allocator, with cpp/misuse.cpp, and names the outcomes.

Each fault is committed several times on each allocator, in a process of its own and with a time
limit. mimalloc and jemalloc are preloaded, as installed and with no option set.
"""

from __future__ import annotations

import re
import signal
import subprocess
from typing import TYPE_CHECKING

from machine import PRELOADED, output, preloads

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 20

FAULTS = {
    "double free": "m0=100 f0 f0",
    "double free, another block freed in between": "m0=100 m1=100 f0 f1 f0",
    "double free of a block that was merged with its neighbours": (
        "m0=2000 m1=2000 m2=2000 o3=100 f1 f0 f2 f1"
    ),
    "double free after the address was handed out again": "m0=100 f0 o1=100 f0",
    "free of an address inside a block": "o0=100 f0+32",
    "free of an odd address": "o0=100 f0+1",
    "free of a variable's address": "v0 f0",
    "free of a header forged in a block": "m0=100 o1=2000 h1+64 h1+176 f1+80",
    "realloc of a freed block": "m0=100 f0 r0=400",
    "realloc of an address inside a block": "o0=100 r0+32=400",
    "one byte too many, within the rounding": "m0=100 w0+100=1 f0",
    "overflow into the block behind": "m0=100 o1=100 w0+100=44 f1 f0",
    "underflow of 16 bytes": "m0=100 w0-16=16 f0",
    "write to the first 16 bytes of a freed block": "m0=100 m1=100 f1 f0 w0=16",
    "write to the 16 bytes in front of a freed block": "m0=100 m1=100 f1 f0 w0-16=16",
    "write to the middle of a freed block": "m0=100 f0 w0+48=16",
    "writing on and on behind a block": "o0=100 w0=0",
    "malloc of -1 bytes": "m0=-1",
    "calloc whose product wraps": f"c0={2**60 + 1}",
    "an alignment that is no power of two": "a0=24",
}
"""The words of each fault: see cpp/misuse.cpp."""

AT_ONCE = {"misuse": "", "later": ", at a later call"}
ENDS = {
    "refused": "refuses",
    "shared": "**not noticed: one block, two owners**",
    "lost": "**not noticed: bytes lost**",
    "done": "not noticed",
}


def measure(programs: Path, quick: bool) -> dict[str, dict[str, str]]:
    """The outcome of every fault on every allocator; all of them, if the runs differ."""
    peers = {name: ("malloc", PRELOADED[name]) for name in preloads() if name != "tcmalloc"}
    contenders = {"system malloc": ("malloc", ""), **peers, "glassheap": ("glassheap", "")}
    contenders['glassheap, `checks="debug"`'] = ("debug", "")
    return {
        fault: {
            name: " or ".join(
                sorted({outcome(programs, *it, words) for _ in range(1 if quick else 5)})
            )
            for name, it in contenders.items()
        }
        for fault, words in FAULTS.items()
    }


def outcome(programs: Path, kind: str, library: str, words: str) -> str:
    """The outcome of one run, from the last line of its output and its exit status."""
    command = [str(programs / "glassheap-misuse"), kind, *words.split()]
    try:
        done = output(*command, timeout=SECONDS, LD_PRELOAD=library)
    except subprocess.TimeoutExpired:
        return "**never ends**"
    last = (done.stdout.splitlines() or ["misuse"])[-1]
    when = AT_ONCE.get(last, "")
    if done.returncode == -signal.SIGABRT:
        lines = re.sub(r"0x[0-9a-f]+", "...", done.stderr).strip().splitlines()
        return f"aborts{when}: {lines[-1] if lines else 'without a word'}"
    if done.returncode < 0:
        return f"crashes{when} ({signal.Signals(-done.returncode).name})"
    verb, _, name = last.partition(" ")
    if verb == "raises":
        return f"`{name}`{AT_ONCE['later'] if 'later' in done.stdout else ''}"
    return f"`check()` finds `{name}`" if verb == "finds" else ENDS[last]
