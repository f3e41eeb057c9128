"""The stage on which the tour is played: it makes the calls, and prints them with what they did.

Nothing is printed that did not happen. A call's line is its text and its own result; a refusal is
the exception that was raised; the free list, the bytes available and the map come from the heap.
"""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING, TextIO

from glassheap import HeapError, pictures, terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from glassheap import Heap

NARROWEST = 40  # columns that sentences are given at least
RESULTS = 32  # columns after which results stand, so that they stand under one another


class Stage:
    """A heap, the addresses that it gave out by name, and the stream that the audience sees."""

    def __init__(self, heap: Heap, file: TextIO, width: int | None) -> None:
        self.heap = heap
        self.file = file
        self.width = terminal.columns(file) if width is None else width
        self.blocks: dict[str, int] = {}

    def __getitem__(self, name: str) -> int:
        return self.blocks[name]

    def malloc(self, size: int, name: str) -> None:
        """Allocate, and remember the address under `name` (the refused have none)."""

        def call() -> str:
            self.blocks[name] = self.heap.malloc(size)
            return f"{self[name]:#06x}"

        self.call(f"{name} = heap.malloc({size})", call)

    def malloc_many(self, size: int, count: int, name: str) -> None:
        """Allocate `count` blocks at once, and remember them as `name[0]`, `name[1]`, ..."""

        def call() -> str:
            addresses = self.heap.malloc_many([size] * count)
            self.blocks |= {f"{name}[{index}]": at for index, at in enumerate(addresses)}
            return f"{addresses[0]:#06x}, {addresses[1]:#06x}, ... {addresses[-1]:#06x}"

        self.call(f"{name} = heap.malloc_many([{size}] * {count})", call)

    def free(self, what: str, address: int | None = None) -> None:
        """Free the block named `what`, or `address`, of which `what` is then the description."""
        where = self[what] if address is None else address
        self.call(f"heap.free({what})", lambda: self.heap.free(where))

    def call(self, text: str, function: Callable[[], object]) -> None:
        """Make a call and print it, with what it returned or what it raised."""
        try:
            result = function()
        except HeapError as error:
            self.line((f"    {text}", "call"))
            self.prose(f"{type(error).__name__}: {error}", "error", indent="        ")
        else:
            shown = "" if result is None else f"-> {result}"
            self.line((f"    {text:<{RESULTS}}" if shown else f"    {text}", "call"), (shown, ""))

    def announce(self, title: str, remark: str) -> None:
        """Print the head of a step."""
        self.line(("", ""))
        self.line((title, "title"))
        self.prose(remark)
        self.line(("", ""))

    def prose(self, text: str, meaning: str = "", *, indent: str = "") -> None:
        """Print sentences, in lines as wide as the map."""
        width = max(self.width, NARROWEST)
        lines = textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent)
        terminal.write(([(line, meaning)] for line in lines), self.file)

    def line(self, *spans: terminal.Span) -> None:
        """Print one line."""
        terminal.write([spans], self.file)

    def wait(self) -> None:
        """Wait for Enter; where nobody can press it, go on."""
        self.file.write("\n[Enter]")
        self.file.flush()
        if sys.stdin is None or not sys.stdin.readline():
            self.line(("", ""))

    def look(self, *, legend: bool = False) -> None:
        """Print what the step has led to: the free list, the bytes available, and the map."""
        self.line(("", ""))
        self.heap.print_free_list(self.file)
        self.line((f"{self.heap.available_memory():,} bytes available", ""))
        pictures.show(self.heap, file=self.file, width=self.width, legend=legend)
