"""Pickles of plain values: None, numbers, texts, bytes, lists, tuples and dictionaries.

A pickle is a program.  Python's own reader calls whatever function the pickle names, so a file from
somebody else can run anything.  Here only the instructions that build plain values are known.  Any
other one, such as GLOBAL, which names a class, is an error, and nothing has run.

`pickletools` reads the instructions.  It never takes more memory than the file has bytes.
"""

from __future__ import annotations

import io
import pickletools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

STOP = b"."
NOTHING = {"PROTO", "FRAME"}
"""The instructions without an effect."""
ARGUMENT = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("STRING", "SHORT_BINSTRING", "BINSTRING", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8"),
}
"""The instructions that push their argument."""
PUT = {"PUT", "BINPUT", "LONG_BINPUT"}
GET = {"GET", "BINGET", "LONG_BINGET"}
NAMING = {"GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "REDUCE", "BUILD"}
KEYS = {str, int, bool, float, bytes, type(None)}
"""The types of keys: the hash of nested tuples has no limit of depth."""


class PickleError(ValueError):
    """The pickle is broken, or is not plain; the message follows the words "a pickle that"."""


class Mark:
    """The begin of a list of arguments on the stack."""


MARK = Mark()


def load(data: bytes) -> Any:
    """The value of a pickle.  Raises `PickleError` if and only if it is broken or not plain.

    O(n) in time and memory.
    """
    try:
        return run(Machine(), io.BytesIO(data))
    except PickleError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, OverflowError):
        raise PickleError("is broken or cut off") from None


def run(machine: Machine, file: io.BytesIO) -> Any:
    """Do the instructions up to STOP, and return the value on the stack.

    KeyError is for an unknown instruction or the end of the file, ValueError for its argument.
    """
    while (code := file.read(1)) != STOP:
        action, argument = INSTRUCTIONS[code]
        action(machine, argument(file) if argument else None)
    return machine.last(1)[0]


class Machine:
    """The stack and the memory of the pickle's program."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def marked(self) -> list[Any]:
        """The values above the last mark; they and the mark are taken from the stack."""
        stack = self.stack
        start = len(stack) - 1
        while stack[start] is not MARK:
            start -= 1
            if start < 0:
                raise PickleError("has no mark")
        values = stack[start + 1 :]
        del stack[start:]
        return values

    def memoize(self) -> None:
        """Remember the top of the stack at the next place."""
        self.memo[len(self.memo)] = self.stack[-1]

    def extend(self, values: list[Any]) -> None:
        """Append values to the list at the top of the stack."""
        if not isinstance(self.stack[-1], list):
            raise PickleError("appends to a value that is no list")
        self.stack[-1].extend(values)

    def update(self, values: list[Any]) -> None:
        """Add keys and values in turn to the dictionary at the top of the stack."""
        keys = values[::2]
        if not isinstance(self.stack[-1], dict) or not KEYS.issuperset(map(type, keys)):
            raise PickleError("sets an item that no plain dictionary has")
        self.stack[-1].update(zip(keys, values[1::2], strict=True))

    def last(self, count: int) -> list[Any]:
        """The last `count` values, taken from the stack."""
        if MARK in self.stack[-count:] or len(self.stack) < count:
            raise PickleError("has too few values")
        values = self.stack[-count:]
        del self.stack[-count:]
        return values

    def dictionary(self) -> dict[Any, Any]:
        """A dictionary of the keys and values above the last mark."""
        values = self.marked()
        self.stack.append({})
        self.update(values)
        built: dict[Any, Any] = self.stack.pop()
        return built


PUSHED: dict[str, Callable[[Machine], Any]] = {
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "MARK": lambda _: MARK,
    "EMPTY_LIST": lambda _: [],
    "EMPTY_TUPLE": lambda _: (),
    "EMPTY_DICT": lambda _: {},
    "DUP": lambda machine: machine.stack[-1],
    "LIST": lambda machine: machine.marked(),
    "TUPLE": lambda machine: tuple(machine.marked()),
    "TUPLE1": lambda machine: tuple(machine.last(1)),
    "TUPLE2": lambda machine: tuple(machine.last(2)),
    "TUPLE3": lambda machine: tuple(machine.last(3)),
    "DICT": lambda machine: machine.dictionary(),
}
"""The instructions that push a value, which may be built of values from the stack."""
STEPS: dict[str, Callable[[Machine], object]] = {
    "POP": lambda machine: machine.stack.pop(),
    "POP_MARK": lambda machine: machine.marked(),
    "APPEND": lambda machine: machine.extend(machine.last(1)),
    "APPENDS": lambda machine: machine.extend(machine.marked()),
    "SETITEM": lambda machine: machine.update(machine.last(2)),
    "SETITEMS": lambda machine: machine.update(machine.marked()),
    "MEMOIZE": lambda machine: machine.memoize(),
}
"""The other instructions for plain values."""


def action_of(name: str) -> Callable[[Machine, Any], object]:
    """What an instruction does, with the machine and its argument."""
    if name in PUSHED:
        value = PUSHED[name]
        return lambda machine, _: machine.stack.append(value(machine))
    if name in STEPS:
        step = STEPS[name]
        return lambda machine, _: step(machine)
    if name in PUT:
        return lambda machine, place: machine.memo.update({place: machine.stack[-1]})
    if name in GET:
        return lambda machine, place: machine.stack.append(machine.memo[place])
    if name in ARGUMENT:
        return lambda machine, argument: machine.stack.append(argument)
    return (lambda *_: None) if name in NOTHING else refusal(name)


def refusal(name: str) -> Callable[[Machine, Any], object]:
    """Raises `PickleError`: the instruction is not for plain values."""

    def refuse(_machine: Machine, _argument: Any) -> object:
        if name in NAMING:
            raise PickleError(f"names a class or calls a function ({name})")
        raise PickleError(f"has an instruction that plain values do not need ({name})")

    return refuse


INSTRUCTIONS = {
    one.code.encode("latin-1"): (action_of(one.name), one.arg.reader if one.arg else None)
    for one in pickletools.opcodes
}
"""What each instruction does, by its byte, and the reader of its argument, if it has one."""
