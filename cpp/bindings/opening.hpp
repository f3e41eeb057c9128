// opening.hpp: what a heap is to be opened with, read from Python: options, and other people's
// bytes.
#pragma once

#include <span>

#include "raise.hpp"

namespace glassheap::bindings {

// A whole number of bytes, of any size; InvalidSize if it is negative.
std::uint64_t read_bytes(const py::object& object, const char* name);

// The option of that name, as Heap takes it. Throws TypeError for an object that it cannot be, and
// for an unknown name; ValueError for a value that there is not.
void read_option(Options& options, const std::string& name, const py::object& value);
// All of them; `known` says which are taken.
Options read_options(const py::kwargs& given, std::initializer_list<std::string_view> known);
std::string_view level_of(const Options& options);

// Raises the error for a heap that could not be opened, if it could not. `size` is what was given.
void raise_unopened(const Fault& fault, const Options& options, const py::object& size);

// A buffer's bytes, writable and in one piece, held until the keeper is let go.
struct Borrowed {
  std::span<std::byte> span;
  std::shared_ptr<void> keeper;
};
Borrowed borrow(const py::object& buffer);

}  // namespace glassheap::bindings
