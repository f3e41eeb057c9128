// raise.hpp: a Fault becomes the exception that stands for it, outside any lock.
#pragma once

#include "bindings.hpp"

namespace glassheap::bindings {

// Sets the exception for `fault`. `given` is the very object that the caller passed, if one is to
// be blamed: it becomes `address` or `requested`, also where it does not fit 64 bits. `heap` is the
// Python Heap that refused, if one did: an OutOfMemory looks at it when its message is read.
// Returns null.
PyObject* set_error(const Fault& fault, PyObject* given = nullptr, PyObject* heap = nullptr);

// The same for pybind11's functions: throws if there is a fault.
void raise_if(const Fault& fault, PyObject* given = nullptr, PyObject* heap = nullptr);

// Sets glassheap.errors.NAME, with a sentence of its own. Returns null.
PyObject* set_error(const char* name, py::handle sentence);

// The message of an OutOfMemory that `heap` raised, from its attributes.
std::string explain(OpenHeap heap, const py::object& requested, Size available, Size largest,
                    Size free_blocks, Size align);
double index_of_fragmentation(const py::object& requested, Size available, Size free_blocks);

// The class glassheap.errors.NAME, or the builtin of that name.
py::object error_class(const char* name);

}  // namespace glassheap::bindings
