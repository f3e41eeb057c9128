"""The arguments of `glassheap ostep`: those of the homework program, --show and --explain.

The names, the defaults and the syntax of numbers are that program's: 0x20 is hexadecimal, 0b101 is
binary, and a leading zero means octal. Arguments on which that program fails (an unknown policy, a
percentage of 0, a malformed list) are refused before anything is printed.
"""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from glassheap.ostep.operations import LARGEST, OperationList

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from glassheap.model import Fit, Order

POLICIES: dict[str, Fit] = {"BEST": "best", "WORST": "worst", "FIRST": "first"}

LIST_ORDERS: dict[str, Order] = {
    "ADDRSORT": "address",
    "SIZESORT+": "size+",
    "SIZESORT-": "size-",
    "INSERT-FRONT": "front",
    "INSERT-BACK": "back",
}

PRINTED = (
    "seed", "size", "baseAddr", "headerSize", "alignment", "policy", "listOrder", "coalesce",
    "numOps", "range", "percentAlloc", "allocList", "compute",
)  # fmt: skip
"""The options at the beginning of the output, in its order."""

TAKES_A_LIST = re.compile("-[cC]*A|--allocList")

RADIXES = {"0x": 16, "0X": 16, "0b": 2, "0B": 2}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `glassheap ostep`."""
    parser.description = (
        "Play the free-space homework of OSTEP (chapter 17): a free list, a policy, and operations "
        "given by -A or drawn at random. Prints the questions; with -c, the answers too."
    )
    _add_region(parser)
    _add_policy(parser)
    _add_operations(parser)
    _add_output(parser)


def joined(arguments: Sequence[str]) -> list[str]:
    """The arguments, with each `-A` joined to a list that begins with a free.

    The homework program accepts `-A -0,+10`, but argparse takes `-0,+10` for an option.
    """
    result: list[str] = []
    for argument in arguments:
        if result and TAKES_A_LIST.fullmatch(result[-1]) and re.match(r"-\s*[0-9]", argument):
            separator = "=" if result[-1].startswith("--") else ""
            result[-1] += separator + argument
        else:
            result.append(argument)
    return result


def _add_region(parser: argparse.ArgumentParser) -> None:
    add, number = parser.add_argument_group("the region").add_argument, number_from(0)
    add("-S", "--size", type=number, default=100, metavar="BYTES", help="its size (100)")
    add("-b", "--baseAddr", type=number, default=1000, metavar="N", help="first address (1000)")
    add("-H", "--headerSize", type=number, default=0, metavar="BYTES", help="a block's header (0)")
    add("-a", "--alignment", type=alignment, default=-1, metavar="BYTES",
        help="round sizes up to a multiple of this (-1: no rounding)")  # fmt: skip


def _add_policy(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("the policy").add_argument
    policies, orders = ", ".join(POLICIES), ", ".join(LIST_ORDERS)
    add("-p", "--policy", choices=POLICIES, default="BEST", metavar="FIT",
        help=f"how the list is searched: {policies} (BEST)")  # fmt: skip
    add("-l", "--listOrder", choices=LIST_ORDERS, default="ADDRSORT", metavar="ORDER",
        help=f"how the list is kept: {orders} (ADDRSORT)")  # fmt: skip
    add("-C", "--coalesce", action="store_true", help="merge neighbours at each free")


def _add_operations(parser: argparse.ArgumentParser) -> None:
    add, number = parser.add_argument_group("the operations").add_argument, number_from(0)
    add("-A", "--allocList", type=operation_list, default="", metavar="LIST",
        help="instead of random ones: +SIZE allocates, -K frees the allocation number K, "
        "counted from 0, as in +10,+10,-0")  # fmt: skip
    add("-s", "--seed", type=whole_number, default=0, metavar="N", help="random seed (0)")
    add("-n", "--numOps", type=number, default=10, metavar="N", help="number of them (10)")
    add("-r", "--range", type=number, default=10, metavar="BYTES", help="the largest size (10)")
    add("-P", "--percentAlloc", type=number_from(1), default=50, metavar="PERCENT",
        help="percentage of allocations (50)")  # fmt: skip


def _add_output(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("the output").add_argument
    add("-c", "--compute", action="store_true", help="print the answers")
    add("--show", action="store_true", help="the answers, and a map after each step")
    add("--explain", action="store_true", help="the answers, and for each step the reasons")
    add("--json", action="store_true", help="the answers as JSON, and nothing else")


def whole_number(text: str) -> int:
    """A whole number in the homework program's syntax, between -2^63 and 2^63, exclusive."""
    radix = RADIXES.get(text[:2], 8 if text.startswith("0") else 10)
    try:
        number = int(text, radix)
    except ValueError:
        raise _invalid(text, "expected a whole number") from None
    if abs(number) > LARGEST:
        raise _invalid(text, f"expected a whole number up to {LARGEST}")
    return number


def number_from(least: int) -> Callable[[str], int]:
    """A parser of whole numbers that are at least `least`."""

    def number(text: str) -> int:
        value = whole_number(text)
        if value < least:
            raise _invalid(text, f"expected {least} or more")
        return value

    return number


def alignment(text: str) -> int:
    """The alignment of sizes, or -1 for none."""
    value = whole_number(text)
    if value < 1 and value != -1:
        raise _invalid(text, "expected 1 or more, or -1 for no alignment")
    return value


def operation_list(text: str) -> OperationList:
    """The list of operations. Raises ArgumentTypeError if and only if it is malformed."""
    try:
        return OperationList.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _invalid(text: str, expected: str) -> argparse.ArgumentTypeError:
    shown = text if len(text) <= len(str(LARGEST)) else text[:17] + "..."
    return argparse.ArgumentTypeError(f"{shown!r} is invalid; {expected}")
