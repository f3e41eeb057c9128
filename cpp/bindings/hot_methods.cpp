// hot_methods.cpp: Heap: malloc, free and the other calls that a program makes a million times.
//
// They are methods as in functions.hpp, but without a try block or a temporary Python object, and
// with a short way for arguments that are passed by position and are small ints: a call costs as
// much as one of a type that is written by hand in C.
//
// The GIL stays held: releasing it would cost more than the call. Arguments are converted to
// numbers before the heap is called, because an __index__ may run any code, also on the heap.

#include "arguments.hpp"
#include "functions.hpp"
#include "patience.hpp"
#include "raise.hpp"
#include "small_ints.hpp"
#include "tags.hpp"

namespace glassheap::bindings {
namespace {

// --- The way of a call. ------------------------------------------------------------------------

[[gnu::cold, gnu::noinline]] PyObject* refuse_unopened(PyObject* self) {
  set_never_opened(self);
  return nullptr;
}

// Any arguments that the signature allows, for a function that is compiled apart for them.
template <const auto& doc, auto function>
[[gnu::noinline]] PyObject* call_sorted(PyObject* self, Heap& heap, const Passed& passed) {
  Arguments<doc> arguments{};
  const Signature& signature = signature_of<doc>;
  if (!sort_arguments(signature, signature.name.data(), passed, arguments.data())) return nullptr;
  return function(self, heap, arguments);
}

// Most calls by far pass exactly the required arguments, by position.
template <const auto& doc, auto function>
PyObject* call_hot(PyObject* self, Values values, Py_ssize_t positional, PyObject* names) {
  Heap* const heap = value_in<Heap>(self);
  if (heap == nullptr) [[unlikely]]
    return refuse_unopened(self);
  constexpr std::size_t required = signature_of<doc>.required;
  if (names != nullptr || positional != Py_ssize_t{required})
    return call_sorted<doc, function>(self, *heap, {values, positional, names});
  Arguments<doc> arguments{};
  std::copy_n(values, required, arguments.begin());
  return function(self, *heap, arguments);
}

template <const auto& doc, auto function>
PyMethodDef hot() {
  return definition<doc>(call_hot<doc, function>);
}

// The arguments that an error may be about; null if not passed.
struct CallArguments {
  PyObject* size;
  PyObject* align;
  PyObject* pointer;
};

[[gnu::cold, gnu::noinline]] PyObject* refuse(PyObject* heap, const Fault& fault,
                                              const CallArguments& given) {
  PyObject* const other = fault.kind == FaultKind::invalid_alignment ? given.align : given.pointer;
  return set_error(fault, fault.kind == FaultKind::out_of_memory ? given.size : other, heap);
}

// The same as the functions of arguments.hpp, with a short way for small ints, on which `size` and
// `address` stay in registers.
[[gnu::always_inline]] inline bool read_hot_size(PyObject* object, const char* name,
                                                 std::uint64_t& size) {
  if (read_small_int(object, size)) [[likely]]
    return true;
  BoundedInt bounded;
  if (!read_size(object, name, bounded)) return false;
  size = bounded.value;
  return true;
}

[[gnu::always_inline]] inline bool read_hot_address(PyObject* object, std::uint64_t& address) {
  if (read_small_int(object, address)) [[likely]]
    return true;
  std::uint64_t any = 0;
  if (!read_address(object, any)) return false;
  address = any;
  return true;
}

bool read_optional_align(PyObject* object, std::uint64_t& align) {
  align = granule_size;
  return object == nullptr || read_align(object, align);
}

// Most addresses are ints, for which the type need not be compared.
bool is_given_block(PyObject* object) { return PyLong_Check(object) == 0 && is_block(object); }

// --- The methods. ------------------------------------------------------------------------------

constexpr const char malloc_doc[] = R"(malloc($self, size, *, align=16, tag=None, evict=None)
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

Raises OutOfMemory if and only if no free block can serve the request, InvalidSize if size
is negative, InvalidAlignment for any other align, ValueError for a tag that is empty or too
long; TypeError for no integer, a tag that is no string, and if evict is no function; what
evict raises; HeapDamaged, HeapClosed.)";

[[gnu::always_inline]] inline PyObject* heap_malloc(PyObject* self, Heap& heap,
                                                    const Arguments<malloc_doc>& arguments) {
  const auto [given_size, given_align, _, evict] = arguments;
  std::uint64_t size = 0;
  std::uint64_t align = 0;
  if (!read_hot_size(given_size, "size", size) || !read_optional_align(given_align, align))
    return nullptr;
  if (is_patient(evict)) return malloc_patiently({self, given_size, size, align, evict});
  UnsetFault unset;
  if (const Address address = heap.malloc(size, align, unset.fault)) [[likely]] {
    put_context_tag(self, heap, address);
    return PyLong_FromUnsignedLongLong(address);
  }
  return refuse(self, unset.fault, {given_size, given_align, nullptr});
}

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
    put_context_tag(self, heap, address);
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
  if (!read_hot_address(given_address, address) || !read_hot_size(given_size, "size", size) ||
      !read_optional_align(given_align, align))
    return nullptr;
  Fault fault;
  if (const Address now = heap.realloc(address, size, align, fault)) [[likely]] {
    if (address == 0) put_context_tag(self, heap, now);  // else the block keeps its own
    return PyLong_FromUnsignedLongLong(now);
  }
  return refuse(self, fault, {given_size, given_align, given_address});
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

[[gnu::always_inline]] inline PyObject* heap_free(PyObject* self, Heap& heap,
                                                  const Arguments<free_doc>& arguments) {
  std::uint64_t address = 0;
  if (is_given_block(arguments[0])) [[unlikely]]
    return free_block(self, arguments[0]);
  if (!read_hot_address(arguments[0], address)) return nullptr;
  UnsetFault unset;
  if (!heap.free(address, unset.fault)) [[unlikely]]
    return set_error(unset.fault, arguments[0]);
  Py_RETURN_NONE;
}

constexpr const char usable_size_doc[] = R"(usable_size($self, address)
--

Return how many bytes may be written at address: the size asked for, rounded up to 16.

In a debug heap it is exactly the size asked for. O(log n).

Raises what free raises for a bad address or a damaged header; HeapClosed.)";

