"""The recorded runs of the OSTEP homework program, and the text that each of them printed.

The text is formatted here from the record alone, by code independent of the package's formatter.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glassheap.model import Fit, Order

CASES = Path(__file__).parent / "data" / "ostep_cases.jsonl.gz"

DEFAULTS: dict[str, object] = {
    "seed": 0, "size": 100, "baseAddr": 1000, "headerSize": 0, "alignment": -1, "policy": "BEST",
    "listOrder": "ADDRSORT", "coalesce": False, "numOps": 10, "range": 10, "percentAlloc": 50,
    "allocList": "",
}  # fmt: skip
LETTERS = dict(
    zip("sSbHaplCnrPA", DEFAULTS, strict=True)
)  # the options' short names are in the order in which the program prints them

FIT_NAMES: dict[object, Fit] = {"FIRST": "first", "BEST": "best", "WORST": "worst"}
ORDER_NAMES: dict[object, Order] = {
    "ADDRSORT": "address",
    "SIZESORT+": "size+",
    "SIZESORT-": "size-",
    "INSERT-FRONT": "front",
    "INSERT-BACK": "back",
}

Record = dict[str, Any]


def read() -> list[Record]:
    """The 18 runs."""
    with gzip.open(CASES, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def options(record: Record) -> dict[str, object]:
    """The value of every option of a run by its long name, in the printed order."""
    values = dict(DEFAULTS)
    words = iter(record["argv"])
    for word in words:
        name = LETTERS[word.removeprefix("-")]
        values[name] = True if name == "coalesce" else next(words)
    return values


def answers(record: Record) -> str:
    """The program's output with -c."""
    return _text(record, compute=True)


def questions(record: Record) -> str:
    """The program's output without -c."""
    return _text(record, compute=False)


def _text(record: Record, *, compute: bool) -> str:
    head = [f"{name} {value}" for name, value in options(record).items()]
    steps = [_step(op, compute, "-A" in record["argv"]) for op in record["ops"]]
    return "\n".join([*head, f"compute {compute}", "", *steps, ""])


def _step(op: Record, compute: bool, listed: bool) -> str:
    if op["op"] == "alloc":
        returned = f"{op['printed']} (searched {op['searched']} elements)" if compute else "?"
        call = f"ptr[{op['id']}] = Alloc({op['size']}) returned {returned}"
    else:
        call = f"Free(ptr[{op['id']}])\nreturned {op['rc'] if compute else '?'}"
    elements = "".join(f"[ addr:{addr} sz:{sz} ]" for addr, sz in op["free"])
    question = "List?" if listed else "List? "
    answer = f"Free List [ Size {len(op['free'])} ]: {elements}"
    return f"{call}\n{answer if compute else question}\n"
