// raise.hpp: a Fault becomes the exception that stands for it, outside of any lock.
#pragma once

#include "bindings.hpp"

namespace glassheap::bindings {

// Sets the exception for `fault`, and returns null. A handler that interrupts a wait has set its own. `given` is the object that the caller passed,
// if the fault is about one: it becomes `address` or `requested`, exactly, also where it does not
// fit in 64 bits. `heap` is the Python Heap that refused, if one did: an OutOfMemory looks at it
// when its message is read.
PyObject* set_error(const Fault& fault, PyObject* given = nullptr, PyObject* heap = nullptr);

// Sets the exception of that class name, with a sentence of its own, and returns null.
PyObject* set_error(const char* name, py::handle sentence);

// The same for pybind11's functions: throws if there is a fault.
void raise_if(const Fault& fault, PyObject* given = nullptr, PyObject* heap = nullptr);

// Throws HeapClosed if the heap is closed.
void require_open(Heap& heap);

// Throws TypeError for an offset heap, which has no bytes.
void require_bytes(const Heap& heap);

// The result of a call that takes a Fault; throws if the call was refused.
template <typename Call>
auto checked(Call call) {
  Fault fault;
  auto result = call(fault);
  raise_if(fault);
  return result;
}

}  // namespace glassheap::bindings
