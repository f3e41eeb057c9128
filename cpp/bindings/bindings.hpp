// bindings.hpp: declarations that the files of the Python extension share.
//
//     module.cpp         the module: every type and function, at a glance
//     registry.hpp       exception classes and record types, as Python registers them
//     raise.hpp          a Fault becomes an exception
//     arguments.hpp      Python's integers in 64 bits
//     option_table.hpp   the options of a heap, a row each
//     buffers.hpp        a caller's buffer as a region
//     heap_type.cpp      Heap: construction, properties, reset and close
//     heap_reports.cpp   Heap: lists of blocks, findings, statistics
//     batches.cpp        Heap: malloc_many and free_many
//     hot_methods.cpp    Heap: malloc, free and the other frequent calls
//     shared_type.cpp    SharedHeap
//     shared_images.cpp  copies of a shared heap's image
//     block_type.cpp     Block
//     views.cpp          memoryviews of a block and of the region
//     export.hpp         the buffer protocol, for Block and for views
//     player.cpp         Player: replays a trace
//     numpy.cpp          NumPy's memory handler over a heap
//     refusals.cpp       one sentence for the arguments that a method does not take
//
// pybind11 and nothing else. Python calls C++, never the reverse: no file here imports a module of
// the package. Methods that are written in Python are in glassheap/methods.py.
#pragma once

#include <pybind11/pybind11.h>

#include "glassheap/shared_heap.hpp"

namespace glassheap::bindings {

namespace py = pybind11;
using HeapClass = py::class_<Heap>;
using SharedHeapClass = py::class_<SharedHeap, Heap>;

// Each adds its part to the module, or to the type Heap.
void add_registry(py::module_& module);
HeapClass add_heap(py::module_& module);
void add_reports(HeapClass& type);
void add_batches(HeapClass& type);
void add_hot_methods(py::handle heap_type);
void add_policies(py::module_& module);
SharedHeapClass add_shared_heap(py::module_& module);
void add_shared_images(py::module_& module, SharedHeapClass& type);
void add_block(py::module_& module);
void add_views(py::module_& module);
void add_player(py::module_& module);
void add_numpy(py::module_& module);

// Gives the public functions that the type or module has by now a sentence for wrong arguments.
void explain_wrong_arguments(py::handle scope);

// The C++ heap in a Python Heap. Null, with a TypeError set, if its __init__ was never called.
Heap* heap_of(PyObject* self) noexcept;

// The self of a method that pybind11 calls. For Heap&, pybind11 would allocate uninitialised bytes
// if __init__ was never called; this raises TypeError for such an object, and for one of another
// type.
class OpenHeap {
 public:
  Heap* operator->() const { return heap_; }
  Heap& operator*() const { return *heap_; }

  [[nodiscard]] py::handle object() const { return object_; }

  // False if `object` is no Heap; throws if its __init__ was never called.
  bool load(py::handle object) {
    if (!py::isinstance<Heap>(object)) return false;
    heap_ = heap_of(object.ptr());
    if (heap_ == nullptr) throw py::error_already_set();
    object_ = object;
    return true;
  }

 private:
  Heap* heap_ = nullptr;
  py::handle object_;
};

// The heap in `object`; throws TypeError if it is no open Heap.
inline Heap* require_heap(py::handle object) {
  OpenHeap heap;
  if (!heap.load(object)) throw py::type_error("a Heap is needed here.");
  return &*heap;
}

// A collected Block frees its memory (owner), drops one of several references to it (shared_ref), or
// does nothing (borrowed).
enum class Ownership : std::uint8_t { owner, shared_ref, borrowed };

// New references; null with an exception set.
PyObject* make_block(py::object heap, const Handle& handle, Ownership ownership = Ownership::owner);
PyObject* make_view(py::object heap, Address payload, py::object given);
PyObject* make_region_view(py::object heap);

// A Block passed in the place of its address. free_block frees it as its own free() does; both raise
// ForeignPointer for a Block of another heap.
bool is_block(PyObject* object);
PyObject* free_block(PyObject* heap, PyObject* block);
PyObject* view_block(PyObject* heap, PyObject* block);

}  // namespace glassheap::bindings

template <>
struct pybind11::detail::type_caster<glassheap::bindings::OpenHeap> {
  PYBIND11_TYPE_CASTER(glassheap::bindings::OpenHeap, const_name("glassheap._core.Heap"));
  bool load(handle source, bool /*convert*/) { return value.load(source); }
};
