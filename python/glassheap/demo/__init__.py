"""A guided tour of one page of memory: the effects of malloc, free and misuse.

    stage.py    makes a call, and prints it with its result and the state of the heap
    steps.py    the steps: titles, remarks and calls
    program.py  the last part: a real program's allocations, recorded and shipped with the package

Calls and results are real, and the map below each step is drawn from the heap's bytes at that
moment. Addresses count from the first byte of the page (`base=0`), so they can be found on the map.
"""

from __future__ import annotations

import sys
from typing import TextIO

from glassheap import Heap
from glassheap.demo import program
from glassheap.demo.stage import Stage
from glassheap.demo.steps import STEPS

__all__ = ["run"]

PAGE = 4096


def run(*, file: TextIO | None = None, pause: bool = False, width: int | None = None) -> int:
    """Print the tour on `file` (the standard output), `width` columns wide, and return 0.

    With `pause` it waits for Enter between the steps. Raises the errors of writing to `file`, and
    FileNotFoundError if and only if this installation lacks the recordings.
    """
    with Heap(PAGE, base=0) as heap:
        stage = Stage(heap, sys.stdout if file is None else file, width)
        for number, step in enumerate(STEPS, start=1):
            stage.heading(f"{number}. {step.title}", step.remark)
            step.act(stage)
            stage.show_heap(legend=number == 1)
            if pause:
                stage.wait()
        for number, recording in enumerate(program.recordings(), start=len(STEPS) + 1):
            program.play(stage, number, recording)
    return 0
