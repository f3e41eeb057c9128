"""The stage of the tour: it makes the calls, and prints them with their results.

All that is printed is real. The line of a call is its text and its result, or the exception that it
raised. The free list, the bytes available and the map come from the heap.
"""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING, TextIO

from glassheap import HeapError, pictures, terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from glassheap import Heap

MIN_WIDTH = 40  # columns for sentences
RESULTS = 32  # the column of the results


class Stage:
    """A heap, the named addresses of its blocks, and the output stream."""

    def __init__(self, heap: Heap, file: TextIO, width: int | None) -> None:
        self.heap = heap
        self.file = file
        self.width = terminal.columns(file) if width is None else width
        self.blocks: dict[str, int] = {}

    def __getitem__(self, name: str) -> int:
        return self.blocks[name]

    def malloc(self, size: int, name: str) -> None:
        """Allocate, and store the address as `name` if that succeeds."""

        def call() -> str:
            self.blocks[name] = self.heap.malloc(size)
            return f"{self[name]:#06x}"

        self.call(f"{name} = heap.malloc({size})", call)

    def malloc_many(self, size: int, count: int, name: str) -> None:
        """Allocate `count` blocks at once, and store the addresses as `name[0]`, `name[1]`, ..."""

        def call() -> str:
            addresses = self.heap.malloc_many([size] * count)
            self.blocks |= {f"{name}[{index}]": at for index, at in enumerate(addresses)}
            return f"{addresses[0]:#06x}, {addresses[1]:#06x}, ... {addresses[-1]:#06x}"

        self.call(f"{name} = heap.malloc_many([{size}] * {count})", call)

    def free(self, name: str, address: int | None = None) -> None:
        """Free the block `name`, or else `address`, which is printed as `name`."""
        payload = self[name] if address is None else address
        self.call(f"heap.free({name})", lambda: self.heap.free(payload))

    def call(self, text: str, function: Callable[[], object]) -> None:
        """Make a call, and print it with its result or its exception."""
        try:
            result = function()
        except HeapError as error:
            self.line((f"    {text}", "call"))
            self.text(f"{type(error).__name__}: {error}", "error", indent="        ")
        else:
            shown = "" if result is None else f"-> {result}"
            self.line((f"    {text:<{RESULTS}}" if shown else f"    {text}", "call"), (shown, ""))

    def heading(self, title: str, remark: str) -> None:
        """Print the title and the remark of a step."""
        self.line(("", ""))
        self.line((title, "title"))
        self.text(remark)
        self.line(("", ""))

    def text(self, text: str, style: str = "", *, indent: str = "") -> None:
        """Print sentences, in lines as wide as the map."""
        width = max(self.width, MIN_WIDTH)
        lines = textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent)
        terminal.write(([(line, style)] for line in lines), self.file)

    def line(self, *spans: terminal.Span) -> None:
        """Print one line."""
        terminal.write([spans], self.file)

    def wait(self) -> None:
        """Wait for Enter; without an input that can be read, return at once."""
        self.file.write("\n[Enter]")
        self.file.flush()
        if not read_line():
            self.line(("", ""))

    def show_heap(self, *, legend: bool = False) -> None:
        """Print the state of the heap: the free list, the bytes available, and the map."""
        self.line(("", ""))
        self.heap.print_free_list(self.file)
        self.line((f"{self.heap.available_memory():,} bytes available", ""))
        pictures.show(self.heap, file=self.file, width=self.width, legend=legend)


def read_line() -> str:
    """A line of the standard input; empty at its end, or if it is closed or cannot be read."""
    try:
        return "" if sys.stdin is None else sys.stdin.readline()
    except OSError:
        return ""
