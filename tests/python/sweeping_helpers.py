"""Traces and rows for the tests of sweeps, and traces that kill the worker that takes them."""

from __future__ import annotations

import io
import random
from dataclasses import replace
from typing import TYPE_CHECKING

from glassheap import policies
from glassheap.replay import replay
from glassheap.traces import Trace, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from glassheap.sweeping import Row

NAMES = [policy.name for policy in policies()]


def script(operations: int, seed: int = 1) -> str:
    """A script of mallocs and frees, of which most of the blocks are freed."""
    choice = random.Random(seed)
    live: list[int] = []
    lines = []
    for number in range(operations):
        if live and choice.random() < 0.49:
            lines.append(f"f {live.pop(choice.randrange(len(live)))}")
        else:
            live.append(number)
            lines.append(f"a {number} {choice.randrange(1, 2000)}")
    return "\n".join(lines) + "\n"


def trace(operations: int = 400, seed: int = 1, name: str = "small") -> Trace:
    """The same as a trace."""
    return read(io.BytesIO(script(operations, seed).encode()), name)


class Deadly(str):
    """A name that is evaluated as code where it is unpickled: in a worker."""

    __slots__ = ("code",)
    code: str

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return eval, (self.code,)


def deadly(code: str, operations: int = 400) -> Trace:
    """A trace that runs the code in the worker that takes a part of it; the value is its name."""
    name = Deadly("deadly")
    name.code = code
    return replace(trace(operations), name=name)


KILLS = "__import__('os').kill(__import__('os').getpid(), 9)"


def kills_once(mark: Path) -> Trace:
    """A trace that kills a worker if the file does not exist yet."""
    made = f"__import__('pathlib').Path({str(mark)!r})"
    return deadly(f"'deadly' if {made}.exists() else ({made}.touch(), {KILLS})")


def untimed(rows: Iterable[Row]) -> set[Row]:
    """The rows without their times, in no order."""
    return {row._replace(nanoseconds_per_operation=0.0) for row in rows}


def in_a_loop(
    traces: Iterable[Trace],
    sizes: Iterable[int | None],
    headers: bool = True,
    granules: Iterable[int | None] = (None,),
) -> Iterator[dict[str, object]]:
    """What a loop of `replay` finds, by the names of a row; without times and digests."""
    granules, sizes = [*granules], [*sizes]
    for one in traces:
        for policy in NAMES:
            for size in sizes:
                for granule in granules:
                    report = replay(one, size, policy=policy, headers=headers, granule=granule)
                    yield {**report.record(), "size": size, "granule": granule}


def comparable(figures: dict[str, object]) -> str:
    """The figures without what differs between two replays."""
    dropped = {"nanoseconds_per_operation", "libc_nanoseconds_per_operation"}
    dropped |= {"content", "format", "completed", "interrupted"}
    return repr(sorted((k, v) for k, v in figures.items() if k not in dropped))
