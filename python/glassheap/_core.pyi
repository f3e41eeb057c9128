"""The compiled part of glassheap, for type checkers and editors.

The docstrings are those of the module, which `python tests/python/stub_docstrings.py` writes here.
The methods that `glassheap.methods` adds to the types are here too.
"""

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from os import PathLike
from types import TracebackType
from typing import Any, Literal, SupportsFloat, SupportsIndex, TypeAlias, TypedDict, final, overload

from _typeshed import ReadableBuffer, SupportsWrite, WriteableBuffer
from numpy.typing import ArrayLike, DTypeLike, NDArray
from typing_extensions import CapsuleType, Never, Self, Unpack, disjoint_base

from glassheap.owners import Diagnosis, TaggedBlock, TagUsage
from glassheap.placement import Policy, PolicyName
from glassheap.records import BlockInfo, Eviction, Finding, FreeBlock, OwnedBlock, PolicyInfo
from glassheap.report import Report
from glassheap.statistics import HeapStats

__version__: str

# Any str, because names are read from command lines and files; editors offer the literals.
_Policy: TypeAlias = Policy | PolicyName | str
_Checks: TypeAlias = Literal["robust", "debug"]
_Path: TypeAlias = str | bytes | PathLike[str] | PathLike[bytes]
_Excess: TypeAlias = tuple[float, int, int, int, int, int, int, int]

# The options of a heap. Their defaults are in the table of option_table.cpp; stubtest compares the
# names.
class _SharedHeapOptions(TypedDict, total=False):
    policy: _Policy
    headers: bool
    checks: _Checks
    magic: SupportsIndex
    zero_on_free: bool
    record: _Path | None
    fit: Literal["first", "best", "worst"] | None
    order: Literal["address", "size+", "size-", "front", "back"] | None
    coalesce: bool | None

class _HeapOptions(_SharedHeapOptions, total=False):
    threads: bool
    thread_cache: bool
    base: SupportsIndex | None
    huge_pages: bool
    quarantine: SupportsIndex
    tags: bool

class _SharedOffsetHeapOptions(TypedDict, total=False):
    granule: SupportsIndex
    policy: _Policy
    record: _Path | None
    fit: Literal["first", "best", "worst"] | None
    order: Literal["address", "size+", "size-", "front", "back"] | None
    coalesce: bool | None

class _OffsetHeapOptions(_SharedOffsetHeapOptions, total=False):
    align: SupportsIndex | None
    threads: bool
    thread_cache: bool
    tags: bool

