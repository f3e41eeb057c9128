"""`glassheap ostep`, the recorded runs of the OSTEP homework program, and the text of a run.

The text is formatted here from the figures alone, by code independent of the package's formatter.
"""

from __future__ import annotations

import gzip
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from command_helpers import printed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CASES = Path(__file__).parent / "data" / "ostep_cases.jsonl.gz"

DEFAULTS: dict[str, object] = {
    "seed": 0, "size": 100, "baseAddr": 1000, "headerSize": 0, "alignment": -1, "policy": "BEST",
    "listOrder": "ADDRSORT", "coalesce": False, "numOps": 10, "range": 10, "percentAlloc": 50,
    "allocList": "",
}  # fmt: skip
LETTERS = dict(zip("sSbHaplCnrPA", DEFAULTS, strict=True))
"""The options by their short names; they are printed in this order."""

Record = dict[str, Any]


def read() -> list[Record]:
    """The 18 runs."""
    with gzip.open(CASES, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


RECORDS = read()
each_record = pytest.mark.parametrize("record", RECORDS, ids=lambda record: record["case"])


def ostep(line: str) -> str:
    """The output of `glassheap ostep` with these arguments, a run that must succeed."""
    return printed("ostep", *shlex.split(line))


def options_of(record: Record) -> dict[str, Any]:
    """The value of every option of a run by its long name, in the printed order."""
    values = dict(DEFAULTS)
    words = iter(record["argv"])
    for word in words:
        name = LETTERS[word.removeprefix("-")]
        values[name] = True if name == "coalesce" else next(words)
    return values


def text(options: Mapping[str, object], operations: Iterable[Record], *, compute: bool) -> str:
    """The program's output, with -c if `compute` and otherwise without."""
    head = [f"{name} {value}" for name, value in options.items()]
    steps = [_step(op, compute, bool(options["allocList"])) for op in operations]
    return "\n".join([*head, f"compute {compute}", "", *steps, ""])


def _step(op: Record, compute: bool, listed: bool) -> str:
    if op["op"] == "skipped":
        return "Invalid Free: Skipping"
    if op["op"] == "alloc":
        returned = f"{op['printed']} (searched {op['searched']} elements)" if compute else "?"
        call = f"ptr[{op['id']}] = Alloc({op['size']}) returned {returned}"
    else:
        call = f"Free(ptr[{op['id']}])\nreturned {op['rc'] if compute else '?'}"
    elements = "".join(f"[ addr:{addr} sz:{sz} ]" for addr, sz in op["free"])
    question = "List?" if listed else "List? "
    answer = f"Free List [ Size {len(op['free'])} ]: {elements}"
    return f"{call}\n{answer if compute else question}\n"
