// export.hpp: the buffer protocol, for a class that pins a block while its bytes are exported.
//
// pybind11's own def_buffer has no hook for the release of a buffer; so the two slots are set by
// hand. The class has `heap`, `given`, pin(Pinned&, Fault&) and readonly().
#pragma once

#include "raise.hpp"

namespace glassheap::bindings {

template <typename Exporter>
int get_buffer(PyObject* self, Py_buffer* buffer, int flags) noexcept try {
  auto& exporter = py::cast<Exporter&>(py::handle(self));
  Heap::Pinned pinned;
  Fault fault;
  buffer->obj = nullptr;
  if (!exporter.pin(pinned, fault)) {
    set_error(fault, exporter.given.ptr());
    return -1;
  }
  const auto size = static_cast<Py_ssize_t>(pinned.size);
  if (PyBuffer_FillInfo(buffer, self, pinned.data, size, exporter.readonly() ? 1 : 0, flags) != 0) {
    exporter.heap->unpin(pinned.payload);
    return -1;
  }
  buffer->internal = reinterpret_cast<void*>(pinned.payload);  // for release_buffer
  return 0;
} catch (const std::exception& error) {
  PyErr_SetString(PyExc_MemoryError, error.what());
  return -1;
}

template <typename Exporter>
void release_buffer(PyObject* self, Py_buffer* buffer) noexcept {
  const auto& exporter = py::cast<const Exporter&>(py::handle(self));
  exporter.heap->unpin(reinterpret_cast<Offset>(buffer->internal));
}

// Instances are made in C++ only: one made by Python would have no C++ object in it.
inline PyObject* refuse_new(PyTypeObject* type, PyObject* /*args*/, PyObject* /*kwargs*/) {
  PyErr_Format(PyExc_TypeError, "a %s is not made by calling its class: a Heap makes it.",
               type->tp_name);
  return nullptr;
}

template <typename Exporter>
py::custom_type_setup exporting() {
  return py::custom_type_setup([](PyHeapTypeObject* type) {
    type->ht_type.tp_new = refuse_new;
    type->as_buffer.bf_getbuffer = get_buffer<Exporter>;
    type->as_buffer.bf_releasebuffer = release_buffer<Exporter>;
    type->ht_type.tp_as_buffer = &type->as_buffer;
  });
}

}  // namespace glassheap::bindings