@disjoint_base
class Heap:
    """A heap over one region of memory, every byte of which can be inspected.

    Args:
        size: Bytes of the region, from 16 (32 with base 0 and no headers) to 68,719,476,720,
            rounded up to a multiple of 16. The region is mapped as private pages, with an
            inaccessible page at either end.
        policy: The placement policy, by name or as a Policy: it chooses the free block for a
            request. 'first_fit' takes the lowest address. policies() describes each.
        headers: True if a header of 16 bytes precedes each payload. Without headers a block of 64
            bytes takes 64, every check but those of the header itself still holds, and the exact
            size asked for, the serial and the magic number are not kept.
        checks: 'robust' verifies every pointer, header and node that a call uses. 'debug' also puts
            a redzone behind each payload, verified when the block is freed, resized or checked, and
            fills free memory, verified when it is allocated again or checked: a block takes 16
            bytes more, a call takes time in proportion to its size, and usable_size is exactly the
            size asked for.
        magic: The 32-bit number in the header of every live block.
        zero_on_free: True to clear the bytes of a block when it is freed.
        threads: True if several threads may use the heap at a time. False saves the lock; the
            caller then promises that they do not.
        thread_cache: True to let each thread keep small blocks that it frees, up to 1 KiB each, and
            get them back from malloc without the lock: for threads that run at the same time. Every
            check and report holds as without it: a kept block is free for each of them. The block
            that a malloc gets depends on the threads then, peaks count kept blocks as live, and the
            heap takes a 16th of its size more of its own memory. Not with zero_on_free,
            checks='debug' or record.
        base: The address of the region's first byte, a multiple of 16: with 0, addresses are
            offsets into the region. By default the region's real address. With 0 and no headers the
            first 16 bytes of the region stay unused, so that no payload has the address 0.
        huge_pages: True to ask the system for pages of 2 MiB, in a region of that size or more. The
            first write to each then takes 2 MiB, and a large region is filled faster. By default
            memory that is not written is not taken. Not for Heap.over.
        quarantine: With checks='debug', the bytes of freed blocks that wait, first in, first out,
            before they are handed out again. Until then a second free is DoubleFree, and a late
            write is WriteAfterFree, at check() or when the block leaves. They wait no longer than
            until memory is short: OutOfMemory means that none is left. stats().quarantined has
            their bytes.
        tags: True to note when each block is handed out, and its tag: the argument tag of the calls
            that allocate, or that of `with heap.tagged(tag)`. by_tag(), oldest() and report() tell
            them. A malloc takes a few nanoseconds more, and the heap 8 bytes of its own memory for
            each 16 of the region that blocks begin in. False, the default, begins with the first
            tag that is given.
        record: The path of a file that gets every malloc, realloc and free: its size, alignment,
            tag, thread, time and result; also a request that finds no memory. glassheap.traces.read
            and the commands read it. It is compressed, and whole at any time, also when the program
            is killed. An earlier recording of this name is replaced when the heap is open, no other
            file. A full disk ends the recording, with a line on stderr, and not the program. A
            forked child records nothing. A call takes at most 100 nanoseconds more. Not with
            thread_cache.
        fit, order, coalesce: For sequential_fit only: 'first', 'best' or 'worst' fit, by default
            first; over a list in the order 'address', 'size+', 'size-', 'front' or 'back', by
            default by address; free neighbours are merged (True, the default), or never.

    O(1), and with checks='debug' O(size): the system gives each page when it is first used.

    Raises InvalidSize if and only if size is out of range, InvalidAlignment if base is no multiple
    of 16, OutOfMemory if the system gives no pages, ValueError for an unknown name, for an option
    that the policy does not take, for a magic of more than 32 bits, and for a record with a NUL,
    OSError if the file of record cannot be made or has another recorder, TypeError for an unknown
    option or a value of another type.

    Any number of threads may use one heap, with or without the GIL. A method that changes the heap
    raises HeapDamaged if and only if overwritten bytes were found since the last reset(); every
    method that needs the region raises HeapClosed if and only if close() was called.
    """
    def __init__(self, size: SupportsIndex = 4096, **options: Unpack[_HeapOptions]) -> None: ...
    @staticmethod
    def over(buffer: WriteableBuffer, **options: Unpack[_HeapOptions]) -> Heap:
        """Open a heap inside a writable, contiguous buffer.

        The buffer is a bytearray, array, mmap, SharedMemory.buf, NumPy or ctypes array, or a
        memoryview of one. The region is the largest whole number of granules of 16 bytes in it,
        less a last one, whose bytes check() verifies: a write behind the region is
        OverflowDetected. With base, the region begins where base and the real address agree
        modulo 64 (4096 from 256 KiB on); a larger align may be refused. No byte of the buffer
        outside of these is ever written. The buffer is held, and so cannot be resized or closed,
        until close().

        The options are those of Heap, but for size. O(1), and with checks='debug' O(size).

        Raises BufferError if and only if the buffer is read-only or not contiguous, TypeError for
        an object without a buffer, InvalidSize for a buffer that is too small, RegionInUse if an
        open heap of this process lies over some of the bytes and has not handed them out in a live
        block, and what Heap raises.
        """

    # Blocks by address.
    def malloc(
        self,
        size: SupportsIndex,
        *,
        align: SupportsIndex = 16,
        tag: str | None = None,
        evict: Callable[[list[BlockInfo]], object] | None = None,
        timeout: float | None = None,
    ) -> int:
        """Allocate a block of size bytes and return the address of its payload.

        The payload is aligned to align bytes, a power of two up to a quarter of the region (1 to 16
        all mean 16). The block takes size rounded up to 16, and 16 bytes of header where the heap
        has headers (buddy: that rounded up to a power of two); malloc(0) gives a distinct block
        without payload. The bytes are not cleared. O(log n); O(n) in sequential_fit, O(1) in
        segregated_fit, quick_fit and tlsf; O(n) in quick_fit if free blocks must be joined first.

        tag names the owner, in 1 to 200 bytes of UTF-8, for by_tag(), oldest() and OutOfMemory.
        None is the tag of the context, if tagged() has set one.

        If no free block can serve the request, evict(blocks) is called with the blocks that
        cheapest() finds by their sizes, and is to free them, or others; then malloc tries again, up
        to 8 evictions, as long as each frees one of its blocks. It may call the heap.

        With a timeout, in seconds, it then waits until other threads, and other processes that
        share the heap, free enough. Requests that wait are served in order of arrival, however
        small: a large one is not starved by others that wait, but calls without timeout do not wait
        for it. The GIL is released, and Ctrl-C ends the wait.

        Raises OutOfMemory if and only if no free block can serve the request, also at the end of
        the time, InvalidSize if size is negative, InvalidAlignment for any other align; TypeError
        for no integer, a tag that is no string, and if evict is no function; ValueError for a tag
        that is empty or too long, and a timeout that is negative or NaN; what evict raises;
        HeapDamaged, HeapClosed.
        """
    def calloc(self, count: SupportsIndex, size: SupportsIndex, *, tag: str | None = None) -> int:
        """Allocate count * size bytes, all zero, and return the address of the payload.

        Like malloc(count * size, tag=tag), whatever the product: it never wraps. As malloc, and
        O(count * size) for the clearing.

        Raises OutOfMemory if and only if no free block can serve the product, InvalidSize if count
        or size is negative, ValueError and TypeError as malloc does; HeapDamaged, HeapClosed.
        """
    def realloc(
        self,
        address: SupportsIndex | None,
        size: SupportsIndex,
        *,
        align: SupportsIndex = 16,
        tag: str | None = None,
    ) -> int:
        """Give the block at address another size in bytes, and return its new address.

        The contents stay, up to the smaller of the two sizes. A shrinking block gives back its tail
        in place; a growing one takes the low end of its free right neighbour if that is enough;
        otherwise, or if it is not aligned to align, the block moves. realloc(None, n) is malloc(n);
        realloc(p, 0) keeps a block of size 0. The block keeps its age, and its tag unless another
        one is given. O(1) in place, else as malloc and free, and O(size) for the copy.

        Raises OutOfMemory if and only if the block has to move and no free block can serve, with
        the old block untouched; what free raises for a bad address; BufferError while a view of the
        block lives; InvalidSize if size is negative; InvalidAlignment, ValueError, TypeError,
        HeapDamaged, HeapClosed, as malloc does.
        """
    def free(self, address: SupportsIndex | Block | None) -> None:
        """Give back the block with that payload address, and merge it with its free neighbours.

        A Block is freed as by its own free(). free(None) and free(0) do nothing. O(1) or O(log n);
        with sequential_fit O(n).

        Raises DoubleFree if and only if the memory there is free already, InteriorPointer inside a
        live block but not at its payload, MisalignedPointer where no block can start,
        ForeignPointer outside the region and for a Block of another heap, StaleHandle for a Block
        whose memory was given back before; BadMagic or HeaderCorrupted if the header in front of
        the payload was overwritten, FreeListCorrupted if the node of a free block that it is merged
        with was, OverflowDetected in a debug heap if a byte behind the payload was; BufferError
        while a view of the block lives; TypeError for no integer; HeapDamaged, HeapClosed. Whatever
        it raises, nothing has changed.
        """
    def usable_size(self, address: SupportsIndex) -> int:
        """Return how many bytes may be written at address: the size asked for, rounded up to 16.

        In a debug heap it is exactly the size asked for. O(log n).

        Raises what free raises for a bad address or a damaged header; HeapClosed.
        """
    def view(self, address: SupportsIndex | Block) -> memoryview:
        """Return a writable memoryview of exactly the bytes asked for, without a copy.

        Of a Block it is the view that memoryview(block) gives.

        The view pins the block: free, realloc, reset and close raise BufferError until the view,
        and each slice and array made of it, is gone or released. It keeps the heap's memory alive.
        O(log n).

        Raises what free raises for a bad address or a damaged header; HeapClosed.
        """
    def alloc(
        self,
        size: SupportsIndex,
        *,
        align: SupportsIndex = 16,
        tag: str | None = None,
        evict: Callable[[list[BlockInfo]], object] | None = None,
        timeout: float | None = None,
    ) -> Block:
        """Allocate size bytes and return a Block, which frees itself.

        The Block exports its bytes through the buffer protocol, frees them when it is collected,
        when a with statement over it ends, or by its free(), and detects that it is stale. It takes
        as long as malloc, and has the same other arguments.

        Raises what malloc raises.
        """
    def malloc_many(
        self, sizes: Sequence[SupportsIndex] | ReadableBuffer, *, tag: str | None = None
    ) -> array[int]:
        """Allocate a block for each of sizes, and return their addresses as an array('Q').

        sizes is a buffer of integers, or a sequence, of sizes in bytes. The addresses are those
        that as many calls of malloc would give, each with this tag. It succeeds whole or changes
        nothing. It takes at most as long as that many calls of malloc. The GIL is released.

        Raises what malloc raises.
        """
    def free_many(self, addresses: Sequence[SupportsIndex | None] | ReadableBuffer) -> None:
        """Give back the block at each of addresses.

        addresses is a buffer of integers, or a sequence; None and 0 are skipped. The blocks are
        freed from the highest address down, whatever their order here. It succeeds whole or changes
        nothing; an address that occurs twice is a DoubleFree. It takes at most as long as that many
        calls of free. The GIL is released.

        Raises what free raises.
        """

    # NumPy arrays.
    def array(
        self,
        shape: SupportsIndex | Sequence[SupportsIndex],
        dtype: DTypeLike = ...,
        *,
        align: SupportsIndex = 64,
        order: Literal["C", "F"] = "C",
        tag: str | None = None,
    ) -> NDArray[Any]:
        """Return a new ndarray whose elements are a block of the heap, as numpy.empty would.

        It starts at a multiple of align bytes, a power of two up to a quarter of the region, and
        its elements are not initialised; tag is that of malloc. While it lives, or any view of it,
        the block is pinned as by Heap.view; with the last of them it is freed. It takes as long as
        malloc.

        In a SharedHeap it is a SharedArray, which travels to other processes as a handle: the block
        is freed with the last array over it, in whatever process.

        Raises ImportError if and only if numpy is missing (pip install numpy), ValueError for an
        invalid shape or order, TypeError for a dtype that holds Python objects, and what malloc
        raises.
        """
    def copy(
        self, array: ArrayLike, *, align: SupportsIndex = 64, tag: str | None = None
    ) -> NDArray[Any]:
        """Return a copy of an array, or of anything that makes one, in a block of the heap.

        Shape, dtype and layout are those of numpy.copy(array); align is in bytes, tag that of
        malloc. O(size).

        Raises what array raises.
        """

    def block_of(self, array: object, /) -> Block:
        """Return the Block in which the bytes of an array lie.

        array is one of Heap.array, Heap.copy or Block.numpy, a view of it, a memoryview of a block,
        or an array that NumPy made under glassheap.numpy.use. An array over a Block gives that very
        Block; otherwise it is one that does not free its memory when it is collected. O(log n).

        Raises ForeignPointer if and only if the bytes lie outside of the region, ValueError if they
        lie inside, but are not those of one live block, as those of Heap.region are not; TypeError
        for an object without bytes, and in a heap that has none; HeapClosed.
        """

    # Queries.
    @property
    def size(self) -> int:
        """The bytes of the region, a multiple of 16."""
    @property
    def policy(self) -> str:
        """The name of the placement policy."""
    @property
    def headers(self) -> bool:
        """True if a header of 16 bytes precedes each payload."""
    @property
    def checks(self) -> _Checks:
        """The extent of the checks: 'robust' or 'debug'."""
    @property
    def magic(self) -> int:
        """The magic number in the header of each live block, of 32 bits."""
    @property
    def base(self) -> int:
        """The address of the region's first byte, from which this heap counts."""
    @property
    def address(self) -> int:
        """The real address of the region's first byte."""
    @property
    def granule(self) -> int:
        """The bytes of which every extent is a multiple: 16."""
    @property
    def closed(self) -> bool:
        """True if close() was called."""
    @property
    def region(self) -> memoryview:
        """A read-only memoryview of every byte of the region.

        While it lives, close() raises BufferError. O(1). Raises HeapClosed.
        """
    def free_list(self) -> list[FreeBlock]:
        """Return the free blocks in list order, as FreeBlock(address, size).

        address is the node's: the first byte of the free block; size is the payload that the node
        offers, in bytes. In a damaged heap the list ends at the first broken node. O(n).

        Raises HeapClosed.
        """
    def walk(self) -> list[BlockInfo]:
        """Return every block, live and free, in address order, as BlockInfo.

        The extents, in bytes, add up to the region, whatever state the bytes are in. O(n).

        Raises HeapClosed.
        """
    def cheapest(
        self,
        size: SupportsIndex,
        *,
        align: SupportsIndex | None = None,
        cost: Callable[[BlockInfo], SupportsFloat | None] | ReadableBuffer | None = None,
    ) -> Eviction | None:
        """Return the live blocks of least cost whose release makes room for malloc(size), or None.

        They are an Eviction(blocks, cost, address, size): the blocks as walk() has them, in address
        order; the sum of their costs; and the one hole that they make, as walk() would then give
        it: the address of a payload in it, and the bytes on offer. There are no blocks if the
        request fits now. None means that no set of blocks would do. Of sets of equal cost it is the
        one that ends at the lowest address.

        align is that of malloc; None stands for a malloc without one.

        cost(block) is a number from 0 upwards, or None for a block that must stay; by default it is
        the block's size in bytes. Or cost is a buffer of doubles, such as array('d'), with one
        number for each live block in the order of walk(), infinity for one that must stay. A block
        with a view always stays. Nothing is changed, and costs are asked for without a lock: the
        answer is about the heap as it was when the call began.

        O(n), without the GIL but for the costs. A heap of sequential_fit whose list is not by
        address takes O(n^3 log n), and its blocks must be freed in the given order.

        Raises ValueError if and only if a cost is negative or NaN, or the buffer has another
        length; TypeError for a cost of another type; what cost raises; InvalidSize,
        InvalidAlignment, HeapDamaged, HeapClosed, as malloc does.
        """
    def _malloc_in_turn(
        self, ticket: int, bell: int, size: SupportsIndex, align: SupportsIndex | None, /
    ) -> tuple[int | None, int]:
        """Return (address, 0) if the request is served in its turn, else (None, ticket).

        Of an event loop, which calls again with the ticket when it hears the bell.
        """
    def _leave_line(self, ticket: int, /) -> None:
        """Give up the place of that ticket among the requests that wait; 0 is none."""
    def check(self) -> list[Finding]:
        """Verify every rule of the heap, and return each violation, as a Finding.

        Headers: magic, size, seal. Nodes: size, next, record, head. Neighbours, coverage, counters.
        With checks='debug' redzones and the fill of free memory, every byte. A finding's culprit is
        the live block that most likely wrote there. An empty list means a sound heap; anything else
        makes the heap damaged. The GIL is released. O(n log n), in a debug heap O(size).

        Raises HeapClosed.
        """
    # Owners.
    def tagged(self, tag: str) -> AbstractContextManager[Self]:
        """Give a tag to each block that is allocated in this heap inside a with statement.

        The tag is set for the thread, or the asyncio task, that entered the statement, by a
        ContextVar, and for this heap alone. Statements may be nested: the innermost counts, and the
        argument tag of a call before it. A block that is reallocated keeps its own. O(1); now and
        then O(n), to drop tags that no block has any more.

        Raises ValueError if and only if the tag is empty or has more than 200 bytes of UTF-8,
        TypeError if it is no string; HeapClosed.
        """
    def by_tag(self) -> list[TagUsage]:
        """Return a TagUsage for each tag that live blocks have, the most bytes first.

        The blocks without a tag are one of them, under None. Ages are in seconds, with a resolution
        of 1/32 s. A block from before the heap began to keep tags has none, and is at least as old
        as it says; of a heap that keeps none, every age is 0. A shared heap knows the tags of the
        blocks that this process has allocated; all others are under None. O(n log n).

        Raises HeapClosed.
        """
    def oldest(self, count: SupportsIndex = 10) -> list[TaggedBlock]:
        """Return the oldest live blocks, at most count of them, as TaggedBlock, the oldest first.

        Blocks of the same age are in address order; sizes are in bytes, ages in seconds. What
        by_tag() says about tags and ages holds here too. O(n log count).

        Raises InvalidSize if and only if count is negative, TypeError for no integer; HeapClosed.
        """
    def report(self) -> Report:
        """Return a Report: sizes in bytes, tags, the oldest blocks, and refused calls by reason.

        str(report) is a text of one screen, report.to_json() the same as JSON. Its parts are read
        one after the other, each of one moment. O(n log n).

        Raises HeapClosed if and only if the heap is closed.
        """
    def _refusals(self) -> dict[str, int]:
        """Return how often calls of this process were refused, by reason."""
    def _diagnose(
        self, requested: int, available: int, largest: int, free_blocks: int, align: int, /
    ) -> Diagnosis:
        """Return the Diagnosis of an OutOfMemory, from its attributes."""
    def _explain(
        self, requested: int, available: int, largest: int, free_blocks: int, align: int, /
    ) -> str:
        """Return the message of an OutOfMemory, from its attributes."""
    @staticmethod
    def _fragmentation_index(requested: int, available: int, free_blocks: int, /) -> float:
        """Return the fragmentation_index of an OutOfMemory, from its attributes."""
    def stats(self) -> HeapStats:
        """Return a HeapStats, whose sizes are in bytes.

        Takes as long as largest_free(), at most O(n); in buddy and sequential_fit, where free
        blocks may touch, also O(1) for each free block behind the last live one.

        Raises HeapClosed.
        """
    def available_memory(self) -> int:
        """Return the sum of the sizes in the free list, in bytes.

        O(1), and in a debug heap with headers O(n). Raises HeapClosed.
        """
    def largest_free(self) -> int:
        """Return the largest size that malloc can serve, in bytes; 0 also if there is none.

        O(1) in first_fit and next_fit, O(log n) in best_fit and worst_fit; O(n) in the blocks of
        the highest bin that has any in segregated_fit, quick_fit, tlsf and buddy, and in all free
        blocks in sequential_fit. In quick_fit a larger request may be served too, by free blocks
        that touch and are joined for it.

        Raises HeapClosed.
        """
    def own_memory(self) -> int:
        """Return the bytes that the heap takes outside its region.

        They are block map, index, the records of free blocks, the heap itself, and with tags 8
        bytes for each 16 of the region. A record takes 16 bytes and has the links of a block.
        segregated_fit, quick_fit, tlsf, buddy and sequential_fit have records, as many as there
        were free blocks at one time since the last reset().

        O(1). Raises HeapClosed.
        """
    def __len__(self) -> int:
        """Return the number of live blocks. O(1). Raises HeapClosed."""
    def __bool__(self) -> bool:
        """Return True, also for a heap without a live block."""
    def __contains__(self, candidate: object, /) -> bool:
        """Return True if and only if candidate is the payload address of a live block.

        O(log n). Raises HeapClosed.
        """
    def __iter__(self) -> Iterator[int]:
        """Return an iterator over the payload addresses of the blocks that are live now.

        They are in ascending order. O(n). Raises HeapClosed.
        """

    # Pictures.
    def print_free_list(self, file: SupportsWrite[str] | None = None) -> None:
        """Print the sizes in list order, in bytes, on one line: Free(112)->Free(3824).

        To file, or standard output. Without a free block it prints (none). O(n). Raises HeapClosed.
        """
    async def amalloc(
        self,
        size: SupportsIndex,
        *,
        align: SupportsIndex | None = None,
        tag: str | None = None,
        timeout: float | None = None,
    ) -> int:
        """Allocate as malloc does, and wait in an event loop until others free enough.

        align and tag are as in malloc. timeout is in seconds; None waits without end. The coroutine
        waits in the same line as the threads that wait in malloc, of all processes that share the
        heap, and is served in order of arrival. No thread is blocked. A coroutine that is cancelled
        takes nothing. It takes as long as malloc if it need not wait, and else O(1) for each time
        that it may be its turn.

        Raises what malloc raises: OutOfMemory if and only if no free block can serve the request at
        the end of the time; ValueError for a timeout that is negative or NaN.
        """
    def show(self, *, file: SupportsWrite[str] | None = None, width: int | None = None) -> None:
        """Print a map of the region, to scale: headers, payloads, rounding and free bytes.

        To file, or standard output; width in columns, at least 24, or that of the terminal. O(n).

        Raises HeapClosed if and only if the heap is closed.
        """
    def hexdump(self, address: SupportsIndex, *, file: SupportsWrite[str] | None = None) -> None:
        """Print the bytes of the block at address, header or node and payload marked.

        address is that of a payload, or of the first byte of a block. To file, or standard output.
        O(n).

        Raises InvalidPointer if and only if no block has that address: ForeignPointer outside the
        region, MisalignedPointer between two granules of 16 bytes, InteriorPointer otherwise;
        HeapClosed.
        """
    def _repr_html_(self) -> str:
        """Return the map as an inline SVG, for notebooks; of a closed heap, its repr. O(n)."""

    # The heap as a whole.
    def reset(self) -> None:
        """Free every block, whatever state the heap is in: it is as new, and not damaged.

        Addresses handed out before are refused until they are handed out again; a Block is stale.
        O(n).

        Raises BufferError if and only if a view of a block lives; HeapClosed.
        """
    def close(self) -> None:
        """Give the region back to the system; every later use raises HeapClosed.

        Closing twice does nothing. O(1).

        Raises BufferError if and only if a view of a block, or of the region, lives.
        """
    def __enter__(self) -> Self:
        """Return the heap itself, which the end of the with statement closes.

        Raises HeapClosed if and only if close() was called.
        """
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        """Close the heap. Raises what close raises."""

