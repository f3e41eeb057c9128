"""The command: plays the operations, and prints each step at once.

The homework program's lines are printed unchanged. A line added by --explain or --show begins with
two spaces. Both options print answers, and so imply `-c`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from glassheap import terminal
from glassheap.model import FreeList
from glassheap.ostep import drawing, explaining, figures, printing
from glassheap.ostep.operations import random_operations
from glassheap.ostep.options import LIST_ORDERS, POLICIES
from glassheap.ostep.playing import Player, Skipped
from glassheap.pictures import terminal_map

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from glassheap.ostep.playing import Step
    from glassheap.terminal import Line

DONE = 0


def run(chosen: argparse.Namespace, *, file: TextIO | None = None) -> int:
    """Play the operations, print them on `file` (the standard output), and return 0.

    Raises the errors of writing to `file`.
    """
    chosen.compute = chosen.compute or chosen.show or chosen.explain or chosen.json
    out = sys.stdout if file is None else file
    if chosen.json:
        print(as_json(chosen), file=out)
    elif out is not None:  # sys.stdout is None if the standard output is closed
        terminal.write(lines(chosen, out), out)
    return DONE


def as_json(chosen: argparse.Namespace) -> str:
    """The options and the answers as JSON."""
    import json

    played = steps(chosen, Player(free_list_for(chosen)))
    return json.dumps(figures.as_dict(vars(chosen), played, text_for(chosen)), indent=2)


def text_for(chosen: argparse.Namespace) -> printing.Text:
    """The format that the options describe."""
    return printing.Text(chosen.compute, bool(chosen.allocList.operations), chosen.headerSize)


def lines(chosen: argparse.Namespace, out: TextIO) -> Iterator[Line]:
    """All lines of the output; each step is executed when its lines are requested."""
    player = Player(free_list_for(chosen))
    text = text_for(chosen)
    legend = True
    yield from map(_plain, printing.options(vars(chosen)))
    for step in steps(chosen, player):
        yield from map(_plain, text.step(step))
        if chosen.explain:
            yield from map(_added, explaining.sentences(step, player.free_list, text))
        if isinstance(step, Skipped):
            continue
        if chosen.show:
            yield from picture(chosen, player, out, legend=legend)
            legend = False
        yield _plain("")


def free_list_for(chosen: argparse.Namespace) -> FreeList:
    """The free list that the options describe."""
    return FreeList(
        chosen.size,
        base=chosen.baseAddr,
        header=chosen.headerSize,
        align=chosen.alignment,
        fit=POLICIES[chosen.policy],
        order=LIST_ORDERS[chosen.listOrder],
        coalesce=chosen.coalesce,
    )


def steps(chosen: argparse.Namespace, player: Player) -> Iterator[Step]:
    """The steps of the listed operations, or else of random ones; each is executed on demand."""
    if chosen.allocList.operations:
        yield from map(player.play_listed, chosen.allocList.operations)
        return
    operations = random_operations(
        chosen.seed, chosen.numOps, chosen.range, chosen.percentAlloc, player.live
    )
    yield from map(player.play, operations)


def picture(
    chosen: argparse.Namespace, player: Player, out: TextIO, *, legend: bool
) -> Iterator[Line]:
    """The map of the region in its current state."""
    region = drawing.Region(chosen.baseAddr, chosen.size, chosen.headerSize, chosen.alignment)
    unicode = terminal.can_show(out, terminal_map.UNICODE.all())
    glyphs = terminal_map.UNICODE if unicode else terminal_map.ASCII
    return drawing.draw(player, region, terminal.columns(out), glyphs, legend=legend)


def _plain(text: str) -> Line:
    return [(text, "")]


def _added(text: str) -> Line:
    return [(f"  {text}", "dim")]
