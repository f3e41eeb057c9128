// heap_type.cpp: Heap: construction, properties, reset and close.

#include "arguments.hpp"
#include "buffers.hpp"
#include "option_table.hpp"
#include "raise.hpp"
#include "registry.hpp"

namespace glassheap::bindings {
namespace {

// --- Construction. -----------------------------------------------------------------------------

std::unique_ptr<Heap> open(const py::object& size, const py::kwargs& given) {
  Options options = read_options(given, OptionSet::heap);
  options.size = require_size(size, "size");
  Fault fault;
  std::unique_ptr<Heap> heap = Heap::open(options, fault);
  // Of these faults, no_pages alone is about the size as it was given.
  raise_if(fault, fault.kind == FaultKind::no_pages ? size.ptr() : nullptr);
  return heap;
}

std::unique_ptr<Heap> over(const py::object& buffer, const py::kwargs& given) {
  const Options options = read_options(given, OptionSet::heap);
  const BorrowedBuffer borrowed = borrow(buffer);
  return checked(
      [&](Fault& fault) { return Heap::over(borrowed.bytes, borrowed.keeper, options, fault); });
}

constexpr const char* heap_doc =
    R"(A heap over one region of memory, every byte of which can be inspected.

Args:
    size: Bytes of the region, from 16 (32 with base 0 and no headers) to 68,719,476,720, rounded up
        to a multiple of 16. The region is mapped as private pages, with an inaccessible page at
        either end.
    policy: The placement policy, by name or as a Policy: it chooses the free block for a request.
        'first_fit' takes the lowest address. policies() describes each.
    headers: True if a header of 16 bytes precedes each payload. Without headers a block of 64 bytes
        takes 64, every check but those of the header itself still holds, and the exact size asked
        for, the serial and the magic number are not kept.
    checks: 'robust' verifies every pointer, header and node that a call uses. 'debug' also puts a
        redzone behind each payload, verified when the block is freed, resized or checked, and fills
        free memory, verified when it is allocated again or checked: a block takes 16 bytes more, a
        call takes time in proportion to its size, and usable_size is exactly the size asked for.
    magic: The 32-bit number in the header of every live block.
    zero_on_free: True to clear the bytes of a block when it is freed.
    threads: True if several threads may use the heap at a time. False saves the lock; the caller
        then promises that they do not.
    base: The address of the region's first byte, a multiple of 16: with 0, addresses are offsets
        into the region. By default the region's real address. With 0 and no headers the first 16
        bytes of the region stay unused, so that no payload has the address 0.
    fit, order, coalesce: For sequential_fit only: 'first', 'best' or 'worst' fit, by default first;
        over a list in the order 'address', 'size+', 'size-', 'front' or 'back', by default by
        address; free neighbours are merged (True, the default), or never.

Raises InvalidSize for a size out of range, ValueError for an unknown policy, for an option that the
policy does not take, and for a magic of more than 32 bits, InvalidAlignment for a base that is no
multiple of 16, OutOfMemory if the system gives no pages, TypeError for an unknown option. Any
number of threads may use one heap, with or without the GIL.)";

constexpr const char* over_doc = R"(Open a heap inside a writable, contiguous buffer.

The buffer is a bytearray, array, mmap, SharedMemory.buf, NumPy or ctypes array, or a memoryview of
one. The region is the largest whole number of granules of 16 bytes in it, less a last one, whose
bytes check() verifies: a write behind the region is OverflowDetected. No byte of the buffer outside
of these is ever written. The buffer is held, and so cannot be resized or closed, until close().

The options are those of Heap, but for size. O(size of the index).

Raises BufferError for a buffer that is read-only or not contiguous, TypeError for an object without
a buffer, InvalidSize for a buffer that is too small, and what Heap raises.)";

// The first line of a docstring, in the form that inspect.signature reads. pybind11 writes another
// form in its place, unless it is told not to.
std::string signature(const std::string& name, const std::string& first) {
  return name + "(" + first + ", *, " + options_signature() + ")\n--\n\n";
}

void add_construction(HeapClass& type) {
  py::options docstrings;
  docstrings.disable_function_signatures();
  const Size size = Options().size;
  const std::string init_signature = signature("__init__", "self, size=" + std::to_string(size));
  const std::string over_signature = signature("over", "buffer");
  type.def(py::init(&open), (init_signature + "Open a heap of size bytes.").c_str(),
           py::arg("size") = size);
  type.def_static("over", &over, (over_signature + over_doc).c_str(), py::arg("buffer"));
}

// --- Properties. -------------------------------------------------------------------------------

py::object region(py::object self) {
  PyObject* const view = make_region_view(std::move(self));
  if (view == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(view);
}

void add_options(HeapClass& type) {
  type.def_property_readonly(
          "size", [](OpenHeap heap) { return heap->size(); }, "Bytes in the region.")
      .def_property_readonly(
          "policy", [](OpenHeap heap) { return heap->options().policy; },
          "The name of the placement policy.")
      .def_property_readonly(
          "magic", [](OpenHeap heap) { return heap->options().magic; },
          "The magic number in the header of each live block.")
      .def_property_readonly(
          "base", [](OpenHeap heap) { return heap->base(); },
          "The address of the region's first byte, from which this heap counts.")
      .def_property_readonly(
          "headers", [](OpenHeap heap) { return heap->options().headers; },
          "True if a header precedes each payload.")
      .def_property_readonly(
          "checks", [](OpenHeap heap) { return name_of(heap->options().checks); },
          "The extent of the checks: 'robust' or 'debug'.");
}

void add_region(HeapClass& type) {
  type.def_property_readonly(
          "address", [](OpenHeap heap) { return heap->address(); },
          "The real address of the region's first byte.")
      .def_property_readonly("region", &region,
                             R"(A read-only memoryview of every byte of the region.

While it lives, close() raises BufferError. Raises HeapClosed.)")
      .def_property_readonly(
          "closed", [](OpenHeap heap) { return heap->closed(); }, "True if close() was called.");
}

// --- Reset and close. --------------------------------------------------------------------------

void reset(OpenHeap heap) {
  checked([&](Fault& fault) { return heap->reset(fault); });
}

void close(OpenHeap heap) {
  checked([&](Fault& fault) { return heap->close(fault); });
}

void add_closing(HeapClass& type) {
  type.def("reset", &reset,
           R"(Free every block, whatever state the heap is in: it is as new, and not damaged.

Addresses handed out before are refused until they are handed out again; a Block is stale. O(n).
Raises BufferError while a view of a block lives, and HeapClosed.)")
      .def("close", &close,
           R"(Give the region back to the system; every later use raises HeapClosed.

Closing twice does nothing. Raises BufferError while a view of a block, or of the region, lives.)")
      .def("__enter__", [](py::object self) { return self; })
      .def("__exit__", [](OpenHeap heap, const py::args&) { close(heap); });
}

py::list describe_policies() {
  const RecordMaker record("PolicyInfo");
  py::list list;
  for (const PolicyDescription& policy : policies())
    list.append(record(py::make_tuple(policy.name, policy.summary, policy.cost, policy.source)));
  return list;
}

}  // namespace

HeapClass add_heap(py::module_& module) {
  HeapClass type(module, "Heap", heap_doc);
  add_construction(type);
  add_options(type);
  add_region(type);
  add_closing(type);
  return type;
}

void add_policies(py::module_& module) {
  module.def("policies", &describe_policies,
             R"(Return a PolicyInfo for each placement policy, the default first.

name is the value for Heap's option policy; summary is one line; cost is that of malloc and free;
source names the policy's origin.)");
}

}  // namespace glassheap::bindings
