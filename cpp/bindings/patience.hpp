// patience.hpp: what malloc and alloc do about a shortage: they let the caller evict blocks.
#pragma once

#include "bindings.hpp"

namespace glassheap::bindings {

// A request, and the arguments that say what to do if no free block serves it; null if not passed.
struct PatientRequest {
  PyObject* heap;
  PyObject* given_size;
  Size size;
  Size align;
  PyObject* evict;
};

// True if the arguments ask for anything: None does not.
inline bool is_patient(PyObject* evict) { return evict != nullptr && evict != Py_None; }

// The results of malloc and of alloc; null with an exception set.
PyObject* malloc_patiently(const PatientRequest& request);
PyObject* alloc_patiently(const PatientRequest& request);

}  // namespace glassheap::bindings