class OffsetHeap(Heap):
    """A heap over memory that it never touches: it hands out offsets, and keeps its data elsewhere.

    For memory of a GPU, a file on disk, a texture atlas, pages of a cache: whatever has a size.
    Offsets count from 0, and 0 is one like any other. Every method of Heap works, in bytes of that
    memory, but for those that read or write it: view, calloc, array, copy, block_of, hexdump,
    region, address and the buffer of a Block raise TypeError (BufferError where the buffer protocol
    asks).

    Args:
        size: Bytes of the memory, from a granule to 2**63, rounded down to a multiple of the
            granule, and at most 4,294,967,295 granules.
        granule: A power of two from 1 to 2**40. Every block takes a whole number of so many bytes,
            so no smaller hole is ever left.
        policy: The placement policy, by name or as a Policy, as in Heap.
        align: The alignment of a block if a call asks for none, a power of two up to a quarter of
            the size. By default a granule. If it is more, a refused malloc_many gives back the
            blocks that it had taken: the free list may then be in another order.
        threads, thread_cache: As in Heap; a thread keeps blocks of up to 64 granules.
        tags, record: As in Heap.
        fit, order, coalesce: For sequential_fit only, as in Heap.

    For each granule the heap takes 16 bytes of its own memory when a block has begun there, and
    at most one byte before. The policy's records of free blocks come on top. own_memory() counts
    all of it, as if a block had begun at every granule. O(1).

    Raises InvalidSize if and only if size is out of range, InvalidAlignment if granule or align is,
    OutOfMemory if the system gives no pages, ValueError for an unknown name, for an option that
    the policy does not take, and for a record with a NUL, OSError if the file of record cannot be
    made or has another recorder, TypeError for an unknown option or a value of another type.
    """
    def __init__(self, size: SupportsIndex, **options: Unpack[_OffsetHeapOptions]) -> None: ...

    # Blocks by offset.
    def malloc(
        self,
        size: SupportsIndex,
        *,
        align: SupportsIndex | None = None,
        tag: str | None = None,
        evict: Callable[[list[BlockInfo]], object] | None = None,
        timeout: float | None = None,
    ) -> int:
        """Allocate a block of size bytes and return its offset, which may be 0.

        The block takes size rounded up to the granule, at least one (buddy: that rounded up to a
        power of two). Its offset is a multiple of align, a power of two up to a quarter of the
        region, by default the heap's own align, and of the granule. O(log n); O(n) in
        sequential_fit, O(1) in segregated_fit, quick_fit and tlsf; O(n) in quick_fit if free blocks
        must be joined first. tag, evict and timeout are as in Heap.malloc.

        Raises OutOfMemory if and only if no free block can serve the request, InvalidSize if size
        is negative, InvalidAlignment for any other align, ValueError and TypeError as Heap.malloc
        does; what evict raises; HeapDamaged, HeapClosed.
        """
    def realloc(
        self,
        address: SupportsIndex | None,
        size: SupportsIndex,
        *,
        align: SupportsIndex | None = None,
        tag: str | None = None,
        move: Callable[[int, int, int], object] | None = None,
    ) -> int:
        """Give the block at that offset another size in bytes, and return its new offset.

        A shrinking block gives back its tail; a growing one takes the low end of its free right
        neighbour if that is enough. Otherwise, or if its offset is no multiple of align, it must
        move, and the heap cannot copy its bytes. So it calls move(old, new, size), once: with both
        offsets, and the number of bytes to copy, the smaller of the two sizes. Both blocks are live
        meanwhile, and cannot be freed. The old one is freed when move returns. If move raises, the
        new one is, and the old one stays. stats() counts a move as a malloc and a free.

        realloc(None, n) is malloc(n); realloc(p, 0) keeps a block of a granule. The block keeps its
        age, and its tag unless another one is given. O(1) in place, else as malloc and free.

        Raises MustMove if and only if the block must move and there is no move; OutOfMemory if it
        must and no free block can serve, with the old block untouched; what move raises; what free
        raises for a bad address; InvalidSize if size is negative; InvalidAlignment, ValueError,
        TypeError, HeapDamaged, HeapClosed, as malloc does.
        """
    def free(self, address: SupportsIndex | Block | None) -> None:
        """Give back the block at that offset, and merge it with its free neighbours.

        A Block is freed as by its own free(). free(None) does nothing; free(0) frees the block at
        0. O(1) or O(log n); with sequential_fit O(n).

        Raises DoubleFree if and only if the memory there is free already, InteriorPointer inside a
        live block but not at its start, MisalignedPointer at no multiple of the granule,
        ForeignPointer outside the region and for a Block of another heap, StaleHandle for a Block
        whose memory was given back before; HeapError while a realloc moves the block;
        FreeListCorrupted if the heap's own data was overwritten; TypeError for no integer;
        HeapDamaged, HeapClosed. Whatever it raises, nothing has changed.
        """
    def usable_size(self, address: SupportsIndex) -> int:
        """Return the bytes of the block at that offset: the size asked for, in whole granules.

        O(log n).

        Raises what free raises for a bad address; HeapClosed.
        """
    def alloc(
        self,
        size: SupportsIndex,
        *,
        align: SupportsIndex | None = None,
        tag: str | None = None,
        evict: Callable[[list[BlockInfo]], object] | None = None,
        timeout: float | None = None,
    ) -> Block:
        """Allocate size bytes and return a Block, which frees itself.

        The Block has its offset as address, and no bytes. It frees them when it is collected, when
        a with statement over it ends, or by its free(), and detects that it was freed. It takes as
        long as malloc.

        Raises what malloc raises.
        """

    # Queries.
    @property
    def granule(self) -> int:
        """The bytes of which every offset and extent is a multiple."""
    @property
    def align(self) -> int:
        """The alignment of a block if a call asks for none, in bytes."""

