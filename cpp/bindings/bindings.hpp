// bindings.hpp: what the files of the Python extension share. pybind11 and nothing else.
//
//     module.cpp       the module, in one look
//     heap_type.cpp    Heap: constructor, properties and every method that is not hot
//     hot_methods.cpp  malloc, free and their like, which must cost little
//     shared_type.cpp  SharedHeap
//     opening.cpp      options, and other people's buffers
//     block_type.cpp   Block
//     views.cpp        memoryviews of a block and of the region
//     player.cpp       replaying a trace
//     numpy.cpp        NumPy's arrays in a heap
//     arguments.hpp    Python's whole numbers into 64 bits
//     raise.hpp        Fault into exception
#pragma once

#include <pybind11/pybind11.h>

#include <span>

#include "glassheap/shared_heap.hpp"

namespace glassheap::bindings {

namespace py = pybind11;

void add_heap(py::module_& module);
void add_hot_methods(py::handle heap_type);
// As the descriptors that CPython's own types have; the methods live as long as the type.
void add_methods(py::handle heap_type, std::span<PyMethodDef> methods);
void add_shared_heap(py::module_& module);
void add_block(py::module_& module);
void add_views(py::module_& module);
void add_player(py::module_& module);
void add_numpy(py::module_& module, py::handle heap_type);

// The C++ heap in a Python Heap. Null, with a TypeError set, if its __init__ was never called.
Heap* heap_of(PyObject* self) noexcept;

// The self of a method that pybind11 calls. Its own Heap& would be given fresh bytes in place of a
// heap whose __init__ was never called; this refuses it with a TypeError, and so does what is no
// Heap.
class OpenHeap {
 public:
  Heap* operator->() const { return heap_; }
  Heap& operator*() const { return *heap_; }

  [[nodiscard]] py::handle object() const { return object_; }

  // False if `object` is no Heap at all; throws if it was never opened.
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

// The heap in `object`; throws a TypeError if it is no open Heap.
inline Heap* require_heap(py::handle object) {
  OpenHeap heap;
  if (!heap.load(object)) throw py::type_error("what is needed here is a Heap.");
  return &*heap;
}

// New references; null with an exception set.
// What becomes of a block when its Block is: it is freed; it is let go of, as one of several; it is
// somebody else's.
enum class Ownership : std::uint8_t { owner, shared, none };
PyObject* make_block(py::object heap, const Handle& handle, Ownership hold = Ownership::owner);
PyObject* make_view(py::object heap, Address payload, py::object given);
PyObject* make_region_view(py::object heap);

// Makes glassheap.records.NAME(*fields), a named tuple, many times over.
class RecordMaker {
 public:
  explicit RecordMaker(const char* name);
  [[nodiscard]] py::object operator()(const py::tuple& fields) const;

 private:
  py::object type_;
};

}  // namespace glassheap::bindings

template <>
struct pybind11::detail::type_caster<glassheap::bindings::OpenHeap> {
  PYBIND11_TYPE_CASTER(glassheap::bindings::OpenHeap, const_name("glassheap._core.Heap"));
  bool load(handle source, bool /*convert*/) { return value.load(source); }
};
