"""What the tests of the model play: regions of all kinds, and operations, drawn by Hypothesis."""

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
"""Every fit with every list order; next fit is defined for one."""


class Shape(NamedTuple):
    """A region of at least one byte, and how its list is searched and kept."""

    size: int
    base: int
    header: int
    align: int
    kind: tuple[Fit, Order]
    coalesce: bool

    def model(self) -> FreeList:
        """As the package has it."""
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

    def bytes(self) -> ByteMap:
        """As the tests have it."""
        return ByteMap(self.size, self.base, self.header, self.align, *self.kind, self.coalesce)


SHAPES = st.builds(
    Shape,
    size=st.integers(1, 200),
    base=st.sampled_from([0, 1, 1000]),
    header=st.sampled_from([0, 1, 4, 8, 16]),
    align=st.sampled_from([-1, 1, 3, 8, 16]),
    kind=st.sampled_from(KINDS),
    coalesce=st.booleans(),
)


class Operation(NamedTuple):
    """A call; `pick` says which of the live blocks it is for."""

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
