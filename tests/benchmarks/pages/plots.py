"""The plots of docs/benchmarks-placement.md, as SVG: churn over N; utilisation over speed.

Each allocator is labelled in place, so there is no legend. glassheap's policies are in colour, the
yardsticks of the bars in the colour of the text, the others in grey. The same figures give the same
bytes. Like the pages, the plots are dark where the reader's system is dark.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isnan, log10
from statistics import geometric_mean, mean
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from .placement_bars import GROWTH, TRACE, UNIFORM

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tables import Results

WIDTH, HEIGHT = 900, 560
LEFT, RIGHT, TOP, BOTTOM = 64, 690, 56, 500
"""The edges of the plotted area; labels may stand to the right of it."""
LABEL = 15
"""The least distance of two labels, from base line to base line."""

COLOURS = {
    "first_fit": ("#0969da", "#58a6ff"),
    "next_fit": ("#0a7d8c", "#39c5cf"),
    "best_fit": ("#8250df", "#bc8cff"),
    "worst_fit": ("#bf3989", "#f778ba"),
    "segregated_fit": ("#cf222e", "#ff7b72"),
    "tlsf": ("#bc4c00", "#f0883e"),
    "buddy": ("#7d5e00", "#d29922"),
    "quick_fit": ("#1a7f37", "#3fb950"),
}
"""Of each policy, on a light page and on a dark one. Other heaps, and new policies, are grey."""

YARDSTICKS = ("dlmalloc", "conte tlsf")

Point = tuple[float, float]
Scale = Callable[[float], float]


def draw(it: Results) -> dict[str, str]:
    """The plots by file."""
    return {"benchmarks-churn.svg": churn(it), "benchmarks-utilisation.svg": utilisation(it)}


# --- Churn over N. --------------------------------------------------------------------------------


def churn(it: Results) -> str:
    """The plot of the time of a pair over the number of live blocks."""
    loads = [load for load in it.groups(UNIFORM) if not load.endswith(GROWTH)]
    lives = [int(load.rpartition(":")[2]) for load in loads]
    across = logarithmic(lives[0], lives[-1], LEFT, RIGHT)
    up = logarithmic(5, 2000, BOTTOM, TOP)
    rows = [row for row in it.rows(*loads) if "/" not in row]
    lines = {row: [it.figure(f"{load}/{row}") for load in loads] for row in rows}
    curves = {
        row: [(across(live), up(ns)) for live, ns in zip(lives, costs, strict=True) if ns > 0]
        for row, costs in lines.items()
    }
    curves = {row: clipped(points) for row, points in curves.items() if len(points) > 1}
    ends = [(row, *points[-1]) for row, points in curves.items()]
    walkers = [(row, x, y) for row, x, y in ends if x < RIGHT]
    return page(
        "Time of a pair over the number of live blocks",
        "free of a random block and malloc of 16 to 512 bytes: ns, both axes logarithmic",
        *ticks_across([(across(live), f"{live:,}") for live in lives], "live blocks"),
        *ticks_up([(up(ns), f"{ns:,}") for ns in (5, 10, 20, 50, 100, 200, 500, 1000, 2000)]),
        *(line(row, points) for row, points in curves.items()),
        *labels([end for end in ends if end not in walkers], RIGHT + 14),
        *(part for row, x, y in walkers for part in label(row, (x, y), (x + 12, y + 12))),
    )


def clipped(points: list[Point]) -> list[Point]:
    """The points up to where the line leaves the plotted area at the top."""
    for number, (x, y) in enumerate(points):
        if y < TOP:
            x0, y0 = points[number - 1] if number else (x, TOP)
            share = (y0 - TOP) / (y0 - y) if number else 0
            return [*points[:number], (x0 + (x - x0) * share, TOP)]
    return points


def line(row: str, points: Sequence[Point]) -> str:
    """The line of a heap, with a dot at each measured point."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' for x, y in points)
    return f'<g class="{css(row)}"><polyline points="{path}"/>{dots}</g>'


# --- Utilisation over speed. ----------------------------------------------------------------------


def utilisation(it: Results) -> str:
    """The plot of memory over time, both means of the traces."""
    traces = [load.removeprefix(TRACE) for load in it.groups(TRACE)]
    found = {row: position(it, row, traces) for row in it.rows(f"used:{traces[0]}")}
    found = {row: at for row, at in found.items() if not isnan(sum(at))}
    slowest = max(time for time, _ in found.values())
    across = logarithmic(5, max(200, slowest), LEFT, RIGHT)
    lowest = int(min(share for _, share in found.values()) * 5) * 20  # percent
    up = linear(lowest / 100, 1, BOTTOM, TOP)
    at = {row: (across(time), up(share)) for row, (time, share) in found.items()}
    pairs = [(row, at[row], at.get(f"{row}/headerless")) for row in at if "/" not in row]
    return page(
        "Utilisation over speed",
        "means of the traces; a dot: with headers; a ring: the same policy without",
        *ticks_across(
            [(across(ns), f"{ns}") for ns in (5, 10, 20, 50, 100, 200)],
            "ns an operation, logarithmic: faster is further left",
        ),
        *ticks_up([(up(share / 100), f"{share}%") for share in range(lowest, 101, 20)]),
        *(dot(row, here, ring) for row, here, ring in pairs),
        *beside([(row, *here) for row, here, _ in pairs], list(at.values())),
    )


def position(it: Results, row: str, traces: Sequence[str]) -> Point:
    """The time and the utilisation of a heap."""
    times = [it.figure(f"{TRACE}{trace}/{row}") for trace in traces]
    return geometric_mean(times), mean(it.figure(f"used:{trace}/{row}") for trace in traces)


