"""Hypothesis strategies for the tests of the model: free lists of every kind, and operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hypothesis import strategies as st

from byte_map import ByteMap
from glassheap.model import FITS, ORDERS, FreeList

if TYPE_CHECKING:
    from glassheap.model import Fit, Order

KINDS: list[tuple[Fit, Order]] = [
    (fit, order) for fit in FITS for order in ORDERS if fit != "next" or order == "address"
]
"""Every fit with every list order; next fit is defined for address order alone."""


class ListOptions(NamedTuple):
    """A region of at least one byte, and the options of its free list."""

    size: int
    base: int
    header: int
    align: int
    kind: tuple[Fit, Order]
    coalesce: bool

    def model(self) -> FreeList:
        """The package's free list with these options."""
        fit, order = self.kind
        return FreeList(
            self.size,
            base=self.base,
            header=self.header,
            align=self.align,
            fit=fit,
            order=order,
            coalesce=self.coalesce,
        )

    def byte_map(self) -> ByteMap:
        """The tests' own free list with these options."""
        return ByteMap(self.size, self.base, self.header, self.align, *self.kind, self.coalesce)


LIST_OPTIONS = st.builds(
    ListOptions,
    size=st.integers(1, 200),
    base=st.sampled_from([0, 1, 1000]),
    header=st.sampled_from([0, 1, 4, 8, 16]),
    align=st.sampled_from([-1, 1, 3, 8, 16]),
    kind=st.sampled_from(KINDS),
    coalesce=st.booleans(),
)


class Operation(NamedTuple):
    """A call; `pick` selects the live block that it uses."""

    call: str
    size: int
    align: int
    pick: int


OPERATIONS = st.lists(
    st.builds(
        Operation,
        call=st.sampled_from(["malloc", "malloc", "free", "realloc"]),
        size=st.integers(1, 40),
        align=st.sampled_from([1, 1, 1, 2, 16, 32]),
        pick=st.integers(0, 99),
    ),
    max_size=60,
)
