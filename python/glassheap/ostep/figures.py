"""The options and the answers of the homework as figures, for --json."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glassheap.ostep.options import PRINTED
from glassheap.ostep.playing import Allocation, Skipped

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from glassheap.ostep.playing import Step
    from glassheap.ostep.printing import Text


def as_dict(values: Mapping[str, object], steps: Iterable[Step], text: Text) -> dict[str, object]:
    """All figures; the names and numbers are those of the printed text."""
    options = {name: values[name] for name in PRINTED} | {"allocList": str(values["allocList"])}
    return {"options": options, "steps": [step_as_dict(step, text) for step in steps]}


def step_as_dict(step: Step, text: Text) -> dict[str, object]:
    """One step, with the free list after it; a skipped free has none."""
    if isinstance(step, Skipped):
        return {"operation": "skipped", "number": step.number}
    after = [{"addr": chunk.addr, "sz": chunk.sz} for chunk in step.after]
    figures: dict[str, object] = {"number": step.number, "returned": text.returned(step)}
    if isinstance(step, Allocation):
        more = {"size": step.size, "searched": step.searched}
        return {"operation": "Alloc", **figures, **more, "free_list": after}
    return {"operation": "Free", **figures, "free_list": after}
