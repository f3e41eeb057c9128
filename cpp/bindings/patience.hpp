// patience.hpp: what malloc and alloc do about a shortage: they let the caller evict blocks, and wait.
#pragma once

#include "bindings.hpp"

namespace glassheap::bindings {

// A request, and the arguments that say what to do if no free block serves it; null if not passed.
struct PatientRequest {
  PyObject* heap;
  PyObject* given_size;
  PyObject* given_align;
  Size size;
  Size align;
  PyObject* evict;
  PyObject* timeout;
};

// True if the arguments ask for anything: None does not.
inline bool is_given(PyObject* argument) { return argument != nullptr && argument != Py_None; }
inline bool is_patient(PyObject* evict, PyObject* timeout) {
  return is_given(evict) || is_given(timeout);
}

// The results of malloc and of alloc; null with an exception set.
PyObject* malloc_patiently(const PatientRequest& request);
PyObject* alloc_patiently(const PatientRequest& request);

}  // namespace glassheap::bindings
