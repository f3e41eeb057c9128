"""The cost of calls from Python: glassheap beside other ways to do the same, in one run.

    python tests/benchmarks/calls.py
    python tests/benchmarks/calls.py --wheel FILE --traces DIR --markdown docs/benchmarks.md

It needs the installed package, and for the hand-written peer CMake and a C++ compiler.  Peers that
this machine cannot have (no compiler, no cffi) are named with the reason; the rest is measured.

    a pair          malloc + free of one block of 64 bytes, against an extension type written by
                    hand over the same C++ library, libc through ctypes and cffi, bytearray(64),
                    and multiprocessing.heap
    many            malloc_many and free_many of a million blocks
    start           what `import glassheap` adds to the start of the interpreter
    memory          what a live block takes, and what the import does
    wheel           its size (--wheel FILE)
    traces          recorded programs, replayed (--traces DIR)

How it measures.  Contenders take turns: each is run once a round, in an order that moves on by one
place every round, so what slows the machine for a while slows all of them.  The figure is the
median of the rounds; a ratio is the median of the rounds' ratios.  Calls are timed in processor
time of this process, which leaves out what other programs do meanwhile; the start of the
interpreter and the replays are timed by the clock on the wall.  The loop around a statement is
measured as a contender of its own, and its time is taken off every other.  The garbage collector is
off, as `timeit` has it.

A bar is what the project wants of itself.  Every bar is printed with its figure and whether it is
reached, and none of them fails the run: this is a benchmark, and a timed test would fail on every
busy machine.  The exit status is 0 for a run that measured, whatever it measured.
"""

from __future__ import annotations

import importlib.util
import sys


def main() -> int:
    """Run the benchmark, if there is a glassheap to run it on; the exit status."""
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
