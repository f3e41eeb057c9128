"""A second free list, implemented differently from the package's: by bytes instead of intervals.

Every byte of the region has the name of its free element or live block. The start, the size and the
neighbours of an element are found by reading the bytes. An element of no bytes would be invisible,
so every block must need at least one byte.
"""

from __future__ import annotations

import itertools


class ByteMap:
    """A region, a free list of element names in list order, and the live blocks by address."""

    def __init__(
        self, size: int, base: int, header: int, align: int, fit: str, order: str, coalesce: bool
    ) -> None:
        self.names = itertools.count(1)
        self.base, self.header, self.align = base, header, align
        self.fit, self.order, self.coalesce = fit, order, coalesce
        self.bytes: list[int] = [0] * size
        self.list = [0] if size else []
        self.blocks: dict[int, int] = {}
        self.rover = 0

    # --- Queries ----------------------------------------------------------------------------------
    def start(self, name: int) -> int:
        return self.bytes.index(name)

    def size(self, name: int) -> int:
        return self.bytes.count(name)

    def chunks(self) -> list[tuple[int, int]]:
        return [(self.base + self.start(name), self.size(name)) for name in self.list]

    def live(self) -> dict[int, int]:
        return {address: self.size(name) for address, name in self.blocks.items()}

    def need(self, n: int) -> int:
        while self.align > 0 and n % self.align:
            n += 1
        return n + self.header

    # --- Operations -------------------------------------------------------------------------------
    def malloc(self, n: int, align: int = 1) -> tuple[int | None, int]:
        need = self.need(n)
        candidates: list[tuple[int, int]] = []  # the element's name and the block's start
        count = 0
        for name in self.search_order():
            count += 1
            place = self.place(name, need, align)
            if place is None:
                continue
            candidates.append((name, place))
            if self.fit in ("first", "next"):
                break
        if not candidates:
            return None, count
        name, place = candidates[0]
        for other, its_place in candidates[1:]:
            larger = self.size(other) - self.size(name)
            if (self.fit == "best" and larger < 0) or (self.fit == "worst" and larger > 0):
                name, place = other, its_place
        self.take(name, place, need)
        self.rover = place + need
        return self.base + place, count

    def free(self, address: int) -> bool:
        if address not in self.blocks:
            return False
        self.release(self.blocks.pop(address))
        return True

    def resize(self, address: int, n: int) -> bool:
        """Shrink or grow the block in place; False if that is impossible."""
        start, need = address - self.base, self.need(n)
        block = self.blocks[address]
        now = self.size(block)
        if need < now:
            self.release(self.relabel(start + need, now - need, next(self.names)))
        if need > now:
            right = self.bytes[start + now] if start + now < len(self.bytes) else None
            if right not in self.list or self.size(right) < need - now:
                return False
            self.relabel(start + now, need - now, block)
            self.list = [name for name in self.list if name in self.bytes]
        return True

    # --- Steps ------------------------------------------------------------------------------------
    def search_order(self) -> list[int]:
        if self.fit != "next":
            return self.list
        around = self.bytes[self.rover :] + self.bytes[: self.rover]
        return [name for name in dict.fromkeys(around) if name in self.list]

    def place(self, name: int, need: int, align: int) -> int | None:
        for start in range(self.start(name), self.start(name) + self.size(name)):
            whole = self.bytes[start : start + need] == [name] * need
            if whole and (self.base + start + self.header) % align == 0:
                return start
        return None

    def relabel(self, start: int, size: int, name: int) -> int:
        self.bytes[start : start + size] = [name] * size
        return name

    def take(self, name: int, place: int, need: int) -> None:
        end = self.start(name) + self.size(name)
        self.blocks[self.base + place] = self.relabel(place, need, next(self.names))
        rest = self.relabel(place + need, end - place - need, next(self.names))
        self.list.insert(self.list.index(name) + 1, rest)
        self.list = [name for name in self.list if name in self.bytes]

    def release(self, name: int) -> None:
        self.list.insert(0 if self.order == "front" else len(self.list), name)
        if self.order == "address":
            self.list.sort(key=self.start)
        elif self.order != "front" and self.order != "back":
            self.list.sort(key=self.size, reverse=self.order == "size-")
        if self.coalesce:
            self.merge()

    def merge(self) -> None:
        done = 0
        while done + 1 < len(self.list):
            left, right = self.list[done], self.list[done + 1]
            if self.start(left) + self.size(left) == self.start(right):
                self.relabel(self.start(right), self.size(right), left)
                del self.list[done + 1]
            else:
                done += 1
