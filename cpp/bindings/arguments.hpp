// arguments.hpp: Python's integers in 64 bits, without surprises, and other arguments.
//
// A Python int has no bounds. One that does not fit in 64 bits becomes the nearest number that
// does, and is marked: a size of 2^200 is then refused for lack of memory, an address of 2^200 as
// foreign, and no number ever wraps. An object without __index__ is a TypeError.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

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
// The same for one of this heap. In an offset heap 0 is an address like any other, and None is none.
bool read_address(const Heap& heap, PyObject* object, std::uint64_t& address) noexcept;

// These throw, and name the argument.
std::uint64_t require_size(py::handle object, const char* name);
std::uint64_t require_number(py::handle object, const char* name);  // none that 64 bits do not hold
std::uint64_t require_address(py::handle object);
std::uint64_t require_address(const Heap& heap, py::handle object);
double require_seconds(py::handle object, const std::string& name);
// True and False, NumPy's too, but no other truth value: a number was meant for another argument.
bool require_flag(py::handle object, const char* name);
std::string require_bytes(py::handle object, const char* name);
std::string require_string(py::handle object, const char* name);
// The path of a file: a string, bytes, or an object with __fspath__; none for None, and if not given.
std::optional<std::string> read_path(py::handle object);
// An object with a buffer of numbers.
py::buffer_info require_buffer(py::handle object, const char* name);
Heap& require_heap(py::handle object);

}  // namespace glassheap::bindings
