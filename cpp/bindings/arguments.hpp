// arguments.hpp: Python's arguments into numbers of 64 bits, without a surprise.
//
// A Python int has no bounds. One that does not fit becomes the nearest number that does, and says
// so: a size of 2^200 is then refused for lack of memory, an address of 2^200 as foreign, and
// nothing ever wraps. What has no __index__ is a TypeError.
#pragma once

#include <cstdint>
#include <limits>

#include "bindings.hpp"

namespace glassheap::bindings {

struct BoundedInt {
  std::uint64_t value = 0;
  bool negative = false;  // value is 0
  bool beyond = false;    // above 2^64 - 1; value is 2^64 - 1
};

// Reads any object with __index__, whatever that runs. False, with an exception set, otherwise;
// `name` says which argument it was.
bool read_bounded_int(PyObject* object, const char* name, BoundedInt& whole) noexcept;

// The same as a size in bytes: InvalidSize if negative.
bool read_size(PyObject* object, const char* name, BoundedInt& size) noexcept;

// As an alignment: what cannot be one becomes 0, which no heap accepts.
bool read_align(PyObject* object, std::uint64_t& align) noexcept;

// As an address: None is 0; what no address can be becomes the highest of all, which is foreign.
bool read_address(PyObject* object, std::uint64_t& address) noexcept;

}  // namespace glassheap::bindings
