"""The exceptions of the heap: one root, and for each the builtin that a Python user would catch.

A message of one or two sentences has the fault, its place, the expected value and the remedy. Its
numbers are attributes of the exception, as documented below.
"""

from glassheap import _core

TYPE_CHECKING = False  # not typing's: that module alone takes longer to import than the package
if TYPE_CHECKING:
    from glassheap.owners import Diagnosis


class HeapError(Exception):
    """Root of all errors of a heap."""


class OutOfMemory(HeapError, MemoryError):
    """No free block can serve the request, or the system gives no pages for a region.

    The message begins with the cause. 'exhausted': less is available than was asked for, and it
    says who holds most of the memory, if the blocks have tags. 'fragmented': enough is available,
    and it names the live blocks between the two largest free blocks, and how few bytes freed
    would do.
    'alignment': a free block is large enough, but not from an aligned address on. It is built when
    it is read, so an exception that is never printed costs no walk over the heap: what it says of
    blocks describes the heap at that time. The numbers describe the heap as the call left it; a
    refused batch takes nothing.
    """

    requested: int
    """Bytes asked for, exactly as given."""
    available: int
    """Bytes on offer in all free blocks together; absent if there is no heap yet."""
    largest: int
    """Bytes that the largest free block offers; absent if there is no heap yet."""
    free_blocks: int
    """The number of free blocks; absent if there is no heap yet."""
    align: int
    """The requested alignment of the payload; absent if there is no heap yet."""
    heap: _core.Heap
    """The Heap that refused; absent if there is none yet, and from a copy."""
    _story: str = ""
    """What was done about the shortage, for the end of the message."""

    @property
    def fragmentation_index(self) -> float:
        """Near 0 for a lack of memory, near 1 for fragmentation; 1/2 separates the two.

        1 - (1 + F/r) / N for a request of r bytes that failed with F bytes in N free blocks
        (M. Gorman, Linux, mm/vmstat), but at least 0; and 0 if there was no free block, or r was 0.
        Raises AttributeError if and only if there was no heap yet.
        """
        return _core.Heap._fragmentation_index(self.requested, self.available, self.free_blocks)

    @property
    def diagnosis(self) -> "Diagnosis":
        """The cause, who holds the memory, the blocks in the way, and the bytes that are missing.

        The cause is that of the call; the blocks are those of the heap when this is read, or when
        the exception was copied. O(n log n). Raises AttributeError if and only if there was no heap
        yet.
        """
        copied: Diagnosis | None = getattr(self, "_diagnosis", None)
        return copied or self.heap._diagnose(*self._figures())

    def _figures(self) -> tuple[int, int, int, int, int]:
        return self.requested, self.available, self.largest, self.free_blocks, self.align

    def __str__(self) -> str:
        """The message, built by the heap; or the text that the exception was made with."""
        heap: _core.Heap | None = getattr(self, "heap", None)
        if super().args or heap is None:
            return super().__str__()
        return heap._explain(*self._figures()) + self._story

    @property
    def args(self) -> tuple[object, ...]:  # type: ignore[override]
        """The message, as in any other exception; built when it is read."""
        return super().args or (str(self),)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the message, the numbers and the diagnosis, and not the heap."""
        numbers = {name: value for name, value in vars(self).items() if name != "heap"}
        if hasattr(self, "heap"):
            numbers["_diagnosis"] = self.diagnosis
        return type(self), (str(self),), numbers


class InvalidSize(HeapError, ValueError):
    """A size is negative, or that of a region is out of range."""


class InvalidAlignment(HeapError, ValueError):
    """An align or granule is no power of two that the heap serves, or a base no multiple of 16."""


class MustMove(HeapError, ValueError):
    """A block of an OffsetHeap cannot be resized where it is, and realloc was given no move."""

    address: int
    """The block's offset, exactly as given."""


class RegionInUse(HeapError, BufferError):
    """Another heap of this process, which is open, lies over some of these bytes."""


class InvalidPointer(HeapError, ValueError):
    """An address is not that of a live block's payload: root of the five below."""

    address: int
    """The address, exactly as given."""


class ForeignPointer(InvalidPointer):
    """The address is outside the region."""


class MisalignedPointer(InvalidPointer):
    """The address is no multiple of 16, or of the granule, from the start of the region."""


class InteriorPointer(InvalidPointer):
    """The address is inside a live block, but not where its payload starts."""


class DoubleFree(InvalidPointer):
    """The memory at the address is free already, whatever has been merged since."""


class StaleHandle(InvalidPointer):
    """The memory of a Block was freed, or its heap was reset, since it was allocated."""


class HeapCorrupted(HeapError, RuntimeError):
    """Bytes that the heap relies on are not as it wrote them: root of the five below."""

    offset: int
    """Bytes from the start of the region to the damaged block."""
    field: str
    """The damaged field: magic, size, seal, node size, next, record, listed, redzone,
    fill."""
    expected: int
    """The value that the field should have."""
    found: int
    """The value that it has."""


class BadMagic(HeapCorrupted):
    """The magic number in a live block's header is not the heap's."""


class HeaderCorrupted(HeapCorrupted):
    """The size or seal in a live block's header does not agree with the block map."""


class FreeListCorrupted(HeapCorrupted):
    """The size, link or record number in a free node is not that of its block."""


class OverflowDetected(HeapCorrupted):
    """With checks='debug': a byte behind a live block's payload was written.

    `expected` is the size of the payload in bytes, `found` the index of the first byte that was
    written behind it.
    """


class WriteAfterFree(HeapCorrupted):
    """With checks='debug': a byte of free memory was written.

    `offset` is that of the byte, `expected` its value as the heap filled it, `found` its value now.
    """


class HeapDamaged(HeapError, RuntimeError):
    """The heap was found corrupt, and refuses every change until reset()."""


class HeapClosed(HeapError, ValueError):
    """The heap was closed."""


class AttachError(HeapError, OSError):
    """A shared heap cannot be attached to: root of the three below."""


class BadImage(AttachError):
    """The bytes are no heap, or not one that can be used here; `field` names the wrong part.

    With field 'magic' or 'type' and no offset they are something else, not an image. With another
    field and no offset, the front of the image is wrong. With an offset, its blocks are damaged.
    """

    field: str
    """The wrong part: type, magic, version, machine, policy, options, checksum, size, layout,
    published; or the rule that the blocks break."""
    expected: int
    """The value that the field should have; equal to `found` where neither tells anything."""
    found: int
    """The value that it has."""
    offset: int | None
    """Bytes from the start of the region to the damaged block; None for the front."""


class AttachTimeout(AttachError):
    """The process that makes the heap in a buffer did not finish within the timeout."""


class TooManyProcesses(AttachError):
    """Every number of a process is taken: by a living process, or by blocks of a dead one."""


class TooManyReferences(HeapError, MemoryError):
    """Every reference to shared blocks that a heap has room for is in use: 4,096."""


class LockTimeout(HeapError, TimeoutError):
    """Another process held the heap's lock for the whole timeout."""