def dot(row: str, here: Point, ring: Point | None) -> str:
    """The dot of a heap, and its ring."""
    drawn = f'<circle cx="{here[0]:.1f}" cy="{here[1]:.1f}" r="5"/>'
    if ring:
        ends = f'x1="{here[0]:.1f}" y1="{here[1]:.1f}" x2="{ring[0]:.1f}" y2="{ring[1]:.1f}"'
        circle = f'cx="{ring[0]:.1f}" cy="{ring[1]:.1f}" r="4"'
        drawn = f'<line class="stem" {ends}/>{drawn}<circle class="ring" {circle}/>'
    return f'<g class="{css(row)}">{drawn}</g>'


def beside(points: Sequence[tuple[str, float, float]], obstacles: Sequence[Point]) -> list[str]:
    """A label to the right of each point, lower or higher if something is in the way."""
    placed = [(x - 6, x + 6, y) for x, y in obstacles]  # left, right, height
    drawn = []
    for row, x, y in sorted(points, key=lambda point: (point[2], point[1])):
        left, right = x + 10, x + 16 + 7.2 * len(row)
        near = [height for start, end, height in placed if left < end and right > start]
        heights = (y + sign * step for step in range(HEIGHT) for sign in (1, -1))
        free = next(at for at in heights if all(abs(at - other) >= LABEL for other in near))
        placed.append((left, right, free))
        drawn += label(row, (x + 5, y), (left + 4, free))
    return drawn


# --- Parts of both. -------------------------------------------------------------------------------


def logarithmic(low: float, high: float, start: float, end: float) -> Scale:
    """The scale that puts `low` at `start` and `high` at `end`."""
    inner = linear(log10(low), log10(high), start, end)
    return lambda value: inner(log10(value))


def linear(low: float, high: float, start: float, end: float) -> Scale:
    """The scale that puts `low` at `start` and `high` at `end`."""
    return lambda value: start + (value - low) / (high - low) * (end - start)


def labels(ends: Iterable[tuple[str, float, float]], left: float) -> list[str]:
    """The labels of lines that end at these points, in a column and in order, none on another."""
    ordered = sorted(ends, key=lambda end: (end[2], -end[1]))
    bases = [y for _, _, y in ordered]
    for number in range(1, len(bases)):
        bases[number] = max(bases[number], bases[number - 1] + LABEL)
    over = max(0.0, bases[-1] - BOTTOM)
    for number in reversed(range(len(bases))):
        highest = bases[number + 1] - LABEL if number + 1 < len(bases) else bases[number] - over
        bases[number] = min(bases[number], highest)
    both = zip(ordered, bases, strict=True)
    return [part for (row, x, y), base in both for part in label(row, (x, y), (left, base))]


def label(row: str, end: Point, at: Point) -> list[str]:
    """The name of a heap, and a thin line from its point."""
    leader = f'x1="{end[0]:.1f}" y1="{end[1]:.1f}" x2="{at[0] - 3:.1f}" y2="{at[1]:.1f}"'
    text = f'<text x="{at[0]:.1f}" y="{at[1] + 4:.1f}">{escape(row)}</text>'
    return [f'<g class="{css(row)}"><line class="leader" {leader}/>{text}</g>']


def ticks_across(ticks: Sequence[tuple[float, str]], title: str) -> list[str]:
    """The axis at the bottom."""
    drawn = [
        f'<line class="grid" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{BOTTOM}"/>'
        f'<text class="middle" x="{x:.1f}" y="{BOTTOM + 20}">{text}</text>'
        for x, text in ticks
    ]
    middle = (LEFT + RIGHT) / 2
    return [*drawn, f'<text class="middle" x="{middle}" y="{BOTTOM + 44}">{escape(title)}</text>']


def ticks_up(ticks: Sequence[tuple[float, str]]) -> list[str]:
    """The axis on the left."""
    return [
        f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{RIGHT}" y2="{y:.1f}"/>'
        f'<text class="end" x="{LEFT - 8}" y="{y + 4:.1f}">{text}</text>'
        for y, text in ticks
    ]


def css(row: str) -> str:
    """The class of a heap."""
    name = row.partition("/")[0]
    return name if name in COLOURS else "yardstick" if name in YARDSTICKS else "other"


def page(title: str, note: str, *parts: str) -> str:
    """The image."""
    light, dark = (
        "".join(f".{row}{{color:{both[number]}}}" for row, both in COLOURS.items())
        for number in (0, 1)
    )
    style = (
        "svg{color:#1f2328}.card{fill:#f6f8fa}.other{color:#6e7781}.grid{stroke:#d0d7de}"
        f"{light}@media(prefers-color-scheme:dark){{svg{{color:#e6edf3}}.card{{fill:#161b22}}"
        f".other{{color:#8b949e}}.grid{{stroke:#30363d}}{dark}}}"
        "text,circle{fill:currentColor}polyline{fill:none;stroke:currentColor;stroke-width:2}"
        ".other polyline{stroke-width:1.2}.leader,.stem{stroke:currentColor;stroke-opacity:.45}"
        ".ring{fill:none;stroke:currentColor;stroke-width:1.5}"
        ".middle{text-anchor:middle}.end{text-anchor:end}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}"'
        ' style="max-width:100%;height:auto" role="img" font-family="system-ui,sans-serif"'
        f' font-size="12.5" aria-label="{escape(title)}"><style>{style}</style>'
        '<rect class="card" width="100%" height="100%" rx="10"/>'
        f'<text x="{LEFT - 40}" y="26" font-weight="bold" font-size="15">{escape(title)}</text>'
        f'<text x="{LEFT - 40}" y="44" fill-opacity=".75">{escape(note)}</text>'
        + "\n".join(parts)
        + "</svg>\n"
    )