class SharedHeap(Heap):
    """A heap that many processes use at once: in shared memory, a file, or a mapped buffer.

    Made by SharedHeap.create and attached to by SharedHeap.attach. Everything is in the segment:
    the blocks, which of them are free, the policy's index, the lock. Addresses are offsets, the
    same in every process. If a process is killed inside a call, the next process recovers the heap:
    at most the block in flight is lost, and stats().recovered counts it. Every wait for another
    process ends after timeout seconds with LockTimeout. Other threads run during a wait, and a
    signal handler that raises, as that of Ctrl-C does, ends it.

    A view pins its block in this process only: free a block when no other process uses it, or
    share() it. What a child inherits by fork stays its parent's: only an explicit free() frees it
    there.
    """
    def __init__(self, *arguments: Never, **options: Never) -> None: ...
    @staticmethod
    def create(
        name: str | None = None,
        size: SupportsIndex | None = None,
        *,
        path: _Path | None = None,
        buffer: WriteableBuffer | None = None,
        timeout: float = 10.0,
        **options: Unpack[_SharedHeapOptions],
    ) -> SharedHeap:
        """Make a heap of size bytes in a new segment, and return it.

        The segment is POSIX shared memory of that name (by default an unused one), or the file at
        path, or the mapped bytes of buffer, which have a size of their own. timeout is the longest
        wait for another process, in seconds. Options are those of Heap that concern its blocks:
        policy, headers, checks, magic, zero_on_free, fit, order, coalesce; and record, for the
        calls of this process. Used in a with statement, shared memory is unlinked when its creator
        leaves it; a file stays. O(1), and with checks='debug' O(size).

        Raises FileExistsError if and only if there is one already, OSError where there is no room
        or no permission, ValueError for a name or a path that no file can have, RegionInUse if an
        open heap of this process overlaps buffer, and what Heap raises.
        """
    @staticmethod
    def attach(
        name: str | None = None,
        *,
        path: _Path | None = None,
        buffer: WriteableBuffer | None = None,
        policy: _Policy | None = None,
        timeout: float = 10.0,
        record: _Path | None = None,
    ) -> SharedHeap:
        """Return the heap of that name, at that path, or in that buffer.

        timeout is the longest wait for another process, in seconds. If no living process has the
        heap, every block is verified: O(n). record is as in create.

        The space of a sparse file is reserved.

        Raises FileNotFoundError if and only if there is none, BadImage if it is no heap, is
        damaged, or has another policy than asked for, AttachTimeout if the creator of a heap in a
        buffer has not finished within the timeout, TypeError without a place, ValueError for a path
        that no file can have, OSError if the system refuses or there is no space, RegionInUse if
        buffer overlaps an open heap of this process other than an attachment to the same bytes.
        """
    @property
    def name(self) -> str | None:
        """The segment's name in shared memory; None for a file or a buffer."""
    @property
    def path(self) -> str | None:
        """The file's path, or None."""
    def block(self, address: SupportsIndex) -> Block:
        """Return a Block for the live block at address.

        It does not free the block when it is collected. O(log n). Raises what usable_size raises.
        """
    def owners(self) -> list[OwnedBlock]:
        """Return an OwnedBlock for each live block: the process that allocated it, dead or alive.

        O(n). Raises HeapClosed.
        """
    def reap(self, *, unopened: float | None = None) -> int:
        """Drop the references of dead processes to blocks; return how many blocks that freed.

        A pickled copy that no process has opened has a reference of the process that pickled it.
        With unopened, a number of seconds, such references that are as old as that are dropped too,
        also if that process lives. As long as that many calls of free, and at most O(h * h) for h
        references, of 4096.

        Raises ValueError if and only if unopened is negative, TypeError if it is no number; what
        Heap.free raises for overwritten bytes; HeapDamaged, HeapClosed.
        """
    def flush(self) -> None:
        """Wait until the disk has all bytes written to the file. No effect in shared memory.

        While no call follows, a power failure leaves the heap as it is now. After later calls,
        attach or glassheap fsck --rebuild makes the file whole (see docs/shared.md).

        The heap's lock is held while the disk writes: other processes wait, as long as their
        timeout. O(size).

        Raises OSError if and only if the system refuses; LockTimeout, HeapClosed.
        """
    def backup(self, path: str | bytes | PathLike[str] | PathLike[bytes]) -> None:
        """Write the heap of one moment to a new file at path, while other processes use it.

        The file is a heap of its own, which can be attached to, and is on the disk when backup
        returns. It gets its name when it is complete. The heap's lock is held while the bytes are
        copied to memory, and not while the disk writes. Until then backup takes as much memory as
        the heap has. O(size).

        Raises FileExistsError if and only if there is a file already, OSError where there is no
        room, no memory or no permission, ValueError for a path that no file can have; LockTimeout,
        HeapClosed.
        """
    def _backup(self, path: bytes, /) -> None:
        """Write the heap to a new file; path is bytes."""
    def unlink(self) -> None:
        """Remove the name or the file: no process can attach any more.

        Attached processes keep the heap. O(1).

        Raises FileNotFoundError if and only if it is gone already, OSError if the system refuses.
        """
    def __reduce__(self) -> tuple[Callable[..., SharedHeap], tuple[Any, ...]]:
        """Pickle the heap as the way to attach to it.

        Unpickling raises AttachError if and only if it cannot be attached to.
        """

    # For glassheap.images and glassheap.shared.
    @staticmethod
    def _attach_copy(
        buffer: WriteableBuffer, mend: bool = False, original: bytes = b""
    ) -> SharedHeap:
        """Attach to a copy of an image that no other process has.

        original is the path of the file that it was copied from, which tells who lives. With
        mend, a broken block map is rebuilt from the headers.
        """
    def _copy_into(self, buffer: WriteableBuffer, /) -> None:
        """Copy the whole segment into a writable buffer, between two calls."""
    def _receive(self, address: int, size: int, epoch: int, serial: int, ticket: int, /) -> Block:
        """Return the Block of a pickled copy.

        It takes over the reference with this ticket, or adds one if that was taken or dropped. If
        the ticket is 0, it has none.
        """
    @property
    def _number(self) -> int:
        """The number of this attachment in the segment; 0 if it has none."""
    @property
    def _identity(self) -> tuple[int, int]:
        """A random number of the segment, as two of 64 bits."""

