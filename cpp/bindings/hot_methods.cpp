// hot_methods.cpp: Heap: malloc, free and the other calls that a program makes a million times.

#include "hot_calls.hpp"

namespace glassheap::bindings {
namespace {

constexpr const char malloc_doc[] =
    R"(malloc($self, size, *, align=16, tag=None, evict=None, timeout=None)
--

Allocate a block of size bytes and return the address of its payload.

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
HeapDamaged, HeapClosed.)";

constexpr const char calloc_doc[] = R"(calloc($self, count, size, *, tag=None)
--

Allocate count * size bytes, all zero, and return the address of the payload.

Like malloc(count * size, tag=tag), whatever the product: it never wraps. As malloc, and
O(count * size) for the clearing.

Raises OutOfMemory if and only if no free block can serve the product, InvalidSize if count
or size is negative, ValueError and TypeError as malloc does; HeapDamaged, HeapClosed.)";

py::object product(const Arguments<calloc_doc>& arguments) {
  const auto count = py::reinterpret_steal<py::object>(PyNumber_Index(arguments[0]));
  const auto size = py::reinterpret_steal<py::object>(PyNumber_Index(arguments[1]));
  if (!count || !size) return {};
  return py::reinterpret_steal<py::object>(PyNumber_Multiply(count.ptr(), size.ptr()));
}

PyObject* heap_calloc(PyObject* self, Heap& heap, const Arguments<calloc_doc>& arguments) {
  std::uint64_t count = 0;
  std::uint64_t size = 0;
  if (!read_hot_size(arguments[0], "count", count) || !read_hot_size(arguments[1], "size", size))
    return nullptr;
  Fault fault;
  if (const Address address = heap.calloc(count, size, fault)) {
    put_context_tag(heap, address);
    return PyLong_FromUnsignedLongLong(address);
  }
  const auto total = fault.kind == FaultKind::out_of_memory ? product(arguments) : py::object();
  return PyErr_Occurred() == nullptr ? set_error(fault, total.ptr(), self) : nullptr;
}

constexpr const char realloc_doc[] = R"(realloc($self, address, size, *, align=16, tag=None)
--

Give the block at address another size in bytes, and return its new address.

The contents stay, up to the smaller of the two sizes. A shrinking block gives back its tail
in place; a growing one takes the low end of its free right neighbour if that is enough;
otherwise, or if it is not aligned to align, the block moves. realloc(None, n) is malloc(n);
realloc(p, 0) keeps a block of size 0. The block keeps its age, and its tag unless another
one is given. O(1) in place, else as malloc and free, and O(size) for the copy.

Raises OutOfMemory if and only if the block has to move and no free block can serve, with
the old block untouched; what free raises for a bad address; BufferError while a view of the
block lives; InvalidSize if size is negative; InvalidAlignment, ValueError, TypeError,
HeapDamaged, HeapClosed, as malloc does.)";

PyObject* heap_realloc(PyObject* self, Heap& heap, const Arguments<realloc_doc>& arguments) {
  const auto [given_address, given_size, given_align, _] = arguments;
  std::uint64_t address = 0;
  std::uint64_t size = 0;
  std::uint64_t align = 0;
  if (!read_hot_address(heap, given_address, address) || !read_hot_size(given_size, "size", size) ||
      !read_optional_align(heap, given_align, align))
    return nullptr;
  Fault fault;
  if (const Address now = heap.realloc(address, size, align, fault)) [[likely]] {
    if (address == 0) put_context_tag(heap, now);  // else the block keeps its own
    return PyLong_FromUnsignedLongLong(now);
  }
  return set_refusal(self, fault, {given_size, given_align, given_address});
}

constexpr const char free_doc[] = R"(free($self, address)
--

Give back the block with that payload address, and merge it with its free neighbours.

A Block is freed as by its own free(). free(None) and free(0) do nothing. O(1) or O(log n);
with sequential_fit O(n).

Raises DoubleFree if and only if the memory there is free already, InteriorPointer inside a
live block but not at its payload, MisalignedPointer where no block can start,
ForeignPointer outside the region and for a Block of another heap, StaleHandle for a Block
whose memory was given back before; BadMagic or HeaderCorrupted if the header in front of
the payload was overwritten, FreeListCorrupted if the node of a free block that it is merged
with was, OverflowDetected in a debug heap if a byte behind the payload was; BufferError
while a view of the block lives; TypeError for no integer; HeapDamaged, HeapClosed. Whatever
it raises, nothing has changed.)";

constexpr const char usable_size_doc[] = R"(usable_size($self, address)
--

Return how many bytes may be written at address: the size asked for, rounded up to 16.

In a debug heap it is exactly the size asked for. O(log n).

Raises what free raises for a bad address or a damaged header; HeapClosed.)";

constexpr const char view_doc[] = R"(view($self, address)
--

Return a writable memoryview of exactly the bytes asked for, without a copy.

Of a Block it is the view that memoryview(block) gives.

The view pins the block: free, realloc, reset and close raise BufferError until the view,
and each slice and array made of it, is gone or released. It keeps the heap's memory alive.
O(log n).

Raises what free raises for a bad address or a damaged header; HeapClosed.)";

PyObject* heap_view(PyObject* self, Heap& heap, const Arguments<view_doc>& arguments) {
  std::uint64_t address = 0;
  if (!heap.has_bytes()) return set_error({.kind = FaultKind::no_bytes});
  if (is_given_block(arguments[0])) return view_block(self, arguments[0]);
  if (!read_hot_address(heap, arguments[0], address)) return nullptr;
  return make_view(py::reinterpret_borrow<py::object>(self), address,
                   py::reinterpret_borrow<py::object>(arguments[0]));
}

constexpr const char alloc_doc[] =
    R"(alloc($self, size, *, align=16, tag=None, evict=None, timeout=None)
--

Allocate size bytes and return a Block, which frees itself.

The Block exports its bytes through the buffer protocol, frees them when it is collected,
when a with statement over it ends, or by its free(), and detects that it is stale. It takes
as long as malloc, and has the same other arguments.

Raises what malloc raises.)";

std::array hot_methods = {
    hot<malloc_doc, with_tag<malloc_doc, heap_malloc>>(),
    hot<calloc_doc, with_tag<calloc_doc, heap_calloc>>(),
    hot<realloc_doc, with_tag<realloc_doc, heap_realloc>>(),
    hot<free_doc, heap_free>(),
    hot<usable_size_doc, heap_usable_size>(),
    hot<view_doc, heap_view>(),
    hot<alloc_doc, with_tag<alloc_doc, heap_alloc>>(),
};

}  // namespace

void add_hot_methods(PyTypeObject* type) { add_methods(type, hot_methods); }

}  // namespace glassheap::bindings
