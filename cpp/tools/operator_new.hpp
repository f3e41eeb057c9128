// operator_new.hpp: which places in the program are in C++'s operator new.
//
// It is the same function for every `new`, so its place tells nothing: its caller does. It has eight
// forms that a program may replace. A library or a program that has one names it in its table of
// dynamic symbols, which is read where it lies: dlsym would take the lock of the loader.
#pragma once

#include <link.h>

#include <cstdint>

namespace glassheap::recorder {

// True if the place to which a call returns is in an operator new of this object. O(1).
[[nodiscard]] bool is_in_operator_new(const link_map& object, std::uintptr_t site) noexcept;

}  // namespace glassheap::recorder