class SharedOffsetHeap(OffsetHeap, SharedHeap):
    """An OffsetHeap that many processes use at once: only its own data is in the shared segment.

    Made by SharedOffsetHeap.create and attached to by SharedOffsetHeap.attach. The memory that it
    describes, of a GPU or a file on disk, is the processes' own affair; each gets the same offsets.
    The segment has at most 19 bytes for each granule, beside the records of free blocks, and what a
    SharedHeap has. Lock, recovery, owners and references are those of SharedHeap; malloc, free and
    realloc those of OffsetHeap.
    """
    def __init__(self, *arguments: Never, **options: Never) -> None: ...
    @staticmethod
    def create(  # type: ignore[override]  # it takes no option about bytes
        name: str | None = None,
        size: SupportsIndex | None = None,
        *,
        path: _Path | None = None,
        buffer: WriteableBuffer | None = None,
        timeout: float = 10.0,
        **options: Unpack[_SharedOffsetHeapOptions],
    ) -> SharedOffsetHeap:
        """Make a heap over size bytes of memory, its own data in a new segment, and return it.

        The segment is POSIX shared memory of that name (by default an unused one), or the file at
        path, or the mapped bytes of buffer, which must be enough. timeout is the longest wait for
        another process, in seconds. Options are those of OffsetHeap but threads, thread_cache, tags
        and align. Used in a with statement, shared memory is unlinked when its creator leaves it; a
        file stays. O(1).

        Raises FileExistsError if and only if there is one already, OSError where there is no room
        or no permission, ValueError for a name or a path that no file can have, RegionInUse if an
        open heap of this process overlaps buffer, InvalidSize if size is out of range or buffer too
        small for it, and what OffsetHeap raises.
        """
    @staticmethod
    def attach(
        name: str | None = None,
        *,
        path: _Path | None = None,
        buffer: WriteableBuffer | None = None,
        policy: _Policy | None = None,
        timeout: float = 10.0,
        record: _Path | None = None,
    ) -> SharedOffsetHeap:
        """Return the heap of offsets of that name, at that path, or in that buffer.

        As SharedHeap.attach; each class raises BadImage for a heap of the other.
        """

