"""The names of freed blocks, by which a second free is told from a free of an unknown block.

A trace may give each of a hundred million blocks a name of its own.  Most number them, so a name
that is not far above the others takes one byte.  The others, such as addresses, are in a set.
"""

from __future__ import annotations

ROOM = 4096
"""Names below this take a byte, even in a trace that has few."""


class FreedNames:
    """A set of whole numbers, compact for small ones."""

    def __init__(self) -> None:
        self._dense = bytearray()
        self._reach = ROOM  # names from here on are in the set
        self._sparse: set[int] = set()

    def add(self, name: int) -> None:
        """Add a name."""
        if not 0 <= name < self._reach:
            self._sparse.add(name)
            return
        dense = self._dense
        if name >= len(dense):
            dense.extend(bytes(max(ROOM, len(dense) // 2, name + 1 - len(dense))))
            self._reach = 2 * len(dense) + ROOM
        dense[name] = 1

    def __contains__(self, name: int) -> bool:
        """True if the name was added."""
        dense = self._dense
        return (0 <= name < len(dense) and bool(dense[name])) or name in self._sparse
