// arguments.hpp: Python's integers in 64 bits, without surprises.
//
// A Python int has no bounds. One that does not fit in 64 bits becomes the nearest number that
// does, and is marked: a size of 2^200 is then refused for lack of memory, an address of 2^200 as
// foreign, and no number ever wraps. An object without __index__ is a TypeError.
#pragma once

#include <cstdint>
#include <limits>

#include "bindings.hpp"

namespace glassheap::bindings {

// An integer, limited to 0 .. 2^64 - 1.
struct BoundedInt {
  std::uint64_t value = 0;
  bool negative = false;  // below 0; value is 0
  bool beyond = false;    // above 2^64 - 1; value is 2^64 - 1
};

// Each of these reads an object with __index__, which may run any code. False with an exception set
// if it cannot; `name` is the argument's, for the sentence.
bool read_bounded_int(PyObject* object, const char* name, BoundedInt& number) noexcept;

// A size in bytes: InvalidSize if it is negative.
bool read_size(PyObject* object, const char* name, BoundedInt& size) noexcept;

// An alignment: an impossible one becomes 0, which every heap refuses.
bool read_align(PyObject* object, std::uint64_t& align) noexcept;

// An address: None is 0; an impossible one becomes the highest address, which is foreign.
bool read_address(PyObject* object, std::uint64_t& address) noexcept;

// read_size for pybind11's functions: throws.
std::uint64_t require_size(const py::object& object, const char* name);

}  // namespace glassheap::bindings
