"""The cost of calls from Python: glassheap beside other ways to do the same, in one run.

    python tests/benchmarks/calls.py
    python tests/benchmarks/calls.py --wheel FILE --traces DIR --markdown docs/benchmarks.md

It needs the installed package, and CMake and a C++ compiler for the hand-written peer.  A peer that
is not available on this machine (no compiler, no cffi) is named with the reason; the rest is
measured.

    a pair          malloc + free of one block of 64 bytes, against an extension type written by
                    hand over the same C++ library, libc through ctypes and cffi, bytearray(64),
                    and multiprocessing.heap
    many            malloc_many and free_many of a million blocks
    start           the time that `import glassheap` adds to the start of the interpreter
    memory          the memory of a live block, and of the import
    wheel           the size of the wheel (--wheel FILE)
    traces          recorded programs, replayed (--traces DIR)

Method.  Contenders take turns: each runs once a round, in an order that moves on by one place every
round, so a temporary slowdown of the machine affects all of them.  A figure is the median of the
rounds; a ratio is the median of the rounds' ratios.  Calls are timed in processor time of this
process, which excludes other programs.  The start of the interpreter and the replays are timed by
the wall clock.  The empty loop around a statement is a contender of its own, and its time is
subtracted from the others.  The garbage collector is off, as in `timeit`.

A bar is a target that the project sets itself.  Every bar is printed with its figure and a verdict.
A missed bar does not fail the run: this is a benchmark, and a timed test would fail on every busy
machine.  The exit status is 0 if the run measured, whatever the figures.
"""

from __future__ import annotations

import importlib.util
import sys


def main() -> int:
    """Run the benchmark if glassheap is installed, and return the exit status."""
    if importlib.util.find_spec("glassheap") is None:
        print(
            f"calls.py: glassheap is not installed for {sys.executable}: run `pip install .` "
            "with it first.",
            file=sys.stderr,
        )
        return 1
    from measuring.command import command

    return command()


if __name__ == "__main__":
    sys.exit(main())
