"""The names of the placement policies as an enumeration, an alternative to strings.

`glassheap.policies()` describes each policy: its choice of block, its cost and its source.
"""

from __future__ import annotations

from enum import Enum
from typing import Literal, TypeAlias


class Policy(str, Enum):
    """A placement policy. A member is equal to its name, and `Heap` accepts either."""

    FIRST_FIT = "first_fit"
    NEXT_FIT = "next_fit"
    BEST_FIT = "best_fit"
    WORST_FIT = "worst_fit"
    SEGREGATED_FIT = "segregated_fit"
    QUICK_FIT = "quick_fit"
    TLSF = "tlsf"
    BUDDY = "buddy"
    SEQUENTIAL_FIT = "sequential_fit"

    def __str__(self) -> str:
        """The name."""
        return self.value


PolicyName: TypeAlias = Literal[
    "first_fit",
    "next_fit",
    "best_fit",
    "worst_fit",
    "segregated_fit",
    "quick_fit",
    "tlsf",
    "buddy",
    "sequential_fit",
]
"""The names as literals, which editors offer."""
