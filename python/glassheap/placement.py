"""The names of the placement policies, for those who prefer an enumeration to a string.

`glassheap.policies()` says of each what it does, what it costs and where it is from.
"""

from __future__ import annotations

from enum import Enum


class Policy(str, Enum):
    """A placement policy. Each is equal to its name, and `Heap` takes either."""

    FIRST_FIT = "first_fit"
    NEXT_FIT = "next_fit"
    BEST_FIT = "best_fit"
    WORST_FIT = "worst_fit"
    SEGREGATED_FIT = "segregated_fit"
    TLSF = "tlsf"
    BUDDY = "buddy"
    SEQUENTIAL_FIT = "sequential_fit"

    def __str__(self) -> str:
        """The name itself."""
        return self.value
