"""A guided tour of one page of memory: what malloc and free do to it, and what misuse does not.

    stage.py    makes a call and prints it, its result, and the heap as it then is
    steps.py    the story: a list of titles, remarks and calls
    program.py  the last part: a real program's allocations, recorded and shipped with the package

The calls are real, and so is what stands behind them; the map under each step is drawn from the
bytes as they are at that moment. Addresses count from the first byte of the page (`base=0`), so
that they can be followed on the map.
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
    """Play the tour on `file` (the standard output), `width` columns wide, and return 0.

    With `pause` it waits for Enter between the steps. Raises what writing to `file` raises, and
    FileNotFoundError if and only if this installation came without its recordings.
    """
    with Heap(PAGE, base=0) as heap:
        stage = Stage(heap, sys.stdout if file is None else file, width)
        for number, step in enumerate(STEPS, start=1):
            stage.announce(f"{number}. {step.title}", step.remark)
            step.act(stage)
            stage.look(legend=number == 1)
            if pause:
                stage.wait()
        for number, recording in enumerate(program.recordings(), start=len(STEPS) + 1):
            program.play(stage, number, recording)
    return 0