PyObject* heap_usable_size(PyObject* /*self*/, Heap& heap,
                           const Arguments<usable_size_doc>& arguments) {
  std::uint64_t address = 0;
  if (!read_hot_address(arguments[0], address)) return nullptr;
  Fault fault;
  const Size usable = heap.usable_size(address, fault);
  return fault ? set_error(fault, arguments[0]) : PyLong_FromUnsignedLongLong(usable);
}

constexpr const char view_doc[] = R"(view($self, address)
--

Return a writable memoryview of exactly the bytes asked for, without a copy.

Of a Block it is the view that memoryview(block) gives.

The view pins the block: free, realloc, reset and close raise BufferError until the view,
and each slice and array made of it, is gone or released. It keeps the heap's memory alive.
O(log n).

Raises what free raises for a bad address or a damaged header; HeapClosed.)";

PyObject* heap_view(PyObject* self, Heap& /*heap*/, const Arguments<view_doc>& arguments) {
  std::uint64_t address = 0;
  if (is_given_block(arguments[0])) return view_block(self, arguments[0]);
  if (!read_hot_address(arguments[0], address)) return nullptr;
  return make_view(py::reinterpret_borrow<py::object>(self), address,
                   py::reinterpret_borrow<py::object>(arguments[0]));
}

constexpr const char alloc_doc[] = R"(alloc($self, size, *, align=16, tag=None, evict=None)
--

Allocate size bytes and return a Block, which frees itself.

The Block exports its bytes through the buffer protocol, frees them when it is collected,
when a with statement over it ends, or by its free(), and detects that it is stale. It takes
as long as malloc, and has the same other arguments.

Raises what malloc raises.)";

PyObject* heap_alloc(PyObject* self, Heap& heap, const Arguments<alloc_doc>& arguments) {
  const auto [given_size, given_align, _, evict] = arguments;
  std::uint64_t size = 0;
  std::uint64_t align = 0;
  if (!read_hot_size(given_size, "size", size) || !read_optional_align(given_align, align))
    return nullptr;
  if (is_patient(evict)) return alloc_patiently({self, given_size, size, align, evict});
  Fault fault;
  Handle handle;
  if (!heap.acquire(size, align, handle, fault))
    return refuse(self, fault, {given_size, given_align, nullptr});
  put_context_tag(self, heap, handle.address);
  return make_block(py::reinterpret_borrow<py::object>(self), handle);
}

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
