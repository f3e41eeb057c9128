"""A cache in a mapped file: it is there again after a restart, and after a kill.

    python docs/examples/cache.py FILE         the squares of 1 to 20, by way of the cache
    python docs/examples/cache.py FILE kill    the same, and killed in the middle of it

An entry is a block that holds its key and its value, so the cache is the walk over the heap: there
is no other list that a kill could leave half written. The key's first byte is written last; an
entry without one was being written when somebody died, and is given back.
"""

from __future__ import annotations

import os
import signal
import struct
import sys
from pathlib import Path

from glassheap import SharedHeap

ENTRY = struct.Struct("=BxxxxxxxQQ")  # whether it is complete; key; value


class Cache:
    """Numbers by numbers, in a file."""

    def __init__(self, path: Path) -> None:
        self.heap = opened(path)
        self.entries: dict[int, int] = {}
        for address in list(self.heap):
            complete, key, _ = ENTRY.unpack(self.heap.view(address))
            if complete:
                self.entries[key] = address
            else:
                self.heap.free(address)

    def get(self, key: int) -> int | None:
        """The value, or None."""
        address = self.entries.get(key)
        return None if address is None else ENTRY.unpack(self.heap.view(address))[2]

    def put(self, key: int, value: int) -> None:
        """Keep a value; when there is no room for it, in the place of the oldest."""
        while self.heap.largest_free() < ENTRY.size:
            self.heap.free(self.entries.pop(next(iter(self.entries))))
        address = self.heap.calloc(1, ENTRY.size)  # zeros: not complete
        with self.heap.view(address) as entry:
            ENTRY.pack_into(entry, 0, 0, key, value)
            entry[0] = 1
        self.entries[key] = address


def opened(path: Path) -> SharedHeap:
    """The heap in the file, made if there is none; after a kill it is made whole by attaching."""
    try:
        return SharedHeap.attach(path=path)
    except FileNotFoundError:
        return SharedHeap.create(path=path, size=1 << 16)


def main() -> None:
    """Ask for twenty squares; say how many of them were known."""
    cache = Cache(Path(sys.argv[1]))
    known = 0
    for key in range(1, 21):
        if cache.get(key) == key * key:
            known += 1
            continue
        cache.put(key, key * key)
        if sys.argv[2:] == ["kill"] and len(cache.entries) == 10:
            os.kill(os.getpid(), signal.SIGKILL)
    print(f"{known} were known, {len(cache.entries)} are now")


if __name__ == "__main__":
    main()
