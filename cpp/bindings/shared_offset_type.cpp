// shared_offset_type.cpp: SharedOffsetHeap, an OffsetHeap whose own data is in a segment.
//
// It inherits from OffsetHeap and SharedHeap, in this order; its value is a SharedHeap.

#include "functions.hpp"
#include "system_errors.hpp"

namespace glassheap::bindings {
namespace {

constexpr const char* shared_offset_doc = R"(SharedOffsetHeap(*arguments, **options)
--

An OffsetHeap that many processes use at once: only its own data is in the shared segment.

Made by SharedOffsetHeap.create and attached to by SharedOffsetHeap.attach. The memory that it
describes, of a GPU or a file on disk, is the processes' own affair; each gets the same offsets.
The segment has at most 19 bytes for each granule, beside the records of free blocks, and what a
SharedHeap has. Lock, recovery, owners and references are those of SharedHeap; malloc, free and
realloc those of OffsetHeap.)";

// The class is not called: a call would not say where the heap is.
int refuse_offset_call(PyObject* /*self*/, PyObject* /*positional*/, PyObject* /*named*/) {
  PyErr_SetString(PyExc_TypeError,
                  "a SharedOffsetHeap is made by SharedOffsetHeap.create(name, size), and attached "
                  "to by SharedOffsetHeap.attach(name).");
  return -1;
}

constexpr const char shared_offset_repr_doc[] = R"(__repr__($self)
--

Return size, granule, place, policy and state in angle brackets. Takes as long as stats().)";

py::str represent_shared_offset_heap(SharedHeap& heap) {
  const py::str front =
      py::str("<SharedOffsetHeap of {} bytes, granule {}, in {}, {}")
          .format(heap.size(), heap.granule(), place_of(heap.location()), heap.options().policy);
  Fault closed;
  const Stats s = heap.stats(closed);
  if (closed) return py::str("{}, closed>").format(front);
  return py::str("{}: {} live, {} free, {} bytes available>")
      .format(front, s.live_blocks, s.free_blocks, s.available);
}

std::array shared_offset_methods = {
    method<shared_offset_repr_doc, represent_shared_offset_heap>(),
};

}  // namespace

py::object make_shared_heap(std::unique_ptr<SharedHeap> heap) {
  if (heap->has_bytes()) return owned(make_instance(std::move(heap)));
  py::object made = owned(allocate_instance<SharedOffsetHeapType>());
  set_value<SharedHeap>(made.ptr(), std::move(heap));
  return made;
}

void add_shared_offset_heap(py::module_& module) {
  const py::tuple bases = py::make_tuple(type_object<OffsetHeapType>(), type_object<SharedHeap>());
  PyTypeObject* const type = make_type<SharedOffsetHeapType>(
      "glassheap.SharedOffsetHeap", shared_offset_doc, Py_TPFLAGS_BASETYPE,
      {{Py_tp_init, reinterpret_cast<void*>(refuse_offset_call)}}, bases);
  add_methods(type, shared_offset_methods);
  module.attr("SharedOffsetHeap") = py::handle(reinterpret_cast<PyObject*>(type));
}

}  // namespace glassheap::bindings
