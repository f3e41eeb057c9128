"""A cache in a mapped file: it survives a restart, and a kill.

    python docs/examples/cache.py FILE         the squares of 1 to 20, through the cache
    python docs/examples/cache.py FILE kill    the same, and killed in the middle of it

An entry is a block with its key and its value. The walk over the heap gives all entries, so there
is no other list that a kill could leave half written. The first byte of an entry marks it as
complete, and is written last. An incomplete entry was being written when its process died, and is
freed.
"""

from __future__ import annotations

import os
import signal
import struct
import sys
from pathlib import Path

from glassheap import SharedHeap

ENTRY = struct.Struct("=BxxxxxxxQQ")  # 1 if complete; key; value


class Cache:
    """A map from numbers to numbers, in a file."""

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
        """The value of the key, or None."""
        address = self.entries.get(key)
        return None if address is None else ENTRY.unpack(self.heap.view(address))[2]

    def put(self, key: int, value: int) -> None:
        """Store a value; if there is no room, the oldest entries make place for it."""
        while self.heap.largest_free() < ENTRY.size:
            self.heap.free(self.entries.pop(next(iter(self.entries))))
        address = self.heap.calloc(1, ENTRY.size)  # zeros: incomplete
        with self.heap.view(address) as entry:
            ENTRY.pack_into(entry, 0, 0, key, value)
            entry[0] = 1
        self.entries[key] = address


def opened(path: Path) -> SharedHeap:
    """The heap in the file, created if there is none; attaching recovers it after a kill."""
    try:
        return SharedHeap.attach(path=path)
    except FileNotFoundError:
        return SharedHeap.create(path=path, size=1 << 16)


def main() -> None:
    """Look up twenty squares, and print how many of them were in the cache."""
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
