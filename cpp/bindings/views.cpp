// views.cpp: memoryviews of a block and of the region.
//
// A memoryview gets the buffer of its exporter once, however many slices, casts and arrays are made
// of it afterwards, and releases it once, when the last of them is gone or released. So a View pins
// its block when the buffer is exported, and unpins it when the buffer is released: no view, no
// pin.

#include "export.hpp"
#include "raise.hpp"

namespace glassheap::bindings {
namespace {

// The exporter of a memoryview: of one block's payload, or of the whole region.
struct View {
  py::object owner;  // the Python Heap: a view keeps its memory alive
  Heap* heap;
  Address payload;
  bool whole_region;
  py::object given;  // the address as the caller passed it, for an error

  bool pin(Heap::Pinned& pinned, Fault& fault) const {
    return whole_region ? heap->pin_region(pinned, fault) : heap->pin(payload, pinned, fault);
  }
  [[nodiscard]] bool readonly() const { return whole_region; }
  int traverse(visitproc visit, void* arg) const {
    Py_VISIT(owner.ptr());
    Py_VISIT(given.ptr());
    return 0;
  }
};

PyObject* make(View view) noexcept try {
  const py::object exporter = owned(make_instance(std::make_unique<View>(std::move(view))));
  return PyMemoryView_FromObject(exporter.ptr());
} catch (...) {
  set_current_exception();
  return nullptr;
}

}  // namespace

PyObject* make_view(py::object heap, Address payload, py::object given) {
  Heap* const opened = value_in<Heap>(heap.ptr());
  return make({std::move(heap), opened, payload, false, std::move(given)});
}

PyObject* make_region_view(py::object heap) {
  Heap* const opened = value_in<Heap>(heap.ptr());
  return make({std::move(heap), opened, 0, true, {}});
}

const Heap* heap_of_view(PyObject* object) {
  const View* const view = is_instance<View>(object) ? value_in<View>(object) : nullptr;
  return view == nullptr ? nullptr : view->heap;
}

void add_views() {
  make_exporter<View>("glassheap._core._View", "The exporter of a memoryview of a heap's bytes.");
}

}  // namespace glassheap::bindings
