"""Every exception of the heap: one root, and for each the builtin that a Python user would catch.

Each message is a sentence or two: what was wrong, where, what was expected, what to do. The numbers
in it can be read off the exception, as the attributes named below.
"""

__all__ = [
    "AttachError",
    "AttachTimeout",
    "BadImage",
    "BadMagic",
    "DoubleFree",
    "ForeignPointer",
    "FreeListCorrupted",
    "HeaderCorrupted",
    "HeapClosed",
    "HeapCorrupted",
    "HeapDamaged",
    "HeapError",
    "InteriorPointer",
    "InvalidAlignment",
    "InvalidPointer",
    "InvalidSize",
    "LockTimeout",
    "MisalignedPointer",
    "OutOfMemory",
    "OverflowDetected",
    "StaleHandle",
    "WriteAfterFree",
]


class HeapError(Exception):
    """Anything that a heap refuses or finds."""


class OutOfMemory(HeapError, MemoryError):
    """No free block can serve the request, or the system gives no pages for a region.

    The message says what was missing, memory or a large enough piece of it, and what stands between
    the largest pieces. It is put together when it is read: an exception that nobody looks at costs
    no walk over the heap. So its last sentence is of the heap as it is then. The numbers are of the
    heap as the call left it: of a batch that was refused nothing is taken.
    """

    requested: int
    """Bytes asked for, exactly as they were given."""
    available: int
    """Bytes on offer in all free blocks together; absent where there is no heap yet."""
    largest: int
    """Bytes that the largest free block offers; absent where there is no heap yet."""
    free_blocks: int
    """How many free blocks there are; absent where there is no heap yet."""
    align: int
    """What the payload was to start at a multiple of; absent where there is no heap yet."""
    heap: object
    """The Heap that refused; absent where there is none yet, and in a copy that was unpickled."""

    @property
    def fragmentation_index(self) -> float:
        """Near 0 for a lack of memory, near 1 for fragmentation, which 1/2 divides.

        1 - (1 + F/r) / N for a request of r bytes that failed with F bytes in N free blocks
        (M. Gorman, Linux, mm/vmstat), and 0 where there was no free block, or r was 0. Raises
        AttributeError if and only if there was no heap yet.
        """
        blocks, requested = self.free_blocks, self.requested
        if not blocks or not requested:
            return 0.0
        return max(0.0, 1 - (1 + self.available / requested) / blocks)

    def __str__(self) -> str:
        """The sentences; whatever text the exception was made with, if it was made with any."""
        if super().args or not hasattr(self, "free_blocks"):
            return super().__str__()
        from glassheap.shortage import explain

        return explain(self)

    @property
    def args(self) -> tuple[object, ...]:  # type: ignore[override]
        """The text, as in any other exception; put together when it is asked for."""
        return super().args or (str(self),)

    def __reduce__(self) -> tuple[object, ...]:
        """A copy in another process has the text and the numbers, and not the heap."""
        numbers = {name: value for name, value in vars(self).items() if name != "heap"}
        return type(self), (str(self),), numbers


class InvalidSize(HeapError, ValueError):
    """A size is negative, or a region's is out of range."""


class InvalidAlignment(HeapError, ValueError):
    """An alignment that is no power of two up to a quarter of the region, or an odd base."""


class InvalidPointer(HeapError, ValueError):
    """An address is not that of a live block's payload: root of the five below."""

    address: int
    """The address, exactly as it was given."""


class ForeignPointer(InvalidPointer):
    """The address is outside the region."""


class MisalignedPointer(InvalidPointer):
    """The address is no multiple of 16 from the start of the region: no block can start there."""


class InteriorPointer(InvalidPointer):
    """The address is inside a live block, but not where its payload starts."""


class DoubleFree(InvalidPointer):
    """The memory at the address is free already, whatever has been merged since."""


class StaleHandle(InvalidPointer):
    """A Block whose memory was freed, or whose heap was reset, since it was allocated."""


class HeapCorrupted(HeapError, RuntimeError):
    """Bytes that the heap relies on are not as it wrote them: root of the five below."""

    offset: int
    """Bytes from the start of the region to the block that is damaged."""
    field: str
    """The damaged field: magic, size, seal, node size, next, prev, head, redzone, fill."""
    expected: int
    """What the field should hold."""
    found: int
    """What it holds."""


class BadMagic(HeapCorrupted):
    """The magic number in a live block's header is not the heap's."""


class HeaderCorrupted(HeapCorrupted):
    """Size or seal of a live block's header do not agree with the block map."""


class FreeListCorrupted(HeapCorrupted):
    """A free node's size, link or place in the order is impossible."""


class OverflowDetected(HeapCorrupted):
    """With checks='debug': a byte behind a live block's payload was written.

    `expected` is the size of the payload in bytes, `found` the index of the first byte that was
    written behind it.
    """


class WriteAfterFree(HeapCorrupted):
    """With checks='debug': a byte of free memory was written.

    `offset` is that of the byte, `expected` its value as the heap filled it, `found` the one there.
    """


class HeapDamaged(HeapError, RuntimeError):
    """The heap was found corrupt, and is not changed any more until reset()."""


class HeapClosed(HeapError, ValueError):
    """The heap was closed."""


class AttachError(HeapError, OSError):
    """A shared heap that cannot be attached to: root of the two below."""


class BadImage(AttachError):
    """What is there is no heap, or not one that can be used here; `field` says which part of it."""

    field: str
    """What is not as it must be: magic, version, machine, policy, options, checksum, size, layout,
    or the rule that its blocks break."""


class AttachTimeout(AttachError):
    """Whoever makes the heap has not finished in the time that was given."""


class LockTimeout(HeapError, TimeoutError):
    """Another process has had the heap's lock all the time that was given."""
