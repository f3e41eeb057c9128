"""The fits of a trace as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from glassheap.replay.columns import table_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from glassheap.replay.fitting import Fit


class HasLayout(Protocol):
    """A record of a heap."""

    @property
    def headers(self) -> bool:
        """True if it has headers."""
        ...

    @property
    def granule(self) -> int:
        """Bytes of which each block is a multiple."""
        ...


TITLES = (
    "policy",
    "layout",
    "region",
    "live",
    "headers",
    "rounding",
    "fragmentation",
    "over the bound",
)
NONE = "none"
HALVED = "*"


def fit_table(fits: Sequence[Fit]) -> list[str]:
    """A line for each fit below a line of titles, and what the marks mean."""
    return [*table_of((TITLES, *map(_row, fits)), names=2), *_notes(fits)]


def _row(one: Fit) -> tuple[str, ...]:
    region = NONE if one.region is None else f"{one.region:,}{'' if one.exact else HALVED}"
    return (
        one.policy,
        layout_of(one),
        region,
        f"{one.live:,}",
        f"{one.header_bytes:,}",
        f"{one.rounding:,}",
        NONE if one.fragmentation is None else f"{one.fragmentation:,}",
        _excess(one),
    )


def layout_of(one: HasLayout) -> str:
    """The layout of the blocks in a word or two."""
    if one.headers:
        return "headers"
    return "no headers" if one.granule == 16 else f"granule {one.granule:,}"


def _excess(one: Fit) -> str:
    """How much the region exceeds the lower bound."""
    if one.region is None or not one.peak_live:
        return "-"
    return f"{one.region / one.peak_live - 1:.2%}"


def _notes(fits: Sequence[Fit]) -> Iterator[str]:
    served = [one for one in fits if one.region is not None]
    if served:
        best = min(served, key=lambda one: one.region or 0)
        yield ""
        yield f"smallest: {best.region:,} bytes, {best.policy}, {layout_of(best)}"
    if any(not one.exact for one in served):
        yield (
            f"{HALVED} found by halving: it serves, a granule less does not; a smaller region may "
            "serve again (--exact tries all)"
        )
    if len(served) < len(fits):
        yield f"{NONE}: no region that this machine has memory for serves the trace"