@final
class Block:
    """Memory that frees itself; made by Heap.alloc.

    The buffer protocol gives exactly the bytes asked for, writable: memoryview(block),
    bytes(block). block[0] is a byte and block[:4] a copy of four; block[:4] = b"four" writes them.
    The memory is given back when a with statement over the block ends, by free(), or when the block
    is collected. A block whose memory was freed by its address, or whose heap was reset, is stale:
    its uses raise StaleHandle, also after the address was handed out again, because the serial then
    differs.
    """
    @property
    def heap(self) -> Heap:
        """The Heap of the block."""
    @property
    def address(self) -> int:
        """The address of the payload, as malloc would have returned it."""
    @property
    def size(self) -> int:
        """The bytes asked for."""
    @property
    def serial(self) -> int:
        """The allocation number in its heap, modulo 65,536."""
    @property
    def live(self) -> bool:
        """True if the memory still belongs to this block. O(log n)."""
    @property
    def shared(self) -> bool:
        """True if share() was called."""
    @property
    def _epoch(self) -> int:
        """The number of resets of its heap before it was allocated."""
    def free(self) -> None:
        """Give the memory back.

        As long as Heap.free. Raises StaleHandle if and only if it was given back before,
        BufferError while a view of it lives; what Heap.free raises for overwritten bytes;
        HeapDamaged, HeapClosed.
        """
    def share(self) -> Self:
        """Make this Block one of several references to its memory, and return it.

        For a block of a SharedHeap only. From then on free(), the end of a with statement and
        collection drop the reference; the last one, in whatever process, frees the memory. A
        pickled copy is a further reference, held by each process that opens it, and by this one
        until it is opened. References of a process that died are dropped by SharedHeap.reap().
        O(log n), and a search of at most 4096 references.

        Raises TypeError if and only if its heap is not shared, StaleHandle if the memory was given
        back before, TooManyReferences if 4096 are in use; HeapDamaged, HeapClosed.
        """
    def _send(self) -> int:
        """Add a reference, for a copy that is on its way, and return its ticket."""
    def _share_and_send(self) -> int:
        """Share the block, and add a reference for a copy of an array over it; return its ticket.

        0 for a Block that does not free its memory.
        """
    def numpy(
        self,
        dtype: DTypeLike = "u1",
        shape: SupportsIndex | Sequence[SupportsIndex] | None = None,
    ) -> NDArray[Any]:
        """Return an ndarray over the bytes of the block, without a copy.

        Without a shape it has one axis, and all bytes of the block. While it lives, or any view of
        it, the block is pinned as by Heap.view. In a SharedHeap it is a SharedArray. O(log n).

        Raises ImportError if and only if numpy is missing (pip install numpy), ValueError for a
        shape that needs more bytes than the block has, and without a shape if they are no whole
        number of elements, TypeError for a dtype that holds Python objects, and what Heap.view
        raises.
        """
    def __dlpack__(
        self,
        *,
        stream: object = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> CapsuleType:
        """Return a capsule of DLPack, for numpy.from_dlpack, torch.from_dlpack and others.

        Its tensor has one axis, and the bytes of the block as unsigned integers of 8 bits. It pins
        the block until the consumer deletes it; with copy=True it has a copy of the bytes. The
        capsule is one of version 1 of the standard if max_version, the latest version that the
        consumer knows, is (1, 0) or later. O(log n), and O(size) for a copy.

        Raises BufferError if and only if dl_device, the device asked for, is not the CPU, (1, 0),
        or stream is not None; TypeError for arguments of other types, and what Heap.view raises.
        """
    def __dlpack_device__(self) -> tuple[int, int]:
        """Return the device of the bytes, as DLPack counts devices: (1, 0), the CPU. O(1)."""
    def __reduce__(self) -> tuple[Callable[..., Block], tuple[Any, ...]]:
        """Pickle the block as its place in its heap. Raises TypeError if the heap is not shared."""
    def __len__(self) -> int:
        """Return the bytes asked for."""
    @overload
    def __getitem__(self, key: SupportsIndex, /) -> int:
        """Return the byte at an index, or a copy of the bytes of a slice.

        Raises IndexError if and only if the index is out of range, TypeError for a key of another
        type, and what Heap.view raises.
        """
    @overload
    def __getitem__(self, key: slice, /) -> bytes:
        """Return the byte at an index, or a copy of the bytes of a slice.

        Raises IndexError if and only if the index is out of range, TypeError for a key of another
        type, and what Heap.view raises.
        """
    @overload
    def __setitem__(self, key: SupportsIndex, value: SupportsIndex, /) -> None:
        """Write a byte at an index, or the bytes of a slice, from an object with a buffer.

        Raises IndexError if and only if the index is out of range, ValueError for another number of
        bytes or no byte, TypeError for a key or value of another type, and what Heap.view raises.
        """
    @overload
    def __setitem__(self, key: slice, value: ReadableBuffer, /) -> None:
        """Write a byte at an index, or the bytes of a slice, from an object with a buffer.

        Raises IndexError if and only if the index is out of range, ValueError for another number of
        bytes or no byte, TypeError for a key or value of another type, and what Heap.view raises.
        """
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __enter__(self) -> Self:
        """Return the block itself, which the end of the with statement frees."""
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        """Free the block, unless free() was called. Raises what free raises."""

@final
class Player:
    """Runs the operations of a trace on a heap.

    Args:
        heap: The Heap to run on, through the same calls that its methods make.
        id_count: How many blocks the trace numbers, from 0.
    """
    def __init__(self, heap: Heap, id_count: SupportsIndex) -> None: ...
    @property
    def failures(self) -> int:
        """Allocations that no free block could serve."""
    @property
    def first_failure(self) -> int:
        """The index of the first of them, or -1."""
    @property
    def nanoseconds(self) -> int:
        """The time spent in play so far."""
    @property
    def excesses(self) -> tuple[_Excess, _Excess]:
        """How much more is used than live: against requested bytes, and against taken bytes.

        Each is (sum of used / live over the operations after which any byte is live, their number,
        operation with most live, live then, used then, that with most used, live then, used then).
        """
    @property
    def sizes(self) -> dict[int, int]:
        """The bytes asked for in each live block, by its address, if measure has run alone."""
    def measure(
        self,
        kinds: ReadableBuffer,
        ids: ReadableBuffer,
        sizes: ReadableBuffer,
        start: SupportsIndex,
        stop: SupportsIndex,
        aligns: ReadableBuffer | None = None,
    ) -> int:
        """Run the operations as play does, and measure the heap after each. No time is counted.

        Raises what play raises.
        """
    def play(
        self,
        kinds: ReadableBuffer,
        ids: ReadableBuffer,
        sizes: ReadableBuffer,
        start: SupportsIndex,
        stop: SupportsIndex,
        stop_at_failure: bool = False,
        aligns: ReadableBuffer | None = None,
    ) -> int:
        """Run the operations from start up to stop, and return the first that was not run.

        kinds holds 0 for malloc, 1 for realloc, 2 for free, in bytes; ids the blocks, in 32 bits;
        sizes and aligns the bytes asked for, in 64. A block is aligned as the heap aligns each, or
        more if aligns has a larger power of two; 0 there, or no aligns, asks for nothing. The GIL
        is released. With stop_at_failure it stops at the first allocation that no free block can
        serve; otherwise that block stays empty, and the run goes on. An alignment that the heap
        does not serve is such a failure.

        Raises ValueError if and only if the columns are no trace, and what malloc, realloc and free
        raise for a damaged or closed heap.
        """

@final
class _TraceReader:
    """Reads the frames of a recording, whose file has this header."""
    def __init__(self, header: ReadableBuffer) -> None: ...
    @property
    def events(self) -> int:
        """Calls read so far, those that failed included."""
    @property
    def waiting(self) -> int:
        """Operations that take() would return."""
    @property
    def id_count(self) -> int:
        """The maximum of the blocks live at a time."""
    @property
    def peak_live(self) -> int:
        """The maximum of the bytes requested in live blocks."""
    @property
    def tag_names(self) -> list[str]:
        """The tags by their numbers; the first is that of no tag."""
    @property
    def facts(self) -> list[str]:
        """Lines of text about the recording as a whole."""
    @property
    def oddities(self) -> list[tuple[int, int]]:
        """Counts and first lines of unknown blocks, reused addresses and resets."""
    def add_frame(self, header: ReadableBuffer, packed: ReadableBuffer) -> bool:
        """Read a frame; return False if it is damaged. The calls before the damage are kept."""
    def add_open(self, block: ReadableBuffer) -> bool:
        """Read the bytes of an open block; return False if they are damaged."""
    def take(
        self,
    ) -> tuple[bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, list[tuple[Any, ...]]]:
        """Return the operations read since the last call, and the requests that failed.

        The columns are bytes: kinds, ids, sizes, lines, aligns, tags, threads, times, as in
        glassheap.traces.Columns; then a list with a tuple for each failed request: position, line,
        kind, size, align, tag, thread, time, block or None, True for a part of a batch.
        """

@final
class _TraceWriter:
    """Writes a trace as a recording."""
    def __init__(self, has_times: bool) -> None: ...
    def put(
        self,
        kinds: ReadableBuffer,
        ids: ReadableBuffer,
        sizes: ReadableBuffer,
        aligns: ReadableBuffer,
        tags: ReadableBuffer,
        threads: ReadableBuffer,
        times: ReadableBuffer,
    ) -> None:
        """Write the operations of these columns, which are those of glassheap.traces.Columns.

        Raises ValueError if and only if the columns are no trace. O(n).
        """
    def put_refused(
        self,
        kind: SupportsIndex,
        block: SupportsIndex | None,
        size: SupportsIndex,
        align: SupportsIndex,
        tag: SupportsIndex,
        thread: SupportsIndex,
        time: SupportsIndex,
    ) -> None:
        """Write a request that failed.

        kind is 0 for a malloc; 1 for a realloc of a block, None if that is not known; 2 for a
        size of a batch, of which the next request is another.
        """
    def put_tag(self, number: SupportsIndex, text: str) -> None:
        """Write the text of a tag, before its first use."""
    def put_fact(self, text: str) -> None:
        """Write a line of text about the recording as a whole."""
    def end(self) -> None:
        """End the recording."""
    def take(self) -> bytes:
        """Return the bytes of the whole frames that were written since the last call."""

@final
class _Tag:
    """A tag of a heap that is held for a context, and the one around it, or None."""
    def __init__(self, heap: Heap, tag: str, outer: _Tag | None) -> None: ...

_context_tag: ContextVar[_Tag]

def policies() -> list[PolicyInfo]:
    """Return a PolicyInfo for each placement policy, the default first.

    name is the value for Heap's option policy; summary is one line; cost is that of malloc and
    free; source names the policy's origin.
    """

def _play_foreign(
    kinds: ReadableBuffer,
    ids: ReadableBuffer,
    sizes: ReadableBuffer,
    functions: tuple[int, int, int],
    place: WriteableBuffer,
    /,
) -> tuple[int, int]:
    """Play a trace on functions at these addresses; return nanoseconds and refused requests.

    functions are the addresses of malloc, free and realloc; the last may be 0 if the trace resizes
    nothing. The index of the operation that runs is in the first 8 bytes of place. The blocks still
    live at the end are freed, outside of the time.

    Raises ValueError if and only if the columns are no trace, a function that it needs is missing,
    or place is too small.
    """

def _numpy_handler(heap: Heap, /) -> object:
    """Return a NumPy memory handler over a heap."""

def _set_numpy_handler(api: object, handler: object, /) -> object:
    """Set NumPy's memory handler, and return the previous one. api is NumPy's _ARRAY_API."""

def _start_recording(path: bytes, command: str) -> bool:
    """Record this interpreter's allocations to a file, until _stop_recording().

    Returns False if it is being recorded already. Raises OSError if and only if the file cannot be
    made.
    """

def _stop_recording() -> None:
    """End the recording of this interpreter's allocations."""

def _register(errors: Mapping[str, type[Exception]], find_record: Callable[[str], object]) -> None:
    """Register the exception classes by name, and a function that finds a record type.

    The package calls it once, when it is imported.
    """

@overload
def _create_shared(
    name: bytes,
    path: bytes,
    buffer: WriteableBuffer | None,
    size: SupportsIndex | None,
    timeout: float,
    options: dict[str, Any],
    offsets: Literal[False],
) -> SharedHeap:
    """Make a SharedHeap in a new segment; with offsets, a SharedOffsetHeap.

    name and path are bytes, empty if not given; buffer is None, or size is, without offsets.
    """

@overload
def _create_shared(
    name: bytes,
    path: bytes,
    buffer: WriteableBuffer | None,
    size: SupportsIndex | None,
    timeout: float,
    options: dict[str, Any],
    offsets: Literal[True],
) -> SharedOffsetHeap:
    """Make a SharedHeap in a new segment; with offsets, a SharedOffsetHeap.

    name and path are bytes, empty if not given; buffer is None, or size is, without offsets.
    """

def _attach_shared(
    name: bytes,
    path: bytes,
    buffer: WriteableBuffer | None,
    timeout: float,
    policy: str,
    offsets: bool | None = None,
    record: _Path | None = None,
) -> SharedHeap:
    """Attach to a SharedHeap, or with offsets to a SharedOffsetHeap; by default to either.

    An empty policy is any policy. record is the path of a recording, or None.
    """

def _image_generation(front: bytes) -> int | None:
    """Return a number that is odd during a call on the heap whose image begins so.

    None if it is no image.
    """

def _summarize_segment(name: bytes) -> tuple[int, str, int, list[int]]:
    """Return bytes, policy, number of deaths inside a call, and pids of living users of a segment.

    name is bytes. Raises HeapError or OSError if it is no segment of a shared heap.
    """

def _remove_unused_segment(name: bytes) -> bool:
    """Remove a segment that no living process has attached to; return False if one has.

    name is bytes. Raises HeapError or OSError if it is no segment of a shared heap.
    """

def _remove_deserted_locks() -> None:
    """Remove the lock files of heaps in buffers that no living process has attached to."""

def _hold_unused(path: bytes) -> object | None:
    """Keep every process from attaching to a heap's file, until the result is deleted.

    path is bytes. Return None if a living process has attached, or is attaching. Raises
    HeapError or OSError if it is no shared heap that can be written.
    """

def _read_image(
    buffer: WriteableBuffer, original: bytes = b""
) -> tuple[int, tuple[int, int, int], list[int], list[int]]:
    """Return the contents of an image's copy, before any recovery.

    They are: number of deaths inside a call; start, end and keep of the block in flight; the pids
    of those that are attached to the original, a file's path; the payloads of live blocks.
    """
