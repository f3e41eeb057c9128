// export.hpp: the buffer protocol, for a class that pins a block while its bytes are exported.
//
// The class has `heap`, `given`, pin(Pinned&, Fault&) and readonly().
#pragma once

#include "functions.hpp"
#include "raise.hpp"

namespace glassheap::bindings {

template <typename Exporter>
int fill_buffer(PyObject* self, Exporter& exporter, Py_buffer* buffer, int flags) {
  Heap::Pinned pinned;
  Fault fault;
  if (!exporter.pin(pinned, fault)) {
    if (fault.kind == FaultKind::no_bytes)
      PyErr_SetString(PyExc_BufferError, sentence(fault).c_str());
    else
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
}

template <typename Exporter>
int get_buffer(PyObject* self, Py_buffer* buffer, int flags) noexcept try {
  buffer->obj = nullptr;
  return fill_buffer(self, *value_in<Exporter>(self), buffer, flags);
} catch (...) {
  set_current_exception();
  return -1;
}

template <typename Exporter>
void release_buffer(PyObject* self, Py_buffer* buffer) noexcept {
  value_in<Exporter>(self)->heap->unpin(reinterpret_cast<Offset>(buffer->internal));
}

// Instances are made in C++ only: one made by Python would have no value.
inline PyObject* refuse_new(PyTypeObject* type, PyObject* /*arguments*/, PyObject* /*names*/) {
  PyErr_Format(PyExc_TypeError, "a %s is not made by calling its class: a Heap makes it.",
               short_name(type));
  return nullptr;
}

// Makes the type of an exporter. It has no __new__, which help() would offer.
template <typename Exporter>
PyTypeObject* make_exporter(const char* name, const char* doc) {
  PyTypeObject* const type =
      make_type<Exporter>(name, doc, 0,
                          {{Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer<Exporter>)},
                           {Py_bf_releasebuffer, reinterpret_cast<void*>(release_buffer<Exporter>)},
                           {Py_tp_new, reinterpret_cast<void*>(refuse_new)}});
  py::delattr(reinterpret_cast<PyObject*>(type), "__new__");
  return type;
}

}  // namespace glassheap::bindings
